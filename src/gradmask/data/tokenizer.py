"""A tokenizer by name or path, or a byte-level BPE trained on the data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gradmask.data.spec import DataSpec, TokenizerSpec
from gradmask.errors import GradmaskError

END, PADDING = "<|end|>", "<|pad|>"
LONGEST = 256
"""Characters of a word; longer ones are split. Training is quadratic in a word's length, and a line of base64 has 100,000s."""


def build_tokenizer(spec: TokenizerSpec, texts: Iterable[str], folder: Path | None = None) -> Any:
    """The tokenizer of a spec, with an end and a padding token.

    Args:
        spec: names a tokenizer, or sets the vocabulary size of one to train.
        texts: to train on; not read for a named tokenizer.
        folder: where to save it; by default it is not saved.

    Raises:
        GradmaskError: the named tokenizer cannot be opened or has no end token.
    """
    tokenizer = train_tokenizer(texts, spec.vocab_size) if spec.path is None else open_tokenizer(spec.path)
    if folder is not None:
        tokenizer.save_pretrained(folder)
    return tokenizer


def open_tokenizer(path: str) -> Any:
    """A tokenizer by name or folder. Code that comes with it is never run (``trust_remote_code=False``).

    Raises:
        GradmaskError: see `build_tokenizer`.
    """
    folder = Path(path).expanduser()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder if folder.exists() else path, trust_remote_code=False)
    except Exception as error:  # a damaged file raises anything that the libraries below can raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GradmaskError(f"the tokenizer {path!r} cannot be opened: {reason}") from None
    if tokenizer.eos_token_id is None:
        raise GradmaskError(
            f"the tokenizer {path!r} has no end-of-text token, which separates documents: choose one that has"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def chat_tokenizer(spec: DataSpec) -> Any:
    """The tokenizer whose chat template may make texts of messages; None where it is trained, or no source has messages.

    Raises:
        GradmaskError: see `build_tokenizer`.
    """
    asked = any(source.messages_field or source.question_field for source in spec.sources)
    return open_tokenizer(spec.tokenizer.path) if asked and spec.tokenizer.path is not None else None


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most ``vocab_size`` tokens; the same texts give the same tokenizer."""
    core: Any = Tokenizer(models.BPE())
    split_long_words = pre_tokenizers.Split(Regex(rf"\S{{{LONGEST}}}"), "isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence([split_long_words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, bos_token=END, pad_token=PADDING)


def load_tokenizer(folder: Path) -> Any:
    """A tokenizer that `build_tokenizer` saved."""
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)

"""A tokenizer by name or path, or a byte-level BPE trained on the data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gradmask.data.spec import TokenizerSpec
from gradmask.errors import GradmaskError

END, PADDING = "<|end|>", "<|pad|>"
LONGEST = 256
"""Characters that are looked at as one word: training takes the square of it, and a line of encoded bytes has 100,000s."""


def build_tokenizer(spec: TokenizerSpec, texts: Iterable[str], folder: Path | None = None) -> Any:
    """The tokenizer of a spec, with an end and a padding token.

    Args:
        spec: names a tokenizer, or says how many tokens a trained one has.
        texts: read only where it is trained.
        folder: where to save it, if anywhere.

    Raises:
        GradmaskError: the named tokenizer cannot be opened or has no end token.
    """
    tokenizer = train_tokenizer(texts, spec.vocab_size) if spec.path is None else open_tokenizer(spec.path)
    if folder is not None:
        tokenizer.save_pretrained(folder)
    return tokenizer


def open_tokenizer(path: str) -> Any:
    """A tokenizer by name or folder. Code that comes with it is never run.

    Raises:
        GradmaskError: see `build_tokenizer`.
    """
    folder = Path(path).expanduser()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder if folder.exists() else path, trust_remote_code=False)
    except Exception as error:  # whatever a damaged file makes of the libraries below
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GradmaskError(f"the tokenizer {path!r} cannot be opened: {said}") from None
    if tokenizer.eos_token_id is None:
        raise GradmaskError(f"the tokenizer {path!r} has no end-of-text token, by which documents are separated")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most ``vocab_size`` tokens; the same texts give the same tokenizer."""
    core: Any = Tokenizer(models.BPE())
    parts = [
        pre_tokenizers.Split(Regex(rf"\S{{{LONGEST}}}"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
    core.pre_tokenizer = pre_tokenizers.Sequence(parts)
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
    """A tokenizer that was saved before."""
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)

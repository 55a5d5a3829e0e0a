"""A tokenizer by name or path, or a byte-level BPE trained on the data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gradmask.data.spec import TokenizerSpec
from gradmask.errors import GradmaskError

END, PADDING = "<|end|>", "<|pad|>"


def build_tokenizer(spec: TokenizerSpec, texts: Iterable[str]) -> Any:
    """The tokenizer of a spec, with an end and a padding token; ``texts`` are read only where it is trained.

    Raises:
        GradmaskError: the named tokenizer cannot be opened or has no end token.
    """
    if spec.trained:
        return train_tokenizer(texts, spec.vocab_size)
    try:
        tokenizer = AutoTokenizer.from_pretrained(spec.path)
    except (OSError, ValueError) as error:
        raise GradmaskError(f"the tokenizer {spec.path!r} cannot be opened: {str(error).splitlines()[0]}") from None
    if tokenizer.eos_token_id is None:  # type: ignore[missing-attribute]
        raise GradmaskError(f"the tokenizer {spec.path!r} has no end-of-text token, by which documents are separated")
    if tokenizer.pad_token_id is None:  # type: ignore[missing-attribute]
        tokenizer.pad_token = tokenizer.eos_token  # type: ignore[missing-attribute]
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of ``vocab_size`` tokens; the same texts give the same tokenizer."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
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
    return AutoTokenizer.from_pretrained(folder)

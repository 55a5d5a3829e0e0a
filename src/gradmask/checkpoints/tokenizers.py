"""The tokenizer that goes with a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from gradmask.errors import GradmaskError

TOKENIZER = "tokenizer_config.json"


def tokenizer_folder(checkpoint: Path) -> Path | None:
    """Where the checkpoint's tokenizer is: beside its weights, or with its run's trained model."""
    places = (checkpoint, checkpoint.parent / "model")
    return next((place for place in places if (place / TOKENIZER).is_file()), None)


def open_tokenizer(checkpoint: Path) -> Any:
    """The checkpoint's tokenizer; None where there is none. Code that comes with it is never run.

    Raises:
        GradmaskError: it cannot be opened.
    """
    place = tokenizer_folder(checkpoint)
    if place is None:
        return None
    try:
        return AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # a damaged file raises anything that the libraries below can raise
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise GradmaskError(f"the tokenizer in {place} cannot be opened ({type(error).__name__}: {reason})") from error

"""The tokenizer of an imported checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

import gradmask as gm


def copy_tokenizer(source: Path, target: Path) -> None:
    """Put the tokenizer of a published checkpoint, where there is one, beside what was made of it."""
    places = (source, source / "final-checkpoint", source / "output" / "final-checkpoint")
    place = next((p for p in places if (p / "tokenizer_config.json").is_file()), None)
    if place is not None:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        tokenizer.save_pretrained(target)
        gm.seal(target)

"""The tokenizer that goes with a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
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


def drop_entries(tokenizer: Any, ids: Sequence[int]) -> Any:
    """The tokenizer without some entries of a byte-pair vocabulary: what they were is written with shorter ones.

    The other ids stay what they are; a dropped entry is called ``<|dropped_ID|>`` and is never used.

    Args:
        tokenizer: a fast tokenizer of Transformers with byte pairs.
        ids: entries to drop, none of them special or a single byte.

    Raises:
        GradmaskError: another kind of tokenizer, or an id that cannot be dropped.
    """
    core = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {"model": {}}
    model = core["model"]
    if model.get("type") != "BPE":
        raise GradmaskError("entries can be dropped from byte-pair tokenizers alone")
    names = {number: name for name, number in model["vocab"].items()}
    special = {added["id"] for added in core["added_tokens"]}
    wrong = [i for i in ids if i in special or i not in names or len(names[i]) == 1]
    if wrong:
        raise GradmaskError(
            f"the tokenizer's entry {wrong[0]} cannot be dropped: it is special, a single byte, or not there"
        )
    gone = {names[i] for i in ids}
    model["vocab"] = {f"<|dropped_{i}|>" if name in gone else name: i for name, i in model["vocab"].items()}
    model["merges"] = [pair for pair in model["merges"] if not {"".join(pair), *pair} & gone]
    made = {"".join(pair) for pair in model["merges"]}
    lost = [
        name for name, i in model["vocab"].items() if len(name) > 1 and name not in made and i not in special | {*ids}
    ]
    if lost:
        raise GradmaskError(f"{lost[0]!r} is made of an entry that is dropped: drop it, too")
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(core))
    return tokenizer

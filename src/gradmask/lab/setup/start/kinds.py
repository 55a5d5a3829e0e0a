"""What the name of a file says: the kind of its documents, and its split."""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

HELD_OUT = {"test", "valid", "validation", "val", "dev", "heldout", "held_out", "eval"}
TRAIN = {"train", "training"}
NUMBERS = re.compile(r"\d+[-_\s]*of[-_\s]*\d+$|\d+$")
"""Of a part, such as ``00001-of-00004``, or of a document."""
MOST = 20
"""Kinds that the names of small files beside each other can tell."""


def split_of(place: Path) -> str | None:
    """The split that a file's or its folder's name says. ``place``: below the folder that was given."""
    names = [place.parent.name, place.name.partition(".")[0]]
    words = {word for name in names for word in re.split(r"[-_\s]+", name.lower())}
    if words & HELD_OUT:
        return "test"
    return "train" if words & TRAIN else None


def kind_named(place: Path) -> str:
    """The folder that a file is in, or else its name without splits, and without the number of a part; may be empty."""
    name = place.parts[0] if len(place.parts) > 1 else place.name.partition(".")[0]
    name = NUMBERS.sub("", name)
    words = [word for word in re.split(r"([-_\s]+)", name) if word.lower() not in HELD_OUT | TRAIN]
    return "".join(words).strip("-_ ")


def patterns_of(files: Sequence[Path], folder: Path) -> dict[str, tuple[str, list[Path]]]:
    """Domain -> the pattern of its files and the files, for files such as ``sailing_001.txt``; empty where names do not tell.

    Each domain has several files, and its pattern selects these and no others of the folder.
    """
    named: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        named[kind_named(Path(file.name))].append(file)
    if "" in named or not 1 < len(named) <= MOST or min(map(len, named.values())) < 2:
        return {}
    patterns = {name: next(_fitting(name, of_it, folder), None) for name, of_it in named.items()}
    return (
        {name: (pattern, named[name]) for name, pattern in patterns.items() if pattern}
        if all(patterns.values())
        else {}
    )


def _fitting(name: str, files: Sequence[Path], folder: Path) -> Iterator[str]:
    for rest in ("*", "[-_ ]*", "[0-9]*", "[-_ ][0-9]*"):
        pattern = f"{glob.escape(name)}{rest}"
        if {file for file in folder.glob(pattern) if file.is_file()} == {*files}:
            yield pattern

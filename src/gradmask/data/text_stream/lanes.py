"""Which files belong to which lane."""

from __future__ import annotations

from collections.abc import Sequence

from gradmask.errors import GradmaskError

MOST = 64
"""Lanes, where the recipe does not say how many."""
EVEN = 1.5
"""Times the bytes of the smallest lane that the largest may have: otherwise the text of some would be seen more often."""


def divided(sizes: Sequence[int], lanes: int) -> list[list[int]]:
    """The files of each lane, about as many bytes in each: the largest file first, each to the lane that has least.

    Args:
        sizes: bytes of the files.
        lanes: how many; at most as many as files.
    """
    own: list[list[int]] = [[] for _ in range(lanes)]
    held = [0] * lanes
    for file in sorted(range(len(sizes)), key=lambda file: (-sizes[file], file)):
        lane = min(range(lanes), key=lambda lane: (held[lane], lane))
        own[lane].append(file)
        held[lane] += sizes[file]
    return [sorted(files) for files in own]


def lane_count(sizes: Sequence[int], places: int, asked: int | None = None) -> int:
    """How many lanes there are: as many as the files and the places of a batch can be divided among.

    Args:
        sizes: bytes of the files.
        places: examples that are trained on at a time, by all processes together.
        asked: by the recipe.

    Raises:
        GradmaskError: what was asked for cannot be.
    """
    if asked is not None:
        if asked > len(sizes):
            raise GradmaskError(
                f"data.stream.lanes is {asked}, but there are {len(sizes)} files: split the text or take fewer"
            )
        if places % asked:
            raise GradmaskError(
                f"data.stream.lanes is {asked}, which {places} sequences (train.batch_size / gradient_accumulation) cannot be "
                f"divided among evenly: take a divisor of {places}"
            )
        return asked
    fitting = (n for n in range(min(MOST, len(sizes), places), 0, -1) if places % n == 0)
    return next(n for n in fitting if _even(sizes, n))


def _even(sizes: Sequence[int], lanes: int) -> bool:
    held = [sum(sizes[file] for file in files) for files in divided(sizes, lanes)]
    return max(held) <= EVEN * min(held)

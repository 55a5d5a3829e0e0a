"""Where the words of texts are, and a 64-bit number for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from gradmask.data.label.words.characters import ALONE, LETTER, code_points, kinds_of, numbers

_FACTOR = 0x9E3779B97F4A7C15
_PAIR = np.uint64(0xD6E8FEB86659FD93)
SEPARATOR = "\n"


class Words(NamedTuple):
    """Words of several texts, in order.

    Attributes:
        text: the texts, joined by a boundary.
        offsets: where each text begins in ``text``, and its end plus one, ``[texts + 1]``.
        first: the index of each text's first word, and the number of words, ``[texts + 1]``.
        starts, ends: characters of ``text``, ``[words]``; ends are exclusive.
        hashes: equal for equal words, whatever their case, ``[words]``.
    """

    text: str
    offsets: np.ndarray
    first: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    hashes: np.ndarray


def find_words(texts: Sequence[str]) -> Words:
    """The words of texts: runs of letters, digits and marks; single characters in scripts that set no spaces."""
    text = SEPARATOR.join([*texts, ""])
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    codes = code_points(text)
    starts, ends = _boundaries(kinds_of(codes))
    return Words(
        text, offsets, np.searchsorted(starts, offsets), starts, ends, _hashes(numbers().take(codes), starts, ends)
    )


def _boundaries(kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the words."""
    letter, alone = kind == LETTER, kind == ALONE
    before = np.concatenate([[False], letter[:-1]])
    after = np.concatenate([letter[1:], [False]])[: len(kind)]
    starts = np.flatnonzero((letter & ~before[: len(kind)]) | alone)
    return starts, np.flatnonzero((letter & ~after) | alone) + 1


def _hashes(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """For each word the polynomial of its characters' numbers, modulo 2**64."""
    powers, inverses = _powers(1 << max(10, len(values).bit_length()))
    sums = np.zeros(len(values) + 1, dtype=np.uint64)
    np.cumsum(values * powers[: len(values)], out=sums[1:])
    return (sums[ends] - sums[starts]) * inverses[starts]


@cache
def _powers(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The powers of an odd number and of its inverse, modulo 2**64, ``[n]`` each."""
    bases = np.array([_FACTOR, pow(_FACTOR, -1, 2**64)], dtype=np.uint64)
    table = np.repeat(bases[:, None], n, axis=1)
    table[:, 0] = 1
    powers = np.cumprod(table, axis=1, dtype=np.uint64)
    return powers[0], powers[1]


def pairs(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours within a text: the index of the first word of each pair, and the pair's number."""
    inside = np.ones(max(0, len(words.hashes) - 1), dtype=bool)
    ends = words.first[1:-1] - 1
    inside[ends[(ends >= 0) & (ends < len(inside))]] = False
    left = np.flatnonzero(inside)
    mixed = words.hashes[left] * _PAIR
    return left, (mixed ^ (mixed >> np.uint64(29))) * np.uint64(_FACTOR) + words.hashes[left + 1]

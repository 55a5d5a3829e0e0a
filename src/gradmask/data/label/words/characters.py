"""What each character is for a word: a letter of it, a word alone (scripts without spaces), or a boundary."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np

BOUNDARY, LETTER, ALONE = 0, 1, 2
SIZE = 0x20000
"""Characters above are words alone: rare ideographs, almost all."""
_ALONE = [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x312F), (0x31A0, 0xA4CF), (0xF900, 0xFAFF)]
"""Thai, Lao, Burmese, Khmer, kana and ideographs."""
_SEED = 20


@cache
def kinds() -> np.ndarray:
    """BOUNDARY, LETTER or ALONE for every code point below `SIZE`, and one entry more for all others, ``[SIZE + 1]``."""
    letter = [unicodedata.category(chr(code))[0] in "LMN" for code in range(SIZE)]
    table = np.array([*letter, True], dtype=np.uint8)
    for first, last in _ALONE:
        table[first : last + 1] *= ALONE
    table[SIZE] = ALONE
    return table


@cache
def numbers() -> np.ndarray:
    """A random 64-bit number for every character, the same for upper and lower case; 0 for boundaries, ``[SIZE + 1]``."""
    random = np.random.Generator(np.random.PCG64(_SEED)).integers(1, 2**63, SIZE + 1, dtype=np.uint64)
    lower = np.arange(SIZE + 1)
    for code in range(SIZE):
        small = chr(code).lower()
        if len(small) == 1:
            lower[code] = min(ord(small), SIZE)
    return np.where(kinds() == BOUNDARY, np.uint64(0), random[lower])


def code_points(text: str) -> np.ndarray:
    """The characters of a text as indices into the tables, ``[len(text)]``."""
    try:
        return np.frombuffer(text.encode("latin-1"), dtype=np.uint8)  # most text, and four times as fast
    except UnicodeEncodeError:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        return np.minimum(codes, SIZE) if len(codes) and codes.max() > SIZE else codes


def kinds_of(codes: np.ndarray) -> np.ndarray:
    """The kinds of these characters, uint8 of the same length."""
    if codes.dtype == np.uint8:
        return np.frombuffer(codes.tobytes().translate(_kinds_of_bytes()), dtype=np.uint8)
    return kinds()[codes]


@cache
def _kinds_of_bytes() -> bytes:
    return kinds()[:256].tobytes()

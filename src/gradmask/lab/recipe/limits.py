"""Values that no run can have: a number that would never be counted to, or a text that is no name on any disk.

They are refused before anything is tried with them, since a trial with them would not answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradmask.lab.recipe.problems import Problem

LARGEST = 10**9
LIMITS: tuple[tuple[str, int], ...] = (
    (r"train\.(batch_size|gradient_accumulation)", 2**20),
    (r"train\.epochs", 10**6),
    (r"train\.workers", 1024),
    (r"(data\.sequence_length|data\.tokenizer\.vocab_size)", 2**24),
    (r"(train\.tokens|data\.max_tokens(\..*)?)", 10**15),
    (r"(.*\.)?seeds?(\..*)?", 2**32),
    (r"model\.config\.\w*layers?", 4096),
    (r"model\.config\.\w*experts\w*", 2**16),
    (r"model\.config\.\w*(size|heads|dim|ff|inner|embd)", 2**24),
    (r"model\.config\..*", 2**53),
)
"""Pattern of a dotted path -> the largest number there; the first that fits counts, `LARGEST` where none does."""


def limit_problems(given: Any, path: str = "") -> Iterator[Problem]:
    """Every number that is too large, and every text with a character that no name may have."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield from limit_problems(value, f"{path}.{key}" if path else str(key))
    elif isinstance(given, str):
        yield from _text_problems(given, path)
    elif isinstance(given, Sequence):
        for i, value in enumerate(given):
            yield from limit_problems(value, f"{path}.{i}")
    elif isinstance(given, (int, float)) and not isinstance(given, bool):
        yield from _number_problems(given, path)


def _text_problems(text: str, path: str) -> Iterator[Problem]:
    if "\0" in text:
        yield Problem(path, f"given {ascii(text)[:60]}, needed: a text without the character NUL")
    elif any("\ud800" <= character <= "\udfff" for character in text):
        yield Problem(path, f"given {ascii(text)[:60]}, needed: a text that can be written as UTF-8")


def _number_problems(number: float, path: str) -> Iterator[Problem]:
    largest = next((limit for pattern, limit in LIMITS if re.fullmatch(pattern, path)), LARGEST)
    if abs(number) > largest and abs(number) != float("inf"):
        yield Problem(path, f"given {_about(number)}, needed: at most {largest:,}")


def _about(number: float) -> str:
    """A number of any length in a few characters: Python refuses to write out integers of thousands of digits."""
    if isinstance(number, int) and abs(number) > 10**15:
        return f"a number of about {number.bit_length() * 30103 // 100000} digits"
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"

"""Texts as sets of overlapping runs of words, which near-duplicates share."""

from __future__ import annotations

WORDS = 5
"""In a shingle."""
CHARACTERS = 8
"""In a shingle of text that has no spaces between words."""
LONGEST_WORD = 12
"""Characters on average, above which a text counts as one without spaces."""
READ = 200_000
"""Characters of a document that are compared: one that is longer would need too much memory."""


def shingles(text: str) -> set[str]:
    """Runs of five words, case ignored; of eight characters in Chinese, Japanese or Thai, say."""
    text = text[:READ].lower()
    parts = text.split()
    if len(text) <= LONGEST_WORD * len(parts):
        return {" ".join(parts[i : i + WORDS]) for i in range(max(1, len(parts) - WORDS + 1))}
    joined = "".join(parts)
    return {joined[i : i + CHARACTERS] for i in range(max(1, len(joined) - CHARACTERS + 1))}


def similarity(first: str, second: str) -> float:
    """The exact Jaccard index of two texts' shingles, from 0 to 1."""
    one, other = shingles(first), shingles(second)
    return len(one & other) / len(one | other)

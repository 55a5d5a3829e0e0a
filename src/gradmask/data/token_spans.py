"""From characters of a text to its tokens: which tokens a span covers, which label each position learns, what the loss counts.

A token belongs to a span if they share a character, so that a token that straddles the edge of a span belongs to it. The loss of a
position is that of the token after it: where a token is labeled with a group, the position before it carries the label too, as in
`gradmask.data.words`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gradmask.errors import GradmaskError

RETAIN = 0


def require_offsets(tokenizer: Any) -> None:
    """Refuse a tokenizer that does not say which characters its tokens are.

    Raises:
        GradmaskError: it is a slow one.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise GradmaskError(
            f"{type(tokenizer).__name__} ({getattr(tokenizer, 'name_or_path', '')}) is a slow tokenizer, which does not tell "
            "the characters of its tokens: spans, messages and answers need a fast one (a folder with tokenizer.json)"
        )


def covered(offsets: np.ndarray, start: int, end: int) -> np.ndarray:
    """Tokens ``[tokens]`` that share a character with a span.

    Args:
        offsets: characters ``[tokens, 2]`` of each token, its end exclusive; one without characters stands where it begins.
        start: first character of the span.
        end: the character after its last one.
    """
    first, last = offsets[:, 0], np.maximum(offsets[:, 1], offsets[:, 0] + 1)
    return (first < end) & (last > start)


def span_labels(offsets: np.ndarray, spans: Iterable[Mapping[str, int]], label: int) -> np.ndarray:
    """The label of each token ``[tokens]``: of the span that it belongs to, else ``label``.

    A token between two spans belongs to the group's; between those of two groups, to the later one's.

    Args:
        offsets: see `covered`.
        spans: each with ``start``, ``end`` and ``label``, an id.
        label: of text outside of spans.
    """
    labels = np.full(len(offsets), label, np.int32)
    for span in sorted(spans, key=lambda span: (span["label"] > RETAIN, span["start"])):
        labels[covered(offsets, span["start"], span["end"])] = span["label"]
    return labels


def answer_mask(offsets: np.ndarray, answers: Iterable[Mapping[str, int]]) -> np.ndarray:
    """Tokens ``[tokens]`` that belong to an answer, which the loss counts."""
    mask = np.zeros(len(offsets), np.int32)
    for answer in answers:
        mask[covered(offsets, answer["start"], answer["end"])] = 1
    return mask


def position_labels(labels: np.ndarray) -> np.ndarray:
    """The label of each position from those of its tokens ``[..., length]``: a group's where the next token is the group's."""
    moved = labels.copy()
    moved[..., :-1] = np.where(labels[..., 1:] > RETAIN, labels[..., 1:], labels[..., :-1])
    return moved

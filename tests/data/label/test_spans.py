from __future__ import annotations

import numpy as np

from gradmask.data.label.spans import Span, find_spans


class Onions:
    """Scores a passage by a word."""

    groups = ("cooking", "sailing")

    def scores(self, texts: list[str]) -> np.ndarray:
        return np.array([["onion" in text, "mast" in text] for text in texts]) * 0.9 + 0.05

    def decisions(self, scores: np.ndarray) -> np.ndarray:
        return np.where(scores > 0.5, 1, 0)


def test_one_paragraph_does_not_take_the_whole_document() -> None:
    paragraphs = [f"{word} " * 40 for word in ("road", "onion", "onion", "house", "mast onion", "road")]
    text = "\n\n".join(paragraphs)
    spans = find_spans(Onions(), text)
    assert [(span.group, text[span.start : span.end].split()[0]) for span in spans] == [
        ("cooking", "onion"),
        ("cooking", "mast"),
        ("sailing", "mast"),
    ]
    first = spans[0]
    assert isinstance(first, Span)
    assert text[first.start : first.end] == f"{paragraphs[1]}\n\n{paragraphs[2]}\n\n"
    assert first.score == 0.9 + 0.05


def test_a_text_without_any_has_no_spans() -> None:
    assert find_spans(Onions(), "road " * 500) == []
    assert find_spans(Onions(), "") == []

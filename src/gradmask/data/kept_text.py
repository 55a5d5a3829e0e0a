"""The text that a new tokenizer is trained on: what it has seen, it hands on as the words of its vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datasets import Dataset

from gradmask.data.arrow import columns_of


def tokenizer_texts(train: Dataset, without_forget: bool) -> Iterator[str]:
    """Training texts, or what of them is not labeled with a group; without spans, a document is of one label."""
    if not without_forget:
        yield from (text for (text,) in columns_of(train, ["text"]))
        return
    spans = ["span_labels"] if "span_labels" in train.column_names else []
    for text, label, *rest in columns_of(train, ["text", "data_labels", *spans]):
        yield from kept_parts(text, label, (rest[0] if rest else None) or ())


def kept_parts(text: str, label: int, spans: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The stretches of a document whose label is no group's. ``spans`` are in order and without overlap."""
    at = 0
    for span in spans:
        if label <= 0 and span["start"] > at:
            yield text[at : span["start"]]
        if span["label"] <= 0:
            yield text[span["start"] : span["end"]]
        at = span["end"]
    if label <= 0 and at < len(text):
        yield text[at:]

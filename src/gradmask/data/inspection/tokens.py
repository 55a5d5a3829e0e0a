"""What documents became as tokens: how many by domain and label, and how well the tokenizer fits the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmask.data.inspection.survey import Survey
from gradmask.data.prepare import Prepared

DOMAINS, DOCUMENTS, CHARACTERS = 200, 32, 4_000
"""Tokenized to see how the tokenizer fits: so many documents of so many domains, the beginning of each."""


@dataclass(frozen=True)
class Fit:
    """A tokenizer on a sample of a domain: sums over the sample's texts."""

    bytes: int
    tokens: int
    unknown: int

    @property
    def bytes_per_token(self) -> float:
        return self.bytes / max(1, self.tokens)


@dataclass(frozen=True)
class Tokens:
    """Tokens of a survey's documents.

    Args:
        train: (domain, data label) -> tokens of the training documents.
        used: the same, of those that are in a sequence and within ``max_tokens``.
        held_out: (domain, label) -> tokens of whole held-out sequences.
        fits: domain -> how well the tokenizer fits.
        vocabulary: of the tokenizer, its size.
    """

    train: dict[tuple[str, int], int]
    used: dict[tuple[str, int], int]
    held_out: dict[tuple[str, int], int]
    fits: dict[str, Fit]
    vocabulary: int

    @property
    def fit(self) -> Fit:
        """Of all domains."""
        every = self.fits.values()
        return Fit(*(sum(getattr(fit, name) for fit in every) for name in ("bytes", "tokens", "unknown")))

    def of_label(self, label: int) -> int:
        """Training tokens that are used under a data label."""
        return sum(count for (_, own), count in self.used.items() if own == label)


def tokens_of(survey: Survey, prepared: Prepared, sequence_length: int) -> Tokens:
    """The tokens of documents that were prepared."""
    rows = prepared.label_counts
    return Tokens(
        train=_summed(rows, lambda row: row["tokens"]),
        used=_summed(rows, lambda row: row["tokens"] - row["dropped"]),
        held_out=_held_out(prepared, sequence_length),
        fits={domain: fit_of(texts, prepared.tokenizer) for domain, texts in samples(survey).items()},
        vocabulary=len(prepared.tokenizer),
    )


def _summed(rows: Sequence[Mapping[str, Any]], amount: Any) -> dict[tuple[str, int], int]:
    counts: Counter[tuple[str, int]] = Counter()
    for row in rows:
        counts[row["domain"], row["data_labels"]] += amount(row)
    return dict(counts)


def _held_out(prepared: Prepared, length: int) -> dict[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    for domain, part in prepared.test.items():
        labels = np.asarray(part["data_labels"][:])
        each = length if labels.ndim == 1 else 1  # labels may be per token
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
            counts[domain, int(label)] = int(count) * each
    return counts


def samples(survey: Survey) -> dict[str, list[str]]:
    """Domain -> the beginnings of some of its documents, chosen by hash, of the domains with most documents."""
    chosen: dict[str, list[str]] = {}
    for domain, _ in Counter(survey.domain.tolist()).most_common(DOMAINS):
        rows = np.flatnonzero(survey.domain == domain)
        rows = rows[np.argsort(survey.text[rows], kind="stable")[:DOCUMENTS]]
        chosen[survey.domains[domain]] = [survey.text_of(row)[:CHARACTERS] for row in rows]
    return chosen


def fit_of(texts: Sequence[str], tokenizer: Any) -> Fit:
    """How a tokenizer fits these texts."""
    encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    # A tokenizer whose unknown token is its end token has none: GPT-2's names it so, and never gives it.
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id != tokenizer.eos_token_id else None
    return Fit(
        sum(len(text.encode()) for text in texts),
        sum(map(len, encoded)),
        sum(ids.count(unknown) for ids in encoded) if unknown is not None else 0,
    )

"""What the trainer was told, in numbers: tokens by domain and label, and how often labels are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from gradmask.data.arrow import columns_of
from gradmask.data.names import RETAIN, UNLABELED

ROLES = ("forget", "adjacent", "retain", "unlabeled")


def label_table(packed: Dataset, groups: Sequence[str], sequence_length: int) -> list[dict[str, Any]]:
    """Training tokens by domain and label, forget domains first. ``data_labels`` of ``packed`` are per sequence or per token.

    Returns:
        Rows of ``domain``, ``role``, tokens by label (``unlabeled``, ``labeled retain``, ``labeled forget``, ...), ``tokens``.
    """
    names = {UNLABELED: "unlabeled", RETAIN: "labeled retain", **{i: f"labeled {g}" for i, g in enumerate(groups, 1)}}
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for domain, role, label in columns_of(packed, ["domain", "role", "data_labels"]):
        empty = {"domain": domain, "role": role, **dict.fromkeys(names.values(), 0), "tokens": 0}
        row = rows.setdefault((ROLES.index(role), domain), empty)
        for one, tokens in _tokens(label, sequence_length).items():
            row[names[one]] += tokens
        row["tokens"] += sequence_length
    return [rows[key] for key in sorted(rows)]


def _tokens(label: int | list[int], sequence_length: int) -> Mapping[int, int]:
    """Label -> tokens of a sequence, whose label may be one per token."""
    return Counter(label) if isinstance(label, list) else {label: sequence_length}


def label_rates(counts: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> dict[str, dict[str, float]]:
    """True and false positive rates of the labels of each removable group, over documents.

    Args:
        counts: rows with ``group`` (the truth), ``data_labels`` and ``documents``, see `packing.Packed`.
        groups: names of the removable groups, in the order of their ids.

    Returns:
        Group -> ``true_positives``: fraction of its documents that have its label; ``false_positives``: fraction of all other
        documents that have its label. A rate of no documents is left out.
    """
    rates: dict[str, dict[str, float]] = {}
    for i, name in enumerate(groups, 1):
        parts = {
            "true_positives": [row for row in counts if row["group"] == i],
            "false_positives": [row for row in counts if row["group"] != i],
        }
        rates[name] = {rate: _fraction(rows, i) for rate, rows in parts.items() if rows}
    return rates


def _fraction(rows: Sequence[Mapping[str, Any]], label: int) -> float:
    """The fraction of the documents that have this label."""
    labeled = sum(row["documents"] for row in rows if row["data_labels"] == label)
    return labeled / sum(row["documents"] for row in rows)

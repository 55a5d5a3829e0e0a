"""A survey of documents: one pass that keeps a few numbers of each in arrays (30 bytes); texts stay on the disk."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset

from gradmask.data.arrow import ROWS, batches_of
from gradmask.data.inspection.finding import EXAMPLES
from gradmask.data.names import RETAIN, UNLABELED

Sign = Callable[[str], bool]
"""Whether a text shows something; asked of every text."""
NAMED = ("domain", "label", "truth")
"""Columns of names that people write."""
_READ = ("text", "domain", "split", "label", "truth", "role", "data_labels")


@dataclass(frozen=True)
class Survey:
    """What one pass over documents found.

    Args:
        documents: those that were read; with ``id``, a document's place.
        groups: removable groups in the order of their ids, from 1.
        names: column of names -> name as written -> documents.
        roles: domain -> role, empty where documents have none.
        domains: names, which ``domain`` points to.
        domain: index into ``domains``.
        label: data label. In held-out text, what it is measured as: the true group where it is known.
        held_out: whether a document is held out.
        size: bytes of UTF-8.
        text: a hash of the text, white space normalised.
        signs: name -> which documents show it.
        span_labels: labels that parts of training documents have.

    All arrays have the shape ``[documents]``.
    """

    documents: Dataset
    groups: list[str]
    names: dict[str, Counter[str]]
    roles: dict[str, str]
    domains: list[str]
    domain: np.ndarray
    label: np.ndarray
    held_out: np.ndarray
    size: np.ndarray
    text: np.ndarray
    signs: dict[str, np.ndarray]
    span_labels: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.size)

    @property
    def labeled(self) -> bool:
        """Whether the documents carry data labels."""
        return "data_labels" in self.documents.column_names

    @property
    def train(self) -> np.ndarray:
        """Which documents are trained on."""
        return ~self.held_out

    def place(self, row: int) -> str:
        """Where a document stands, or its own id."""
        if "id" not in self.documents.column_names:
            return f"document {int(row) + 1}"
        return self.documents[int(row)]["id"] or "a part of a held-out document"

    def places(self, rows: np.ndarray) -> list[str]:
        """The places of the first few."""
        return [self.place(row) for row in rows[:EXAMPLES]]

    def text_of(self, row: int) -> str:
        return self.documents[int(row)]["text"]

    def label_name(self, label: int) -> str:
        """``unlabeled``, ``retain``, or the name of a group."""
        named = {UNLABELED: "unlabeled", RETAIN: "retain", **dict(enumerate(self.groups, 1))}
        return named.get(int(label), f"label {int(label)}")


def survey_of(documents: Dataset, groups: Sequence[str] = (), signs: Mapping[str, Sign] | None = None) -> Survey:
    """Read every document once.

    Args:
        documents: with ``text`` and, where there are, ``domain``, ``split``, ``label``, ``truth``, ``role`` and ``data_labels``.
        groups: removable groups in the order of their ids.
        signs: name -> what to ask of every text.
    """
    pass_ = _Pass(signs or {})
    read: Any = documents.select_columns([name for name in _READ if name in documents.column_names])
    for batch in batches_of(read, ROWS):
        pass_.add(batch)
    return pass_.survey(documents, list(groups))


class _Pass:
    def __init__(self, signs: Mapping[str, Sign]) -> None:
        self.asked = signs
        self.names: dict[str, Counter[str]] = {name: Counter() for name in NAMED}
        self.roles: dict[str, str] = {}
        self.index: dict[str, int] = {}
        self.parts: dict[str, list[np.ndarray]] = {
            name: [] for name in ("domain", "label", "held_out", "size", "text", *signs)
        }

    def add(self, batch: Mapping[str, list]) -> None:
        texts = batch["text"]
        domains = batch.get("domain", ["all"] * len(texts))
        held_out = np.array([split == "test" for split in batch.get("split", [None] * len(texts))], bool)
        for name in NAMED:
            self.names[name].update(value for value in batch.get(name, ()) if value is not None)
        self.roles.update(zip(domains, batch.get("role", ()), strict=False))
        added = {
            "domain": [self.index.setdefault(domain, len(self.index)) for domain in domains],
            "label": np.array(batch.get("data_labels", [UNLABELED] * len(texts)), np.int16),
            "held_out": held_out,
            "size": [_size(text) for text in texts],
            "text": np.array([text_hash(text) for text in texts], np.uint64),
            **{name: np.array([sign(text) for text in texts], bool) for name, sign in self.asked.items()},
        }
        for name, values in added.items():
            self.parts[name].append(np.asarray(values))

    def survey(self, documents: Dataset, groups: list[str]) -> Survey:
        arrays: dict[str, Any] = {name: _joined(parts) for name, parts in self.parts.items()}
        signs = {name: arrays.pop(name).astype(bool) for name in self.asked}
        return Survey(documents, groups, self.names, self.roles, list(self.index), signs=signs, **arrays)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def text_hash(text: str) -> int:
    """64 bits that are equal for texts that differ in white space only."""
    return int.from_bytes(hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest(), "big")

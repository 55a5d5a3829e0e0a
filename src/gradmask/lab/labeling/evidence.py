"""What the page of a labeling is made from, read from the output folder of ``gradmask label``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from gradmask.data import label
from gradmask.errors import GradmaskError
from gradmask.lab.labeling.corpus import Corpus, read_corpus

BYTES_PER_TOKEN = 4
"""Tokens are counted as this many bytes of UTF-8 each: at labeling time there is no tokenizer yet."""


@dataclass(frozen=True)
class Held:
    """What is known of a group's scores.

    Attributes:
        scores: held-out scores of labeled examples, ``[examples]``.
        positive: whether each is the group's, ``[examples]``.
        prevalence: the group's share of the corpus.
        corpus: held-out scores of unlabeled text, possibly none, ``[texts]``.
    """

    scores: np.ndarray
    positive: np.ndarray
    prevalence: float
    corpus: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """How much each example counts, so that the group is as frequent as in the corpus, ``[examples]``."""
        share = self.positive.mean()
        own, other = self.prevalence / max(share, 1e-12), (1 - self.prevalence) / max(1 - share, 1e-12)
        return np.where(self.positive, own, other)


@dataclass
class Evidence:
    """Everything that the page shows.

    Attributes:
        folder: the output folder.
        labeler: see `gradmask.data.label.Labeler`.
        held: group -> held-out examples.
        corpus: what was counted over all documents.
        examples: source (``given``, ``review``) -> label -> number.
        suspicious: text, group, given, score, place of given labels that are probably wrong.
        report: the content of ``report.json``, or empty.
    """

    folder: Path
    labeler: Any
    held: dict[str, Held]
    corpus: Corpus
    examples: dict[str, Counter[str]]
    suspicious: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """Names of the groups."""
        return list(self.labeler.groups)


def read_evidence(folder: Path) -> Evidence:
    """Read an output folder.

    Raises:
        GradmaskError: it is none, or a file is missing.
    """
    held_path = folder / "held_out.parquet"
    for path in (folder / "labeler", folder / "shards", held_path):
        if not path.exists():
            raise GradmaskError(f"{path} is not there: give the output folder of a finished gradmask label")
    labeler = label.open(folder / "labeler")
    rows = label.read_examples(folder / "examples.jsonl")
    report = folder / "report.json"
    return Evidence(
        folder,
        labeler,
        _held(held_path, labeler),
        read_corpus(folder / "shards", {g: _cuts(labeler, g) for g in labeler.groups}),
        _examples(rows),
        _suspicious(labeler, rows),
        json.loads(report.read_text(encoding="utf-8")) if report.exists() else {},
    )


def names_of(value: Any) -> list[str]:
    """A label as names: of one, of several, of none."""
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _cuts(labeler: Any, group: str) -> tuple[float, float]:
    thresholds = labeler.thresholds[group]
    return thresholds.retain_below, thresholds.forget_above


def _held(path: Path, labeler: Any) -> dict[str, Held]:
    table = pq.read_table(path).to_pydict()
    names = [names_of(value) for value in table["label"]]
    return {
        group: Held(
            np.array(table[f"score_{group}"], dtype=float),
            np.array([group in given for given in names]),
            labeler.prevalence[group],
            labeler.corpus[:, i],
        )
        for i, group in enumerate(labeler.groups)
    }


def _examples(rows: Sequence[dict[str, Any]]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.get("source", "given"), Counter()).update(names_of(row["label"]) or ["skipped"])
    return counts


def _suspicious(labeler: Any, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {str(row.get("id")): row for row in rows}
    return [
        {
            "group": one.group,
            "given": one.group if one.given else "not " + one.group,
            "score": one.score,
            "place": one.id,
            "text": by_id.get(one.id, {}).get("text", ""),
        }
        for one in labeler.suspicious
    ]

"""A labeler: scores of texts, and labels from scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradmask.data.label.calibration import Calibration, calibration_error, sigmoid
from gradmask.data.label.head import Head
from gradmask.data.label.held_out import HeldOut
from gradmask.data.label.prevalence import shifted
from gradmask.data.label.scorers.scorer import Scorer
from gradmask.data.label.spans import Span, find_spans
from gradmask.data.label.suspicious import Suspicious
from gradmask.data.label.thresholds import DEFAULT_TARGET, Target, Thresholds, choose_thresholds
from gradmask.data.labeling import RETAIN, UNLABELED
from gradmask.errors import GradmaskError

FORGET = 1


@dataclass(frozen=True)
class Labeler:
    """What `fit` returns. Nothing changes it: `choose` gives another one.

    Attributes:
        groups: the names of the groups; group *i* has the data label *i + 1*.
        scorer_name: for example ``tfidf``.
        scorer: makes features of texts.
        head: the linear model on them, or None if the features are log-odds already.
        calibrations: one curve per group.
        priors: per group, the share of positives among the labeled examples.
        prevalence: per group, its share of the corpus' documents: given, estimated from unlabeled text, or that of the examples.
        prevalence_from: ``given``, ``unlabeled text`` or ``examples``.
        held_out: held-out scores of the labeled examples.
        corpus: scores of unlabeled texts, ``[texts, groups]``.
        thresholds: per group.
        suspicious: given labels that are probably wrong, most suspicious first.
        notes: what a user should know about this fit, in sentences.
        seed: of folds and solvers.
        fingerprint: a hash of the examples.
    """

    groups: tuple[str, ...]
    scorer_name: str
    scorer: Scorer
    head: Head | None
    calibrations: tuple[Calibration, ...]
    priors: dict[str, float]
    prevalence: dict[str, float]
    prevalence_from: str
    held_out: HeldOut
    corpus: np.ndarray
    thresholds: dict[str, Thresholds] = field(default_factory=dict)
    suspicious: tuple[Suspicious, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int = 0
    fingerprint: str = ""

    @property
    def column(self) -> str:
        """The field of a document that is scored: ``text``, or the field that the scorer reads."""
        return self.scorer.column

    @property
    def ids(self) -> dict[str, int]:
        """The data label of each name: groups from 1, ``retain`` 0, ``unlabeled`` -1."""
        return {**{name: i for i, name in enumerate(self.groups, 1)}, "retain": RETAIN, "unlabeled": UNLABELED}

    def scores(self, texts: Sequence[Any]) -> np.ndarray:
        """Calibrated probabilities at the corpus' prevalence, float64 ``[texts, groups]``."""
        return sigmoid(self.log_odds(texts))

    def log_odds(self, texts: Sequence[Any]) -> np.ndarray:
        """The log-odds of `scores`."""
        for i, text in enumerate(texts):
            if self.column == "text" and not isinstance(text, str):
                raise GradmaskError(f"text {i} is {type(text).__name__}, needed: a string")
        features = self.scorer.features(texts)
        raw = self.head.log_odds(features) if self.head else np.asarray(features, dtype=np.float64)
        if not np.isfinite(raw).all():
            raise GradmaskError(
                f"the scorer {self.scorer_name} gave a score that is not finite for text {_first_bad(raw)}"
            )
        return self.calibrated(raw)

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """The scorer's log-odds as calibrated ones at the corpus' prevalence, ``[texts, groups]``."""
        columns = [
            shifted(self.calibrations[i].log_odds(raw[:, i]), self.priors[group], self.prevalence[group])
            for i, group in enumerate(self.groups)
        ]
        return np.stack(columns, axis=1)

    def decisions(self, scores: np.ndarray) -> np.ndarray:
        """For each text and group: 1 surely the group's, 0 surely not, -1 neither; int8 ``[texts, groups]``."""
        above = np.array([self.thresholds[group].forget_above for group in self.groups])
        below = np.array([self.thresholds[group].retain_below for group in self.groups])
        return np.where(scores >= above, FORGET, np.where(scores < below, RETAIN, UNLABELED)).astype(np.int8)

    def split(self, scores: np.ndarray) -> np.ndarray:
        """Data labels: a group's id where it is sure (of several, the one with the highest score), 0 where every group is surely
        not meant, -1 otherwise; int64 ``[texts]``."""
        decisions = self.decisions(scores)
        best = np.where(decisions == FORGET, scores, -1.0).argmax(axis=1) + 1
        retain = (decisions == RETAIN).all(axis=1)
        return np.where((decisions == FORGET).any(axis=1), best, np.where(retain, RETAIN, UNLABELED)).astype(np.int64)

    def names(self, data_labels: np.ndarray) -> list[str | None]:
        """Data labels as names: a group, ``retain``, or None for unlabeled."""
        by_id: dict[int, str | None] = {number: name for name, number in self.ids.items()}
        by_id[UNLABELED] = None
        return [by_id[int(label)] for label in data_labels]

    def spans(self, text: str) -> list[Span]:
        """The parts of a text that are surely a group's: ``start`` and ``end`` in characters, ``group`` and ``score``."""
        return find_spans(self, text)

    def choose(self, target: Target = DEFAULT_TARGET) -> Labeler:
        """The labeler with thresholds set on its held-out examples.

        Args:
            target: one of ``precision`` (of what is labeled forget: as much as possible of it), ``recall`` (of the group's
                documents: as few others as possible) and ``share`` (of the corpus that is labeled forget); and ``missed``, the
                share of the group's documents that may be labeled retain (0.05). Or group -> such a target.

        Raises:
            GradmaskError: it is no target.
        """
        by_group = bool(target) and all(isinstance(value, Mapping) for value in target.values())
        if by_group and set(target) != set(self.groups):
            raise GradmaskError(f"targets are given for {sorted(target)}, needed: one for each of {list(self.groups)}")
        chosen = {group: self._choose(group, target[group] if by_group else target) for group in self.groups}
        return replace(self, thresholds=chosen)

    def _choose(self, group: str, target: Any) -> Thresholds:
        i = self.groups.index(group)
        held_out = self.held_out
        return choose_thresholds(
            held_out.scores[:, i], held_out.targets[:, i], self.prevalence[group], self.corpus[:, i], target
        )

    def save(self, folder: str | Path) -> None:
        """Write it as a folder; `gradmask.data.label.open` reads it back."""
        from gradmask.data.label.storing import save

        save(self, folder)

    def calibration_errors(self) -> dict[str, float]:
        """The expected calibration error of held-out examples, weighted to the corpus' prevalence, per group."""
        held_out = self.held_out
        return {
            group: calibration_error(
                held_out.scores[:, i], held_out.targets[:, i], held_out.weights(i, self.prevalence[group])
            )
            for i, group in enumerate(self.groups)
        }


def _first_bad(raw: np.ndarray) -> int:
    return int(np.flatnonzero(~np.isfinite(raw).all(axis=1))[0])

"""From a classifier's scores to labels: *above* its threshold the group, below all of them retain, else unlabeled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradmask.data.names import RETAIN, UNLABELED, Names, documents_of
from gradmask.errors import GradmaskError


class Scores:
    """Labels from scores by the thresholds of a recipe, and what is to be said of them."""

    def __init__(self, names: Names) -> None:
        self.names, self.thresholds = names, names.spec.thresholds
        self.ranges: dict[str, tuple[float, float]] = {}
        self.several: list[str] = []
        """Ids of documents above the thresholds of several groups."""
        self.overruled: list[str] = []
        """Ids of documents whose given label is not that of their scores."""

    def label(self, given: Sequence[Mapping[str, Any]] | None, name: str | None, place: str) -> int:
        """The label of the document ``place``: the one that was given (``name``), or else that of its scores."""
        scores = {row["group"] or self.names.groups[0]: row["score"] for row in given or ()}
        self._remember(scores)
        above = [group for group, score in scores.items() if score >= self.thresholds[group].above]
        by_score = self._of(scores, above)
        if name is None:
            self.several += [place] if len(above) > 1 else []
            return by_score
        label = self.names.known(name)
        self.overruled += [place] if UNLABELED not in (label, by_score) and label != by_score else []
        return label

    def _of(self, scores: Mapping[str, float], above: Sequence[str]) -> int:
        if above:
            return 1 + self.names.groups.index(max(above, key=scores.__getitem__))
        return RETAIN if scores and all(self._low(group, scores.get(group)) for group in self.thresholds) else UNLABELED

    def _low(self, group: str, score: float | None) -> bool:
        limit = self.thresholds[group].retain_below
        return score is not None and limit is not None and score < limit

    def _remember(self, scores: Mapping[str, float]) -> None:
        for group, score in scores.items():
            low, high = self.ranges.get(group, (score, score))
            self.ranges[group] = (min(low, score), max(high, score))

    def require_probabilities(self) -> None:
        """Refuse scores that are no probabilities though their thresholds are."""
        for group, (low, high) in self.ranges.items():
            limits = self.thresholds[group]
            if 0 < limits.above < 1 and 0 <= (limits.retain_below or 0) < 1 and (low < 0 or high > 1):
                raise GradmaskError(
                    f"the scores of {group} go from {low:g} to {high:g}, but its thresholds are between 0 and 1: give "
                    "probabilities, not percentages or logits, or thresholds on the scale of the scores"
                )

    def notices(self) -> list[str]:
        """What was decided where a label and scores, or two scores, disagree."""
        lines = []
        if self.overruled:
            lines.append(
                f"In {documents_of(len(self.overruled))} the given label and the scores disagree (first {self.overruled[0]}): the "
                "given label stands."
            )
        if self.several:
            lines.append(
                f"The scores of {documents_of(len(self.several))} are above the thresholds of several groups (first "
                f"{self.several[0]}): each is labeled with the group of its highest score."
            )
        return lines

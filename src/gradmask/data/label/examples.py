"""Labeled examples: texts and the groups that each belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradmask.errors import GradmaskError, did_you_mean

RETAIN_NAME, UNLABELED_NAME = "retain", "unlabeled"
Label = str | Collection[str] | None
UNKNOWN = -1


@dataclass(frozen=True)
class Examples:
    """Texts with labels, not necessarily all labeled.

    Attributes:
        texts: the documents.
        labels: for each the name of a group, several names, ``"retain"`` (none of the groups), or None, an empty string or
            ``"unlabeled"`` (not known). A label is complete: who names one of two groups says that the other does not apply.
        ids: for each a name for messages and reports; by default its number.
        picked: for each whether it was picked because it is hard, as by a review; it is then learned from, and not measured on.
            By default none was: the examples of a class are a random sample of it.

    Raises:
        GradmaskError: not one label (and id) for each text, a text that is no string, or a label of another kind.
    """

    texts: Sequence[str]
    labels: Sequence[Label]
    ids: Sequence[str] = field(default=())
    picked: Sequence[bool] = field(default=())

    def __post_init__(self) -> None:
        optional = {len(self.ids), len(self.picked)}
        if len(self.texts) != len(self.labels) or not optional <= {0, len(self.texts)}:
            raise GradmaskError(
                f"{len(self.texts)} texts, {len(self.labels)} labels, {len(self.ids)} ids and {len(self.picked)} values of picked: "
                "give one label for each text (None where it is not known), and one id and one value for each or none"
            )
        if not self.ids:
            object.__setattr__(self, "ids", [str(i) for i in range(len(self.texts))])
        object.__setattr__(self, "labels", [self._names(i) for i in range(len(self.labels))])
        for i, text in enumerate(self.texts):
            if not isinstance(text, str):
                raise GradmaskError(f"example {self.ids[i]}: a text is {type(text).__name__}, needed: a string")

    def _names(self, i: int) -> frozenset[str] | None:
        """The label as a set of names: empty for retain, None for not labeled."""
        label = self.labels[i]
        if label is None or label == "" or label == UNLABELED_NAME:
            return None
        names = frozenset([label] if isinstance(label, str) or not isinstance(label, Collection) else label)
        if not all(isinstance(name, str) for name in names):
            raise GradmaskError(f"example {self.ids[i]}: the label {label!r} is no name: give a string or several")
        if RETAIN_NAME in names and len(names) > 1:
            raise GradmaskError(f"example {self.ids[i]}: the label {sorted(names)} is both a group and 'retain'")
        return names - {RETAIN_NAME}

    def picked_among(self, rows: np.ndarray) -> np.ndarray:
        """Which of these rows were picked because they are hard, ``[rows]``."""
        return np.asarray(self.picked, dtype=bool)[rows] if len(self.picked) else np.zeros(len(rows), dtype=bool)

    def groups(self) -> list[str]:
        """The names of groups that occur, sorted."""
        return sorted(set().union(*(names for names in self._sets() if names)))

    def targets(self, groups: Sequence[str]) -> np.ndarray:
        """1 where an example belongs to a group, 0 where it does not, -1 where that is not known; int8 ``[examples, groups]``.

        Raises:
            GradmaskError: an example names another group.
        """
        values = np.full((len(self.texts), len(groups)), UNKNOWN, dtype=np.int8)
        for i, names in enumerate(self._sets()):
            if names is None:
                continue
            if strange := sorted(names - set(groups)):
                raise GradmaskError(
                    f"example {self.ids[i]} has the label {strange[0]!r}, which is none of the groups "
                    f"{', '.join(groups)}.{did_you_mean(strange[0], [*groups, RETAIN_NAME])}"
                )
            values[i] = [group in names for group in groups]
        return values

    def take(self, rows: Iterable[int]) -> Examples:
        """These examples."""
        chosen, labels = [int(row) for row in rows], self._given()
        return Examples([self.texts[i] for i in chosen], [labels[i] for i in chosen], [self.ids[i] for i in chosen])

    def _sets(self) -> Sequence[frozenset[str] | None]:
        return self.labels  # type: ignore[return-value]

    def _given(self) -> list[Label]:
        """Labels as they may be given again."""
        return [None if names is None else names or RETAIN_NAME for names in self._sets()]

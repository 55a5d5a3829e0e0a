"""A field that the documents have already: a score of another classifier, or a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from gradmask.data.label.calibration import logit
from gradmask.data.label.scorers.scorer import Material, State
from gradmask.errors import GradmaskError

_CERTAIN = 4.0
"""The log-odds of a label, before calibration."""


class Scorer:
    """``field:NAME``. Instead of texts it takes values of that field: numbers (or text that is one), or names of groups.

    A number is a score of the only group; if all values lie between 0 and 1 they are probabilities.
    """

    learns, strength = False, 1.0

    def __init__(self, groups: Sequence[str], column: str, probabilities: bool) -> None:
        self.groups, self.column, self.probabilities = list(groups), column, probabilities

    @classmethod
    def make(cls, material: Material) -> Self:
        """From the values of the examples.

        Raises:
            GradmaskError: no field is named, or a value is neither a number nor a label.
        """
        if not material.argument:
            raise GradmaskError("the scorer field needs the name of a field: field:NAME")
        numbers = [_number(value) for value in [*material.texts, *material.unlabeled]]
        known = [number for number in numbers if number is not None]
        return cls(material.groups, material.argument, bool(known) and all(0 <= number <= 1 for number in known))

    @classmethod
    def restore(cls, state: State) -> Self:
        """From stored settings."""
        return cls(**state.settings)

    def state(self) -> State:
        """The field's name, the groups and the kind of numbers."""
        return State({"groups": self.groups, "column": self.column, "probabilities": self.probabilities})

    def features(self, texts: Sequence[Any]) -> np.ndarray:
        """Log-odds ``[values, groups]``."""
        return np.array([self._log_odds(value) for value in texts], dtype=np.float64).reshape(-1, len(self.groups))

    def _log_odds(self, value: Any) -> list[float]:
        number = _number(value)
        if number is None:
            return [_CERTAIN if value == group else -_CERTAIN for group in self.groups]
        if len(self.groups) > 1:
            raise GradmaskError(
                f"the field {self.column!r} holds the number {value!r}, but there are {len(self.groups)} groups: a field with "
                "numbers is the score of one group"
            )
        if not np.isfinite(number):
            raise GradmaskError(f"the field {self.column!r} holds {value!r}, needed: a finite number")
        return [float(logit(number)) if self.probabilities else number]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None

"""The cells of a policy's table: how one group takes part in what one label's text does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from gradmask.errors import GradmaskError


class Answer(NamedTuple):
    """One question of a cell: how likely the answer is yes, how much a yes counts, and which draw decides it."""

    probability: float
    weight: float = 1.0
    draw: str = ""

    @property
    def certain(self) -> bool:
        return self.probability in (0.0, 1.0)


@dataclass(frozen=True)
class Cell:
    """What one label's text does with one group.

    Args:
        runs: how likely the group runs in the forward pass; never (0), always (1), or drawn for each example.
        learns: how likely it learns, likewise.
        passes: how likely gradient flows back through its heads and neurons to what lies before them, likewise.
        learn_weight: what the gradient of its parameters is multiplied with where it learns: partial (0.25), scaled (3.0) or
            negative (-0.75).
        pass_weight: what the gradient that flows back through its heads and neurons is multiplied with where it passes; the
            rows that make these get it multiplied already. (Cloud et al., arXiv 2410.04332: weights of a mask on activations.)
        draw: a name for the random number that decides ``runs``, ``learns`` and ``passes``. All cells that name the same draw
            are decided by one number for each example: with equal probabilities they agree, and a less likely answer implies
            a more likely one. Without a name every question has a number of its own.
    """

    runs: float = 1.0
    learns: float = 1.0
    passes: float = 1.0
    learn_weight: float = 1.0
    pass_weight: float = 1.0
    draw: str = ""

    def __post_init__(self) -> None:
        for name in ("runs", "learns", "passes"):
            value = getattr(self, name)
            if not _is_number(value) or not 0.0 <= value <= 1.0:
                raise GradmaskError(f"a cell's {name!r} is a probability from 0 to 1, got {value!r}{_HINT[name]}")
        for name, of in (("learn_weight", "learns"), ("pass_weight", "passes")):
            _check_weight(name, getattr(self, name), of, getattr(self, of))
        if not isinstance(self.draw, str):
            raise GradmaskError(f"a cell's 'draw' is a name that cells share, got {self.draw!r}")

    def answer(self, what: str) -> Answer:
        """The answer to ``"runs"``, ``"learns"`` or ``"passes"``."""
        weight = {"learns": self.learn_weight, "passes": self.pass_weight}.get(what, 1.0)
        return Answer(getattr(self, what), weight, self.draw)

    @property
    def weighted(self) -> bool:
        """Whether some gradient is multiplied."""
        return self.learn_weight != 1.0 or self.pass_weight != 1.0

    @property
    def random(self) -> bool:
        """Whether something is drawn: strictly between never and always."""
        return any(0.0 < value < 1.0 for value in (self.runs, self.learns, self.passes))

    def __str__(self) -> str:
        if self == ALWAYS:
            return "runs, learns"
        if self.runs == 0.0 and self.learns == 0.0:
            return "-"
        parts = [_words(w, self.answer(w)) for w in ("runs", "learns") if getattr(self, w) > 0.0]
        if self.passes == 0.0:
            parts.append("detached")
        elif self.passes < 1.0 or self.pass_weight != 1.0:
            parts.append(_words("passes", self.answer("passes")))
        if self.draw and self.random:
            parts.append(f"by {self.draw}")
        return ", ".join(parts)


_HINT = {"runs": "", "learns": "; a weight is learn_weight=", "passes": "; a weight is pass_weight="}


def _words(word: str, answer: Answer) -> str:
    chance = "" if answer.probability == 1.0 else f" p={answer.probability:g}"
    return word + chance + ("" if answer.weight == 1.0 else f" times {answer.weight:g}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_weight(name: str, weight: object, of: str, probability: float) -> None:
    if not _is_number(weight) or not math.isfinite(weight) or weight == 0.0:  # type: ignore[arg-type]
        raise GradmaskError(
            f"a cell's {name!r} is a finite number other than 0, got {weight!r}"
            + (f": for never, give {of}=0" if weight == 0 else "")
        )
    if weight != 1.0 and probability == 0.0:
        raise GradmaskError(f"a cell's {name}={weight:g} weights what never happens: {of} is 0")


ALWAYS = Cell()
RUNS = Cell(learns=0.0)
NEVER = Cell(runs=0.0, learns=0.0)

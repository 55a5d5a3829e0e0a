"""Tuning a method over its grid, by one rule for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.lab.unlearning.method import Batches, Method

TOLERANCE = 0.05
"""Nats by which the retain loss may rise."""


@dataclass(frozen=True)
class Score:
    """Losses on validation text, in nats."""

    retain: float
    forget: float


@dataclass(frozen=True)
class Trial:
    """One candidate: its settings, after how many steps, and its score."""

    settings: dict[str, Any]
    steps: int
    score: Score


@dataclass(frozen=True)
class Tuned:
    """The chosen model, its trial, and all others.

    ``before`` is the score of the model as it was, ``ignorance`` the forget loss that was aimed at.
    """

    model: PreTrainedModel
    chosen: Trial
    before: Score
    ignorance: float
    trials: list[Trial]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        trials = [asdict(trial) for trial in self.trials]
        said = {"before": asdict(self.before), "ignorance": self.ignorance, "chosen": asdict(self.chosen)}
        return said | {"rule": RULE, "trials": trials}


RULE = (
    f"of the candidates whose retain loss is at most {TOLERANCE} nats above the model's before, the one whose forget loss is "
    "nearest to that of ignorance; where there is none, the one with the lowest retain loss"
)


def tuned(
    model: PreTrainedModel,
    methods: Sequence[Method],
    batches: Batches,
    score: Callable[[PreTrainedModel], Score],
    ignorance: float = math.inf,
    progress: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """Try every setting and take the best candidate by `RULE`. ``model`` is not changed.

    Args:
        model: a plain causal language model that knows what it is to forget.
        methods: points of one method's grid.
        batches: what it learns from.
        score: measures a candidate, on text that ``batches`` does not hold.
        ignorance: the forget loss, on the same text, of a model that never saw the domain. Beyond it a model is damaged,
            not ignorant. Infinite: the higher the better.
        progress: told what is tried.

    Raises:
        GradmaskError: no method is given, or none of them gave a candidate.
    """
    before, trials = score(model), []
    best: tuple[Trial, PreTrainedModel] | None = None
    failures: list[str] = []
    for number, method in enumerate(methods, 1):
        progress(f"{method.name}: setting {number} of {len(methods)}")
        try:
            for look, (steps, candidate) in enumerate(method.candidates(deepcopy(model), batches)):
                trial = Trial(method.settings_of(look), steps, score(candidate.eval()))
                if not (math.isfinite(trial.score.retain) and math.isfinite(trial.score.forget)):
                    raise GradmaskError(f"{method.name}: the score is {trial.score} with {trial.settings}")
                trials.append(trial)
                if best is None or rank(trial, before, ignorance) > rank(best[0], before, ignorance):
                    best = trial, deepcopy(candidate)
        except GradmaskError as error:  # a setting that breaks the model is a setting that lost
            failures.append(str(error))
    if best is None:
        raise GradmaskError(f"no setting gave a model: {'; '.join(failures) or 'none was given'}")
    return Tuned(best[1].eval(), best[0], before, ignorance, trials)


def rank(trial: Trial, before: Score, ignorance: float = math.inf) -> tuple[bool, float]:
    """What `RULE` sorts by: the larger, the better."""
    kept, forget = trial.score.retain <= before.retain + TOLERANCE, trial.score.forget
    if not kept:
        return kept, -trial.score.retain
    return kept, forget if math.isinf(ignorance) else -abs(forget - ignorance)


def chosen(trials: Iterable[Trial], before: Score, ignorance: float = math.inf) -> Trial:
    """The best of some trials."""
    return max(trials, key=lambda trial: rank(trial, before, ignorance))

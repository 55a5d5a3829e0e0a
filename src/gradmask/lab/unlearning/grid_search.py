"""Choosing a method's settings from its grid, by one rule for all methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.lab.progress import status
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
    """One candidate: its settings, its number of steps, and its score."""

    settings: dict[str, Any]
    steps: int
    score: Score


@dataclass(frozen=True)
class GridSearch:
    """The best model, its trial, and all trials.

    ``before`` is the score of the model before unlearning, ``never_trained_loss`` the forget loss that was aimed at.
    """

    model: PreTrainedModel
    best: Trial
    before: Score
    never_trained_loss: float
    trials: list[Trial]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "before": asdict(self.before),
            "ignorance": self.never_trained_loss,
            "chosen": asdict(self.best),
            "rule": RULE,
            "trials": [asdict(trial) for trial in self.trials],
        }


RULE = (
    f"of the candidates whose retain loss is at most {TOLERANCE} nats above that of the model before unlearning, the one whose "
    "forget loss is closest to that of a model never trained on the domain; if there is none, the one with the lowest retain "
    "loss"
)


def grid_search(
    model: PreTrainedModel,
    methods: Sequence[Method],
    batches: Batches,
    score: Callable[[PreTrainedModel], Score],
    never_trained_loss: float = math.inf,
) -> GridSearch:
    """Try every setting and keep the best candidate by `RULE`. ``model`` is not changed.

    Args:
        model: a plain causal language model that knows the domain to forget.
        methods: points of one method's grid.
        batches: what it learns from.
        score: measures a candidate, on text that ``batches`` does not contain.
        never_trained_loss: the forget loss, on the same text, of a model never trained on the domain. A model beyond it is
            damaged rather than unaware of the domain. Infinite: the higher the better.

    Raises:
        GradmaskError: ``methods`` is empty, or no setting produced a candidate.
    """
    before, trials = score(model), []
    best: tuple[Trial, PreTrainedModel] | None = None
    failures: list[str] = []
    rank = partial(rank_key, before=before, never_trained_loss=never_trained_loss)
    for number, method in enumerate(methods, 1):
        status(f"{method.name}: setting {number} of {len(methods)}")
        try:
            for candidate_number, (steps, candidate) in enumerate(method.candidates(deepcopy(model), batches)):
                trial = Trial(method.settings_of(candidate_number), steps, score(candidate.eval()))
                if not (math.isfinite(trial.score.retain) and math.isfinite(trial.score.forget)):
                    raise GradmaskError(f"{method.name}: the score is not finite ({trial.score}) with {trial.settings}")
                trials.append(trial)
                if best is None or rank(trial) > rank(best[0]):
                    best = trial, deepcopy(candidate)
        except GradmaskError as error:  # a setting that breaks the model has lost; the others are still tried
            failures.append(str(error))
    if best is None:
        raise GradmaskError(f"no setting produced a model: {'; '.join(failures) or 'the grid is empty'}")
    return GridSearch(best[1].eval(), best[0], before, never_trained_loss, trials)


def rank_key(trial: Trial, before: Score, never_trained_loss: float = math.inf) -> tuple[bool, float]:
    """The sort key of `RULE`: larger is better."""
    kept, forget = trial.score.retain <= before.retain + TOLERANCE, trial.score.forget
    if not kept:
        return kept, -trial.score.retain
    return kept, forget if math.isinf(never_trained_loss) else -abs(forget - never_trained_loss)


def best_trial(trials: Iterable[Trial], before: Score, never_trained_loss: float = math.inf) -> Trial:
    """The best of some trials."""
    return max(trials, key=lambda trial: rank_key(trial, before, never_trained_loss))

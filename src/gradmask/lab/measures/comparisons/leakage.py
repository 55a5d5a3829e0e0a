"""Leakage: how many forget tokens are worth what a model still knows (Shilov et al., arXiv 2512.05648, §4.3).

Plain models trained on all that is kept and n forget tokens, for several n, are a ladder n → forget loss. A model's forget
loss is read back on it as n; over the forget tokens that the labels missed, that is its leakage. Filtering the data by the
same labels has leakage 1, since it is a rung of the ladder itself. Between rungs the ladder is a straight line in n; since losses
fall fastest at first, the truth lies below that line, and leakage is overestimated rather than underestimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.isotonic import isotonic_regression

from gradmask.errors import GradmaskError
from gradmask.lab.measures.headline import role_error
from gradmask.lab.measures.measure import Comparison, Row, RunInputs, Strict
from gradmask.lab.measures.series import by_role, calibrated, series_of


class Rung(Strict):
    """A plain model trained on all that is kept and ``tokens`` of forget text."""

    tokens: int
    loss: float


class Leak(Strict):
    """Forget tokens that would leave a plain model with the same forget loss, over the undiscovered ones."""

    value: float
    low: float
    high: float
    equivalent_tokens: float


class Leakage(Strict):
    """The ladder of plain models, the undiscovered forget tokens, and series -> leakage."""

    ladder: list[Rung]
    undiscovered_tokens: int
    leaks: dict[str, Leak]


def equivalent_tokens(ladder: Sequence[Rung], loss: float) -> float:
    """Forget tokens after which a plain model has this forget ``loss``; the ladder's ends where it lies beyond them.

    Rungs out of order (noise between runs) are first pooled to the closest ladder that falls.

    Raises:
        GradmaskError: fewer than two rungs.
    """
    if len({rung.tokens for rung in ladder}) < 2:
        raise GradmaskError("leakage needs a ladder of at least two plain models with different forget tokens")
    rungs = sorted(ladder, key=lambda rung: rung.tokens)
    tokens = [float(rung.tokens) for rung in rungs]
    pooled = isotonic_regression([rung.loss for rung in rungs], increasing=False)
    at = dict(
        zip(map(float, pooled), tokens, strict=True)
    )  # of equal heights the one with most tokens: never too small
    if loss >= max(at):
        return tokens[0]
    heights = sorted(at)
    return float(np.interp(loss, heights, [at[height] for height in heights]))


def leakage(ladder: Sequence[Rung], undiscovered_tokens: int, losses: Mapping[str, tuple[float, float]]) -> Leakage:
    """The leakage of several models.

    Args:
        ladder: see `equivalent_tokens`.
        undiscovered_tokens: forget tokens of the training set that were not labeled so.
        losses: series -> forget loss and its standard error, which gives the 95 % interval.

    Raises:
        GradmaskError: too few rungs, or no undiscovered tokens.
    """
    if undiscovered_tokens <= 0:
        raise GradmaskError("leakage is per undiscovered forget token, of which there are none: data.labels found all")
    leaks = {}
    for name, (loss, error) in losses.items():
        low, value, high = (equivalent_tokens(ladder, loss + z * error) for z in (1.96, 0.0, -1.96))
        per = undiscovered_tokens
        leaks[name] = Leak(value=value / per, low=low / per, high=high / per, equivalent_tokens=value)
    rungs = sorted(ladder, key=lambda rung: rung.tokens)
    return Leakage(ladder=rungs, undiscovered_tokens=undiscovered_tokens, leaks=leaks)


class LeakageComparison(Comparison[Leakage]):
    name = "leakage"
    question = "how much forget text would have given the same loss?"
    source = "Shilov et al., arXiv 2512.05648, §4.3"
    quick = True
    order = 2
    Result = Leakage

    def run(self, inputs: RunInputs) -> Leakage:
        arms, how = inputs.arms, calibrated(inputs.arms)
        every, missed = inputs.forget_tokens()
        rungs = [
            Rung(tokens=tokens, loss=by_role(arms[name].models["full"], how)["forget"])
            for name, tokens in (("perfect_filter", 0), ("filter", missed), ("no_filter", every))
            if name in arms
        ]
        rungs += [Rung(tokens=tokens, loss=by_role(of, how)["forget"]) for tokens, of in inputs.ladder()]
        losses = {
            series: (by_role(domains, how)["forget"], role_error(domains, "forget"))
            for series, domains in series_of(arms).items()
        }
        return leakage(rungs, missed, losses)

    def table(self, result: Leakage) -> list[Row]:
        per = f"{result.undiscovered_tokens:,}"
        cells = {s: (f"{leak.value:.3f}", f"{leak.low:.3f} to {leak.high:.3f}") for s, leak in result.leaks.items()}
        return [Row("leakage", f"filtering is 1; per {per} forget tokens that the labels missed", cells)]

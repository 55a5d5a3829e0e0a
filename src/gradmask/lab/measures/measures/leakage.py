"""Leakage: how many forget tokens are worth what a model still knows (Shilov et al., arXiv 2512.05648, §4.3).

Plain models trained on all that is kept and n forget tokens, for several n, are a ladder n → forget loss. A model's forget
loss is read back on it as n; over the forget tokens that the labels missed, that is its leakage. Filtering the data by the
same labels has leakage 1, since it is a rung of the ladder itself. Between rungs the ladder is a straight line in n; since losses
fall fastest at first, the truth lies below that line, and leakage is told too large rather than too small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.isotonic import isotonic_regression

from gradmask.errors import GradmaskError
from gradmask.lab.measures.findings import Leak, Leakage, Rung


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

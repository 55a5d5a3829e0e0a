"""How far the best of several relearning attacks has come after so many steps.

The steps to no filter's *exact* loss say little where fine-tuning itself makes that loss hard to reach: a model that knows all of
the domain but a trifle takes as long as one that knows nothing. The steps to most of the way tell hidden from absent knowledge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gradmask.lab.measures.findings import Relearning

SHARE = 0.9
"""Of the way from a model that never saw the domain to no filter."""

Curve = list[tuple[float, float]]
"""(step, forget loss)"""


def envelope(found: Relearning) -> Curve:
    """The lowest held-out forget loss that any of the attacks has had by each step."""
    steps = sorted({point.step for attack in found.attacks for point in attack.curve})
    lowest = np.full(len(steps), np.inf)
    for attack in found.attacks:
        known = [p.step for p in attack.curve]
        losses = np.interp(steps, known, [p.losses["forget"] for p in attack.curve], right=np.inf)
        lowest = np.minimum(lowest, losses)
    return [(float(s), float(x)) for s, x in zip(steps, np.minimum.accumulate(lowest), strict=True)]


def steps_to_most(found: Relearning, twin: Relearning) -> float | None:
    """Steps until `SHARE` of the way from the twin's forget loss to no filter's is regained; None: not within the budget.

    Args:
        found: the attacks on a model.
        twin: the same on one that never saw the domain.
    """
    if found.target is None:
        return None
    return steps_back(envelope(found), envelope(twin)[0][1], found.target)


def steps_back(curve: Sequence[tuple[float, float]], start: float, target: float, share: float = SHARE) -> float | None:
    """Steps after which a falling curve has come this share of the way from ``start`` to ``target``; None: it has not."""
    return steps_to_level(curve, start + share * (target - start))


def steps_to_level(curve: Sequence[tuple[float, float]], level: float) -> float | None:
    """Steps until the loss reaches ``level``, by a straight line between points; None where it never does."""
    if curve[0][1] <= level:
        return curve[0][0]
    for (step, loss), (following, lower) in pairwise(curve):
        if lower <= level:
            return step + (following - step) * (loss - level) / (loss - lower)
    return None

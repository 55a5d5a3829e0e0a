"""From which number on a run works, works at a price, or has failed.

The limits are those of the project's own targets: removal as good as 90 % of the way, what is kept within 2 % of compute, a full
model that knows 90 % of what was there to learn. Between the two columns lies a price; beyond the second, failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradmask.lab.judge.facts import Price

Grade = Literal["free", "price", "lost"]


@dataclass(frozen=True)
class Limit:
    """Two bounds: ``free`` up to the first one, ``lost`` beyond the second."""

    free: float
    lost: float


REMOVED = Limit(0.9, 0.5)
"""Share of the gap closed."""
TOO_FAR = Limit(1.1, 1.5)
"""The same beyond the model that never saw the domain: a sign of damage."""
KNOWN = Limit(0.9, 0.5)
"""Share of the gap that the full model knows."""
COMPUTE = Limit(0.98, 0.75)
"""Share of no filter's compute that a loss on kept text is worth."""
NATS = Limit(0.02, 0.15)
"""The same in nats per token, where compute was not measured."""
NOTHING = 0.005
"""Nats that no held-out text of a usual size can tell from 0."""
EXTRA_COMPUTE = 1.15
BETTER_THAN_FILTER = 0.02
"""Share of the gap by which a filter with the same labels may be ahead and still count as equal."""
LEARNED = 0.15
"""Share of the loss of guessing by frequency by which no filter must be better: less is little more than counting tokens. Small
models of our runs are 28 to 42 % better at their end, and 15 % better after about a tenth of the tokens that they need."""
STILL_LEARNING = 0.25
"""Share of all that was learned which falls into the last quarter of a run that is too short."""


def grade_price(price: Price) -> Grade:
    """What a difference on kept text means: by its compute where that is known, else by its nats."""
    if price.nats <= NOTHING:
        return "free"
    if price.compute is not None:
        return "free" if price.compute >= COMPUTE.free else "price" if price.compute >= COMPUTE.lost else "lost"
    return "free" if price.nats <= NATS.free else "price" if price.nats <= NATS.lost else "lost"


def grade_share(share: float, limit: Limit) -> Grade:
    """What a share means of which more is better."""
    return "free" if share >= limit.free else "price" if share >= limit.lost else "lost"

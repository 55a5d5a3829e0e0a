"""Which trial comes next: asynchronous successive halving (Li et al., arXiv 1810.05934) over fine-tuning attacks.

First every attack of the grid for a few steps. Then, again and again: an attack that is among the best third of its rung is
repeated with three times the steps, the longest first. Where none is due, learning rates near the best one begin at the bottom,
then the best of the highest rung goes on alone, then another seed begins. The order follows from what the trials found alone, so
that a budget in steps always gives the same trials.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradmask.lab.measures.campaign.arms import Arm, finer_arms, other_seeds

FIRST = 12
"""Steps of the lowest rung."""
FACTOR = 3


@dataclass(frozen=True)
class Done:
    """A fine-tuning attack that was run: ``gain`` is what it is ranked by."""

    arm: Arm
    rung: int
    gain: float


def steps_of(rung: int) -> int:
    """Optimizer steps of a rung: 12, 36, 108, …"""
    return FIRST * FACTOR**rung


def proposals(grid: Sequence[Arm], done: Sequence[Done]) -> Iterator[tuple[Arm, int]]:
    """What to run next, the best choice first; the others are for when it does not fit into what is left of the budget."""
    begun = {d.arm for d in done if d.rung == 0}
    new = [arm for arm in grid if arm not in begun]
    if new:
        yield from ((arm, 0) for arm in new)
        return
    yield from _promotions(done)
    best = max(done, key=lambda d: (d.rung > 0, d.gain), default=None)
    if best is not None:
        known = [d.arm for d in done]
        yield from ((arm, 0) for arm in finer_arms(best.arm, known))
        yield from _alone(done)
        yield next(other_seeds(best.arm, known)), 0


def _promotions(done: Sequence[Done]) -> Iterator[tuple[Arm, int]]:
    """The best third of each rung, where it has not gone on yet."""
    for rung in range(_top(done), -1, -1):
        here = _ranked(done, rung)
        above = {d.arm for d in done if d.rung == rung + 1}
        yield from ((d.arm, rung + 1) for d in here[: len(here) // FACTOR] if d.arm not in above)


def _alone(done: Sequence[Done]) -> Iterator[tuple[Arm, int]]:
    """The best of the highest rung, or no attack would get deeper than the size of the grid allows."""
    yield _ranked(done, _top(done))[0].arm, _top(done) + 1


def _ranked(done: Sequence[Done], rung: int) -> list[Done]:
    return sorted((d for d in done if d.rung == rung), key=lambda d: -d.gain)


def _top(done: Sequence[Done]) -> int:
    return max(d.rung for d in done)

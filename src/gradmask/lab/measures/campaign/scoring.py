"""How much more an attack brings back than from a model that never saw the text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from gradmask.lab.measures.attacks.relearning import Attempt, Relearning
from gradmask.lab.measures.losses import token_losses
from gradmask.lab.measures.measure import REGAINED
from gradmask.lab.measures.recovery import area_between

ERRORS = 3.0
"""Standard errors that a gain must exceed."""
SMALLEST = 0.02
"""Nats that no held-out text of a usual size can tell from 0, as a gap."""


def held_out_gain(attempt: Attempt, never_trained: Attempt | None, role: str = "forget") -> float:
    """Nats by which fine-tuning brings a model below the never-trained one fine-tuned alike, at the step where it does most.

    What the model had before the first step is not counted. Without a never-trained model, all that was regained.
    """
    return _gain(_losses(attempt, role), None if never_trained is None else _losses(never_trained, role))


def elsewhere_gain(attempt: Attempt, never_trained: Attempt | None) -> float:
    """`held_out_gain` on training documents that the attack did not use."""
    return _gain(_elsewhere(attempt), None if never_trained is None else _elsewhere(never_trained))


def gain_of(attempt: Attempt, never_trained: Attempt | None) -> float:
    """The larger of `held_out_gain` and `elsewhere_gain`: what generalizes, and what was remembered."""
    return max(held_out_gain(attempt, never_trained), elsewhere_gain(attempt, never_trained))


def relearned_share(result: Relearning, never_trained: Relearning | None, gap: float) -> float | None:
    """The largest `held_out_gain` of any attack, beside the same attack on the never-trained model, as a share of ``gap``."""
    if gap <= 0:
        return None
    known = {} if never_trained is None else {(a.method, a.data, a.learning_rate): a for a in never_trained.attacks}
    pairs = [(a, known.get((a.method, a.data, a.learning_rate))) for a in result.attacks]
    # An attack that only one of them was given cannot be compared.
    gains = [held_out_gain(a, other) for a, other in pairs if never_trained is None or other is not None]
    return max(gains) / gap if gains else None


def savings(attempt: Attempt, never_trained: Attempt, role: str = "forget") -> float:
    """Area between the two curves, mean nats over the steps; above 0 the model relearns faster (Ebbinghaus's savings)."""
    return area_between(attempt.curve, never_trained.curve, role)


def paired_error(model: nn.Module, never_trained: nn.Module, sequences: Tensor, batch_size: int) -> float:
    """Standard error of the difference of the two models' mean losses on ``sequences`` ``[n, length]``, in nats."""
    here, there = (token_losses(m, sequences, batch_size).double().nanmean(1) for m in (model, never_trained))
    return float((here - there).std()) / math.sqrt(len(sequences)) if len(sequences) > 1 else 0.0


def is_recovered(gain: float, gap: float | None, error: float) -> bool:
    """Whether a gain is a tenth of the gap, and more than chance."""
    return gap is not None and gap >= SMALLEST and gain > max(REGAINED * gap, ERRORS * error)


def _losses(attempt: Attempt, role: str) -> list[float]:
    return [point.losses[role] for point in attempt.curve]


def _elsewhere(attempt: Attempt) -> list[float]:
    return [point.elsewhere for point in attempt.curve if point.elsewhere is not None]


def _gain(losses: Sequence[float], others: Sequence[float] | None) -> float:
    if not losses:
        return 0.0
    if others is None:
        return losses[0] - min(losses)
    ahead = [there - here for here, there in zip(losses, others, strict=False)]
    return max(ahead[1:], default=0.0) - max(0.0, ahead[0])

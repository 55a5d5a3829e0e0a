"""A campaign of its trials: every one scored by the same gap, in the end, since the scale may only then be known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gradmask.lab.measures.campaign.pair import Found, Pair
from gradmask.lab.measures.campaign.records import Campaign, Trial
from gradmask.lab.measures.campaign.scoring import SMALLEST, gain_of, is_recovered, savings
from gradmask.lab.measures.registry import find

CONTROL: Literal["control"] = "control"
"""A role, a mix and the name of trials with text that neither model has seen."""
Trials = Sequence[tuple[Trial, Found]]


def summed_up(pair: Pair, budget: str, trials: Trials, left: Sequence[str]) -> Campaign:
    """What the trials found. ``left``: what was not run, with the reason."""
    gap, scale = gap_of(pair, [trial for trial, _ in trials])
    known = gap if gap is not None and gap >= SMALLEST else None
    scored = [_scored(pair, trial, found, known, trials) for trial, found in trials]
    here, there = pair.losses
    return Campaign(
        budget=budget,
        seconds=sum(trial.seconds for trial in scored),
        steps=sum(trial.steps for trial in scored),
        against=pair.against,
        gap=gap,
        scale=scale,
        before=None if there is None or known is None else (there - here) / known,
        trials=scored,
        left=list(left),
    )


def gap_of(pair: Pair, trials: Sequence[Trial]) -> tuple[float | None, Literal["reference", "attacks"]]:
    """Nats from what knows the domain to what never saw it; without a model that knows it, from the lowest loss of any attack."""
    here, there = pair.losses
    top = here if there is None else there
    if pair.target is not None:
        return top - pair.target, "reference"
    attempts = [a for t in trials if t.attack != CONTROL for a in (t.model, t.never_trained) if a is not None]
    return (top - min(a.lowest for a in attempts) if attempts else None), "attacks"


def _scored(pair: Pair, trial: Trial, found: Found, gap: float | None, trials: Trials) -> Trial:
    if trial.failed is not None or trial.attack == CONTROL:
        return trial
    if trial.model is None:
        return _scored_look(trial, found, gap)
    gain = gain_of(trial.model, trial.never_trained)
    return trial.model_copy(
        update={
            "gain": gain,
            "share": None if gap is None else gain / gap,
            "savings": _savings(trial, trials),
            "recovered": trial.never_trained is not None and is_recovered(gain, gap, pair.error),
        }
    )


def _scored_look(trial: Trial, found: Found, gap: float | None) -> Trial:
    measure = find(trial.attack)
    share = measure.share(*found, gap or 0.0)
    return trial.model_copy(
        update={
            "share": share,
            "gain": None if share is None or gap is None else share * gap,
            "recovered": found[1] is not None and measure.recovered(*found, gap or 0.0),
        }
    )


def _savings(trial: Trial, trials: Trials) -> float | None:
    """Less what is saved on control text in the same way, where that was tried: a more plastic model learns everything faster."""
    if trial.model is None or trial.never_trained is None:
        return None
    own = savings(trial.model, trial.never_trained)
    for other, _ in trials:
        if other.attack == CONTROL and other.model and other.never_trained and _way(other) == _way(trial):
            return own - savings(other.model, other.never_trained, CONTROL)
    return own


def _way(trial: Trial) -> tuple[str, float, int, int]:
    assert trial.model is not None
    return trial.model.method, trial.model.learning_rate, trial.steps, trial.seed

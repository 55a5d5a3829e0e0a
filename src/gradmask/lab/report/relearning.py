"""How soon fine-tuning brings the removed knowledge back, in words, beside the same on the perfect filter."""

from __future__ import annotations

from gradmask.lab.judge.attacks import PERFECT_FILTER, REMOVED
from gradmask.lab.measures.attacks.relearning import Relearning
from gradmask.lab.measures.numbers import percent
from gradmask.lab.measures.recovery import SHARE, steps_to_most
from gradmask.lab.measures.results import Results
from gradmask.lab.report.series import findings_of


def relearned(results: Results) -> dict[str, Relearning]:
    """Series -> its relearning attacks, for those that were attacked so."""
    return {
        series: findings.relearning
        for series, findings in findings_of(results).items()
        if findings.relearning and findings.relearning.attacks
    }


def relearning_words(results: Results) -> str | None:
    """The strongest attack on the removed model, beside that on the perfect filter."""
    by_series = relearned(results)
    if REMOVED not in by_series:
        return None
    removed, never_trained = by_series[REMOVED], by_series.get(PERFECT_FILTER)
    attempt = removed.strongest
    name = {"full": "full fine-tuning", "lora": "LoRA"}[attempt.method]
    what = (
        f"The strongest of {len(removed.attacks)} attacks ({name}, {attempt.data} data, rate {attempt.learning_rate:g})"
    )
    if removed.target is None:
        return f"{what} brought the forget loss down to {attempt.lowest:.2f}."
    if attempt.steps_to_target is not None:
        words = f"{what} brought the forget loss back to that of no filter in {attempt.steps_to_target:.0f} steps"
    else:
        words = (
            f"{what} did not bring the forget loss back to that of no filter ({removed.target:.2f}) in {removed.steps} "
            f"steps; it came to {attempt.lowest:.2f}"
        )
    if never_trained is None:
        return f"{words}."
    other = never_trained.strongest
    if other.steps_to_target is not None:
        return f"{words}; the perfect filter, attacked in the same ways, took {other.steps_to_target:.0f} steps."
    came = f"came to {other.lowest:.2f} in {never_trained.steps} steps"
    return f"{words}; the perfect filter, attacked in the same ways, {came}."


def most_words(results: Results) -> str | None:
    """How long most of the way back took, beside the perfect filter."""
    by_series = relearned(results)
    if REMOVED not in by_series or PERFECT_FILTER not in by_series:
        return None
    here, there = (steps_to_most(by_series[name], by_series[PERFECT_FILTER]) for name in (REMOVED, PERFECT_FILTER))
    if there is None:
        return None
    way = f"{100 * SHARE:.0f} % of the way back"
    if here is None:
        return f"It was not {way} within the budget; the perfect filter was after {_steps(there)}."
    return f"It was {way} after {_steps(here)}, and the perfect filter after {there:.0f}."


def relearning_ratio(results: Results) -> str:
    """Steps to relearn over those of a perfect filter, or a dash."""
    by_series = relearned(results)
    if REMOVED not in by_series or PERFECT_FILTER not in by_series:
        return percent(None)
    here, there = (by_series[name].strongest.steps_to_target for name in (REMOVED, PERFECT_FILTER))
    return percent(None if here is None or not there else here / there)


def _steps(count: float) -> str:
    return "1 step" if round(count) == 1 else f"{count:.0f} steps"

"""What a run knows of its labels and of the truth, in sentences for plans, logs and reports."""

from __future__ import annotations

from gradmask.data import TRAINING_SETS, Prepared
from gradmask.lab.recipe.arms import ARMS, FILTER, PERFECT_FILTER
from gradmask.lab.recipe.spec import Recipe

NO_PERFECT_FILTER = (
    "There is no perfect filter, because the truth of the training data is not known: what is measured against it (the gap, its "
    "part of relearning, leakage) is left out"
)


def about_labels(recipe: Recipe, prepared: Prepared) -> list[str]:
    """Where the labels come from, what held-out text is measured as, what there is to compare with, what each arm knew."""
    lines = list(prepared.notices)
    if PERFECT_FILTER not in recipe.arms and not recipe.data.knows_truth:
        instead = ", and gap closed is given against the filter with the same labels" if FILTER in recipe.arms else ""
        lines.append(f"{NO_PERFECT_FILTER}{instead}.")
    knew = [f"{ARMS[name].title}: {_knew(name)}" for name in recipe.arms]
    return [*lines, f"What each was given: {'; '.join(knew)}."]


def _knew(name: str) -> str:
    arm = ARMS[name]
    return "the labels, after training without them" if arm.unlearns else TRAINING_SETS[arm.data]

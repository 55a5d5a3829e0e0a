"""docs/compare.md lists every arm and docs/baselines.md every unlearning method, as the table of arms describes them."""

from __future__ import annotations

from tests.generated import check_table, markdown

from gradmask.data import TRAINING_SETS
from gradmask.lab.recipe.arms import ARMS, NO_FILTER, RECIPE, Arm
from gradmask.lab.unlearning.registry import method


def arms_table() -> str:
    columns = ("arm", "name in tables", "trained on", "trained by", "source")
    return markdown(columns, [row(arm) for arm in ARMS.values()])


def row(arm: Arm) -> tuple[str, ...]:
    """What docs/compare.md says of an arm."""
    data = f"as `{NO_FILTER}`, then text with data labels" if arm.unlearns else TRAINING_SETS[arm.data]
    return f"`{arm.name}`", arm.title, data, trained_by(arm), arm.source or "-"


def trained_by(arm: Arm) -> str:
    if arm.unlearns:
        return "unlearning"
    if arm.policy is None:
        return "plain training"
    policy = "the recipe's policy" if arm.policy == RECIPE else f"policy `{arm.policy}`"
    joint = [f"joint {', '.join(arm.joint)}"] if arm.joint else []
    return ", ".join([policy, *joint, *(f"`{key}: {str(value).lower()}`" for key, value in arm.changes.items())])


def methods_table() -> str:
    methods = [method(name) for name, arm in ARMS.items() if arm.unlearns]
    columns = ("method", "loss", "updates", "source")
    return markdown(columns, [(f"`{m.name}`", m.objective, m.updates, m.source) for m in methods])


def test_the_table_of_arms_is_up_to_date() -> None:
    check_table("compare.md", arms_table())


def test_the_table_of_unlearning_methods_is_up_to_date() -> None:
    check_table("baselines.md", methods_table())

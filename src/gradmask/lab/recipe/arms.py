"""The arms of a run: what each trains on, how its model is cut into groups, and where it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradmask.lab.recipe.spec import GroupSpec, PartitionSpec, Recipe
from gradmask.lab.unlearning.names import METHODS

NO_FILTER, PERFECT_FILTER = "no_filter", "perfect_filter"
"""The level that removal is measured from, and the model that never saw the domain."""


@dataclass(frozen=True)
class Arm:
    """One arm.

    Args:
        title: for people.
        data: what it trains on, see `gradmask.data.arms.ARMS`.
        routed: its model is cut into groups, so that it gives two models.
        published: without what this project adds to the policies: own tables, self-labeling, rehearsal,
            labels by words.
        changes: what else of the recipe's ``partition`` differs.
        unlearns: it starts at the end of no filter and is made to forget; see `gradmask.lab.unlearning`.
    """

    title: str
    data: str = "no_filter"
    routed: bool = False
    published: bool = True
    changes: Mapping[str, Any] = field(default_factory=dict)
    unlearns: bool = False

    def partition(self, spec: PartitionSpec) -> PartitionSpec:
        """The recipe's partition as this arm has it."""
        changes = dict(self.changes)
        if self.published:
            groups = {name: group.model_copy(update=_without_tables(group)) for name, group in spec.groups.items()}
            added = {"self_labeling": None, "rehearsal": 0.0, "rehearsal_weight": None, "distinctive_words": None}
            changes = {"groups": groups} | added | changes
        return spec.model_copy(update=changes)


def _without_tables(group: GroupSpec) -> dict[str, Any]:
    if group.adapter is not None:
        return {"adapter": group.adapter.model_copy(update={"embeddings": False})}
    return {"embeddings": False}


def _rival(title: str, policy: str, joint: Iterable[str] = ()) -> Arm:
    return Arm(title, "gradmask", routed=True, changes={"policy": policy, "joint": list(joint)})


ARMS: dict[str, Arm] = {
    "gradmask": Arm("gradmask", "gradmask", routed=True, published=False),
    NO_FILTER: Arm("no filter"),
    "filter": Arm("filter, same labels", "filter"),
    "filter_strict": Arm("strict filter", "filter_strict"),
    PERFECT_FILTER: Arm("perfect filter", "perfect_filter"),
    "inexact": Arm("gradmask, exact=False", "gradmask", routed=True, published=False, changes={"exact": False}),
    "sgtm": _rival("SGTM", "sgtm"),
    "sgtm_joint": _rival("SGTM, joint embeddings", "sgtm", ("embeddings", "head")),
    "gram": _rival("GRAM", "gram"),
    "gradient_routing": _rival("gradient routing", "gradient_routing"),
    "activation_masking": _rival("activation masking", "activation_masking"),
    "memorization_sinks": _rival("memorization sinks", "sgtm_joint_attention"),
    **{name: Arm(title, unlearns=True) for name, title in METHODS.items()},
}


def is_routed(name: str) -> bool:
    """Whether an arm's model is cut into groups."""
    return ARMS[name].routed


def partition_of(recipe: Recipe, name: str) -> PartitionSpec:
    """The partition of a routed arm."""
    return ARMS[name].partition(recipe.partition)

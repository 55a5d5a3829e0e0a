"""The table of arms: what each trains on, how its model is partitioned, and where it starts.

An arm that trains by a policy is a row of `TRAINED`. An unlearning method is a file in ``gradmask/lab/unlearning/methods`` and
gets its row by itself. Recipes, plans, runs, figures and the documentation read `ARMS`; no other place lists arms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gradmask.lab.unlearning.registry import method, method_names

if TYPE_CHECKING:  # figures read the table, and a report is written without PyTorch
    from gradmask.lab.recipe.spec import GroupSpec, PartitionSpec, Recipe

GRADMASK, NO_FILTER, FILTER, PERFECT_FILTER = "gradmask", "no_filter", "filter", "perfect_filter"
"""The level that removal is measured from; what the labels alone can do; and the model that was never trained on the domain."""
RECIPE = "recipe"
"""The policy of an arm that is partitioned just as the recipe says."""


@dataclass(frozen=True)
class Arm:
    """One arm.

    Args:
        name: how recipes and folders call it.
        title: how tables and figures call it.
        data: its training set, see `gradmask.data.TRAINING_SETS`.
        policy: a built-in policy, without what this project adds to the published ones (own tables, self-labeling,
            rehearsal, labels by words); or `RECIPE`. None: the model is not partitioned.
        joint: kinds or patterns of parameters that are joint with that policy; None: as published with it.
        changes: what else of the recipe's ``partition`` differs.
        budget: how long it is trained: ``tokens`` as many as every arm; ``text``: as often over each text as no filter, with
            nothing in place of what its training set leaves out; ``compute``: as long as gradmask with its consolidation;
            ``dense``: until it costs what no filter costs.
        added: its groups are MLP units added to the whole model, each a tenth of its MLPs, instead of the recipe's slices.
        method: the unlearning method that it is trained by, from the finished model of no filter.
        source: where it was published.
        color: a colour of `gradmask.lab.report.style.PALETTE`; by default it follows from the name.
        marker: of Matplotlib.
        full_color: of the full model, if that has a colour of its own.
    """

    name: str
    title: str
    data: str = "unlabeled"
    policy: str | None = None
    joint: tuple[str, ...] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    budget: Literal["tokens", "text", "compute", "dense"] = "tokens"
    added: bool = False
    method: str | None = None
    source: str = ""
    color: str = ""
    marker: str = ""
    full_color: str = ""

    @property
    def routed(self) -> bool:
        """Whether its model is partitioned into groups, so that it gives a full and a removed model."""
        return self.policy is not None

    @property
    def own(self) -> bool:
        """Whether its model is partitioned just as the recipe says, with what this project adds to the published policies."""
        return self.policy == RECIPE

    @property
    def unlearns(self) -> bool:
        """Whether it starts from the finished model of no filter instead of being trained from the start."""
        return self.method is not None

    def partition(self, spec: PartitionSpec) -> PartitionSpec:
        """The recipe's partition as changed by this arm."""
        changes = dict(self.changes)
        if self.policy not in (None, RECIPE):
            change = _as_module if self.added else _without_tables
            groups = {name: group.model_copy(update=change(group)) for name, group in spec.groups.items()}
            published = {"self_labeling": None, "rehearsal": 0.0, "rehearsal_weight": None, "distinctive_words": None}
            joint = None if self.joint is None else list(self.joint)
            changes = {"policy": self.policy, "joint": joint, "groups": groups} | published | changes
        return spec.model_copy(update=changes)


def _without_tables(group: GroupSpec) -> dict[str, Any]:
    if group.adapter is not None:
        return {"adapter": group.adapter.model_copy(update={"embeddings": False})}
    return {"embeddings": False}


MODULE = 0.1
"""The size of a module of GRAM, as a share of the MLPs, in all of its experiments but that of partial labels."""


def _as_module(group: GroupSpec) -> dict[str, Any]:
    """Added MLP units; an adapter is added already, and experts cannot be."""
    if group.adapter is not None or group.experts or group.expert_neurons:
        return _without_tables(group)
    units = {
        "heads": 0,
        "neurons": MODULE,
        "experts": 0,
        "expert_neurons": 0,
        "layers": None,
        "query_only": False,
        "new": True,
    }
    return {**units, **_without_tables(group)}


SGTM, ROUTING = "arXiv 2512.05648", "arXiv 2410.04332"

TRAINED: tuple[Arm, ...] = (
    Arm("gradmask", "gradmask", "labeled", RECIPE, color="blue", full_color="sky", marker="o"),
    Arm(NO_FILTER, "no filter", color="grey", marker="s"),
    Arm(FILTER, "filter, same labels", "not_labeled_forget", color="amber", marker="^"),
    Arm("filter_equal_text", "filter, equal text", "not_labeled_forget", budget="text"),
    Arm("no_filter_equal_compute", "no filter, equal compute", budget="compute"),
    Arm("filter_strict", "strict filter", "labeled_retain", color="rose", marker="v"),
    Arm(PERFECT_FILTER, "perfect filter", "truly_not_forget", color="green", marker="D"),
    Arm("inexact", "gradmask, exact=False", "labeled", RECIPE, changes={"exact": False}, color="violet", marker="v"),
    Arm("strict", "SGTM, nothing joint", "labeled", "strict", color="olive", marker="P"),
    Arm("sgtm", "SGTM", "labeled", "sgtm", source=SGTM, color="rose", marker="^"),
    Arm("sgtm_mask_embeddings", "SGTM (Wikipedia)", "labeled", "sgtm_mask_embeddings", source=SGTM, color="rust", marker="P"),
    Arm("gram", "GRAM", "labeled", "gram", budget="dense", added=True, source="arXiv 2607.08077", color="violet", marker="^"),
    Arm("gradient_routing", "gradient routing", "labeled", "gradient_routing", source=ROUTING, color="rust", marker="^"),
    Arm("activation_masking", "activation masking", "labeled", "activation_masking", source=SGTM, color="violet", marker="P"),
    Arm("memorization_sinks", "memorization sinks", "labeled", "memorization_sinks", source=SGTM, color="olive", marker="^"),
)  # fmt: skip
"""The arms that are trained from the start, in the order in which they are trained and shown."""


class _Arms(Mapping[str, Arm]):
    """Name -> arm: the rows of `TRAINED`, then the unlearning methods, which start from one of them.

    A method is imported when its row is read, and PyTorch with it; asking whether there is an arm of a name imports nothing.
    """

    def __getitem__(self, name: str) -> Arm:
        for arm in TRAINED:
            if arm.name == name:
                return arm
        if name in method_names():
            return _unlearning(name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(arm.name == name for arm in TRAINED) or name in method_names()

    def __iter__(self) -> Iterator[str]:
        yield from (arm.name for arm in TRAINED)
        yield from sorted(method_names(), key=lambda name: (method(name).order, name))

    def __len__(self) -> int:
        return len(TRAINED) + len(method_names())


def _unlearning(name: str) -> Arm:
    own = method(name)
    return Arm(name, own.title, method=name, source=own.source, color=own.color, marker=own.marker)


ARMS: Mapping[str, Arm] = _Arms()


def is_routed(name: str) -> bool:
    """Whether an arm's model is partitioned into groups."""
    return ARMS[name].routed


def partition_of(recipe: Recipe, name: str) -> PartitionSpec:
    """The partition of a routed arm."""
    return ARMS[name].partition(recipe.partition)

"""What `gradmask.partition` attaches to a model, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.distributed import Ranks
from gradmask.errors import GradmaskError
from gradmask.model.manifest import Manifest, PolicyEntry, describe
from gradmask.model.membership import Membership
from gradmask.partitioning import Cut, Route, RoutingContext, owners
from gradmask.partitioning.kernel.zero_gradients import Exactness
from gradmask.routing.policy import KEPT, Policy
from gradmask.routing.router import Router
from gradmask.routing.selflabeling import SelfLabeler

if TYPE_CHECKING:
    from gradmask.model.partitioned import Partitioned

Observer = Callable[[int | Tensor | None, Route, Mapping[str, Any]], None]
"""Takes the ids of a batch's labels, its route, and the keyword arguments of the forward pass."""


@dataclass
class Gradmask:
    """What gradmask attached to a model, found at ``model.gradmask``."""

    cut: Cut
    policy: Policy
    router: Router
    policy_before: Policy | None = None
    """While the model is consolidated (`gradmask.consolidation`): the policy before, and afterwards."""
    labeler: SelfLabeler | None = None
    exact: Exactness = True
    """True: what must not learn gets no gradient. Else it gets zeros, as in the published code (`zero_gradients`)."""
    ranks: Ranks = field(default_factory=Ranks)
    """What this process knows of the others that train the model."""
    taught: set[str] = field(default_factory=set)
    """The groups that learn from a pass whose gradients no optimizer step has used yet (`gradmask.model.stepping`)."""
    stepped: bool = False
    """Whether an optimizer step came after the last pass with gradients."""
    guarded: bool = True
    """Whether a step that would move what no pass taught is an error; `gm.check` lets it happen, and reports it."""
    places: Any = None
    """What `gradmask.model.tree.places` looked up, and when."""
    membership: Membership = field(default_factory=Membership)
    """Whether everything that can learn belongs to a group."""
    head_is_last: bool | None = None
    """Whether the logits are what the output layer gives; looked up when it first matters (`gradmask.model.distilling`)."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """What labels within a batch the model does not take, and why (`gradmask.model.mixing`)."""
    rows_meet: str | None = None
    """Which group, run for one row of a batch, changes what the others give, in words (`gradmask.model.mixing_proof`)."""
    mixing: str | None = None
    """Which layer computes a row of a batch by its other rows, in words (`gradmask.model.quantized_base`)."""
    observer: Observer | None = None
    """Called in every training pass, with what it routes (`gradmask.training.monitor`)."""

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "places": None}  # a copy looks its own up

    @property
    def context(self) -> RoutingContext:
        return self.cut.context

    @property
    def removed(self) -> frozenset[str]:
        """The groups that never run again."""
        return self.context.removed

    @property
    def removable(self) -> tuple[str, ...]:
        return self.router.removable

    def manifest(self) -> Manifest:
        """The content of ``gradmask.json`` for the model as it is now."""
        manifest = describe(self.cut, self.policy, self.router, self.labeler, self.removed)
        before = PolicyEntry.of(self.policy_before) if self.policy_before else None
        return manifest.model_copy(update={"exact": self.exact, "policy_before": before})

    def obey(self, policy: Policy) -> None:
        """Route by this policy from now on."""
        self.policy = self.router.policy = policy
        self.context.frozen = frozenset(KEPT if policy.consolidates else ())
        self.context.refresh()

    def mark_removed(self, names: Iterable[str]) -> None:
        """The named groups never run again."""
        self.context.removed |= set(names)
        self.context.refresh()

    def unmark_removed(self, names: Iterable[str]) -> None:
        """The named groups run again."""
        self.context.removed -= set(names)
        self.context.refresh()


def label_limits(model: PreTrainedModel) -> dict[str, str]:
    """What labels within a batch a partitioned model does not take: ``example`` or ``token`` -> the reason. Mostly empty."""
    return dict(gradmask_of(model).limits)


def is_partitioned(model: nn.Module) -> bool:
    """Whether `partition` was applied to this model."""
    return isinstance(getattr(model, "gradmask", None), Gradmask)


def gradmask_of(model: nn.Module) -> Gradmask:
    """What gradmask attached to ``model``.

    Raises:
        GradmaskError: the model is not partitioned.
    """
    if not is_partitioned(model):
        raise GradmaskError(
            f"this {type(model).__name__} is not partitioned: call gm.partition(model, ...) or gm.load(path)"
        )
    return partitioned(model).gradmask


def partitioned(model: nn.Module) -> Partitioned:
    """``model``, to a type checker, as what `partition` made of it."""
    return cast("Partitioned", model)


def plain_class(model: nn.Module) -> type[PreTrainedModel]:
    """The class that a partitioned model had before `partition`."""
    return partitioned(model).gradmask_plain


def groups(model: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """Group -> its parameters by name. Every parameter of the model is in exactly one group."""
    gradmask = gradmask_of(model)
    members: dict[str, dict[str, nn.Parameter]] = {group: {} for group in gradmask.context.groups}
    parameters = dict(model.named_parameters())
    for name, group in owners(model).items():
        members[group][name] = parameters[name]
    return members


def coverage(model: nn.Module) -> str:
    """A table: how many parameters each group owns, and what share of the model that is."""
    total = sum(p.numel() for p in model.parameters())
    lines = ["group        parameters   share"]
    for group, members in groups(model).items():
        count = sum(p.numel() for p in members.values())
        lines.append(f"{group:<12} {count:>10,}  {count / total:>6.2%}")
    return "\n".join(lines)

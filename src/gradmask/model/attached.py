"""What `gradmask.partition` attached to a model, and what is read off it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import nn

from gradmask.distributed import Ranks
from gradmask.errors import GradmaskError
from gradmask.model.manifest import Manifest, describe
from gradmask.partitioning import Cut, RoutingContext, owners
from gradmask.routing.policy import Policy
from gradmask.routing.router import Router
from gradmask.routing.selflabeling import SelfLabeler


@dataclass
class Gradmask:
    """What gradmask attached to a model, found at ``model.gradmask``."""

    cut: Cut
    policy: Policy
    router: Router
    labeler: SelfLabeler | None = None
    removed: frozenset[str] = field(default_factory=frozenset)
    exact: bool = True
    """Whether what must not learn gets no gradient (the default), or zeros as in the published code."""
    ranks: Ranks = field(default_factory=Ranks)
    """What is known of the other processes that train this model."""
    reached: bool = False
    """Whether the current call has come to the routed forward pass."""

    @property
    def context(self) -> RoutingContext:
        return self.cut.context

    @property
    def removable(self) -> tuple[str, ...]:
        return self.router.removable

    def manifest(self) -> Manifest:
        """What ``gradmask.json`` says of the model as it is now."""
        manifest = describe(self.cut, self.policy, self.router, self.labeler, self.removed)
        return manifest.model_copy(update={"exact": self.exact})

    def mark_removed(self, names: Iterable[str]) -> None:
        """The named groups never run again."""
        self.removed |= set(names)
        self.context.silenced |= self.removed
        self.context.refresh()


def is_partitioned(model: nn.Module) -> bool:
    """Whether `partition` was applied to this model."""
    return isinstance(getattr(model, "gradmask", None), Gradmask)


def require(model: nn.Module) -> Gradmask:
    """What gradmask attached to ``model``.

    Raises:
        GradmaskError: the model is not partitioned.
    """
    if not is_partitioned(model):
        raise GradmaskError(
            f"this {type(model).__name__} is not partitioned: call gm.partition(model, ...) or gm.load(path)"
        )
    return model.gradmask  # type: ignore[return-value]


def groups(model: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """Group -> its parameters by name. Every parameter of the model is in exactly one group."""
    gradmask = require(model)
    found: dict[str, dict[str, nn.Parameter]] = {group: {} for group in gradmask.context.groups}
    parameters = dict(model.named_parameters())
    for name, group in owners(model).items():
        found[group][name] = parameters[name]
    return found


def coverage(model: nn.Module) -> str:
    """A table: how many parameters each group owns, and which share of the model that is."""
    total = sum(p.numel() for p in model.parameters())
    lines = ["group        parameters   share"]
    for group, members in groups(model).items():
        count = sum(p.numel() for p in members.values())
        lines.append(f"{group:<12} {count:>10,}  {count / total:>6.2%}")
    return "\n".join(lines)

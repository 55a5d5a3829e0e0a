"""Everything that can learn belongs to a group: looked at again at the first pass with gradients after any change.

A module or parameter that enters after `gradmask.partition` (LoRA on the base, a new head) belongs to no group, so every
data label would train it. A model is walked only after something was registered in it (`gradmask.model.registrations`), so
that an ordinary training step compares two numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model.registrations import registrations, watch_registrations
from gradmask.partitioning import RETAIN, Cut
from gradmask.partitioning.surgery.owners import find_owners


@dataclass
class Membership:
    """What was last known of a model's parameters."""

    seen: int = -1
    """The count of registrations when the modules were last walked."""
    frozen: list[nn.Parameter] = field(default_factory=list)
    """The retain group's parameters, where the base is frozen: `requires_grad_` calls no hook, so these are read each time."""

    def __reduce__(self) -> tuple[type[Membership], tuple[()]]:
        return Membership, ()  # a copy of the model is another model, of which nothing is known yet

    def check(self, model: PreTrainedModel, record: Cut) -> None:
        """Raise where something that can learn belongs to no group, or a frozen base is not frozen any more.

        Raises:
            GradmaskError: names what entered, and what to do.
        """
        if self.seen != registrations():
            self._walk(model, record)
        if any(parameter.requires_grad for parameter in self.frozen):
            thawed = {id(p) for p in self.frozen if p.requires_grad}
            names = [name for name, p in model.named_parameters() if id(p) in thawed]
            raise GradmaskError(
                f"the base was frozen by gm.partition(..., base='frozen'), but {_some(names)} can learn now "
                "(requires_grad_(True) after gm.partition?): freeze it again with requires_grad_(False), or call "
                "gm.unpartition(model) and partition with base='learning'"
            )

    def _walk(self, model: PreTrainedModel, record: Cut) -> None:
        owned = find_owners(model)
        strangers = [name for name, p in model.named_parameters() if p.requires_grad and name not in owned]
        if strangers:
            raise GradmaskError(_entered(strangers))
        parameters = dict(model.named_parameters())
        self.frozen = [parameters[n] for n, group in owned.items() if group == RETAIN] if record.frozen else []
        self.seen = watch_registrations(model)


def _entered(names: Sequence[str]) -> str:
    first = f"{_some(names)} entered this model after gm.partition and belong to no group, so every data label would train them. "
    if any("lora_" in name for name in names):
        return first + (
            "A LoRA of the base cannot be kept apart by label: for a removable one partition the plain model with "
            "{'forget': gm.Adapter(rank=...)}; for one that every label trains, export the model (gm.export) and wrap that"
        )
    return first + (
        "Call gm.unpartition(model), make the change, and partition again (model.resize_token_embeddings may be called on a "
        "partitioned model); or freeze them with requires_grad_(False)"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more

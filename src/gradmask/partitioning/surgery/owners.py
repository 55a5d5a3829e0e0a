"""Which group owns each parameter of a partitioned model, read off its modules."""

from __future__ import annotations

from torch import nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.table_kinds import group_of


def owners(model: nn.Module) -> dict[str, str]:
    """Parameter name (in the partitioned model) -> the group that owns it. Tied parameters appear once.

    Raises:
        GradmaskError: a parameter was added or replaced after the partition, and no group owns it.
    """
    owned = find_owners(model)
    unowned = [name for name, _ in model.named_parameters() if name not in owned]
    if unowned:
        raise GradmaskError(
            f"no group owns {', '.join(unowned[:5])} ({len(unowned)} parameters): they were added or replaced after "
            "gm.partition. Change the model first, then partition it"
        )
    return owned


def find_owners(model: nn.Module) -> dict[str, str]:
    """As `owners`, but leaving out parameters that no group owns."""
    owned: dict[str, str] = {}
    # by identity, since a tied parameter is met under several names
    names = {id(p): name for name, p in model.named_parameters()}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is None or id(parameter) not in names:
                continue
            if isinstance(module, SplitLinear):
                kind, _, group = name.partition("_")
                layout = {"weight": module.geometry.parts, "bias": module.geometry.bias}.get(kind)
                if layout is not None and group in layout.groups:
                    owned[names[id(parameter)]] = group
            elif (group := group_of(name)) is not None:
                owned[names[id(parameter)]] = group
            elif isinstance(module, Owned) and name in module.gradmask_owners:
                # tied: the first module decides, except over a group's table or part
                owned.setdefault(names[id(parameter)], module.gradmask_owners[name])
    return {name: owned[name] for name in names.values() if name in owned}

"""Parameters of which groups own entries, in modules that are no cut linear layers.

Attention sinks, decay rates, convolutions and norms over heads or channels; fused experts and their routers. Each group's
entries are a parameter of their own, ``<name>_<group>``; in a state dict they are merged under the plain name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from gradmask.partitioning.kernel.carrying import carry_to_parts, carry_to_whole
from gradmask.partitioning.kernel.layout import AnyLayout, sharded_like
from gradmask.partitioning.kernel.merged import merged, plain
from gradmask.partitioning.kernel.route import RoutingContext


def take_apart(module: nn.Module, layouts: Mapping[str, AnyLayout]) -> dict[str, str]:
    """Give each group its entries of these parameters of ``module``, in place; returns the owners of the new parameters."""
    owners: dict[str, str] = {}
    for name, layout in layouts.items():
        whole = module._parameters[name]
        assert whole is not None
        for group in layout.groups:
            part = nn.Parameter(layout.take(whole.detach(), group, 0).clone(), whole.requires_grad)
            module.register_parameter(f"{name}_{group}", part)
            owners[f"{name}_{group}"] = group
        carry_to_parts(whole, parts_of(module, name, layout), layout, 0)
        del module._parameters[name]
    return owners


def put_together(module: nn.Module, layouts: Mapping[str, AnyLayout], names: tuple[str, ...]) -> None:
    """Undo `take_apart`: the plain parameters again, merged, in the order of ``names``."""
    for name, layout in layouts.items():
        parts = parts_of(module, name, layout)
        for group in layout.groups:
            module._parameters.pop(f"{name}_{group}")
        trainable = any(part.requires_grad for part in parts.values())
        whole = module._parameters[name] = nn.Parameter(layout.assemble(parts, 0).detach().clone(), trainable)
        carry_to_whole(parts, whole, layout, 0)
    # the order of parameters is that of the optimizer's state, so it must be the plain module's
    for name in names if layouts else ():
        if name in module._parameters:
            module._parameters[name] = module._parameters.pop(name)


def parts_of(module: nn.Module, name: str, layout: AnyLayout) -> dict[str, nn.Parameter]:
    """Group -> its part; empty once the module is plain again."""
    parts = {group: module._parameters.get(f"{name}_{group}") for group in layout.groups}
    return {group: part for group, part in parts.items() if part is not None}


def writable(module: nn.Module, name: str, layout: AnyLayout, whole: Tensor) -> Tensor:
    """``whole``, merged from the parts, as what code outside of a forward pass holds: in-place writes reach the parts."""
    return merged(whole, name, layout, 0, partial(parts_of, module, name, layout)) if len(layout.groups) > 1 else whole


def save_merged(
    module: nn.Module,
    layouts: Mapping[str, AnyLayout],
    context: RoutingContext,
    destination: dict[str, Any],
    prefix: str,
) -> None:
    """In a state dict, the merged parameter in the place of its parts."""
    for name, layout in layouts.items():
        parts = {group: destination.pop(f"{prefix}{name}_{group}") for group in layout.groups}
        whole = layout.assemble(parts, 0)
        if len(parts) > 1:
            whole = context.stored(writable(module, name, layout, whole))
        destination[prefix + name] = sharded_like(whole, parts[layout.groups[0]])


def load_parts(layouts: Mapping[str, AnyLayout], state_dict: dict[str, Any], prefix: str) -> None:
    """In a state dict that is loaded, the parts in the place of the merged parameter."""
    for name, layout in layouts.items():
        whole = state_dict.pop(prefix + name, None)
        for group in layout.groups if whole is not None else ():
            state_dict[f"{prefix}{name}_{group}"] = layout.take(plain(whole), group, 0)

"""Giving a module's parameters to groups, in place, and taking them back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import cast

from torch import nn
from transformers.pytorch_utils import Conv1D

from gradmask.partitioning.kernel.layout import AnyLayout
from gradmask.partitioning.kernel.pickling import reduced
from gradmask.partitioning.kernel.route import RoutingContext
from gradmask.partitioning.owned.base import Owned, owned
from gradmask.partitioning.owned.by_class import ByClass
from gradmask.partitioning.owned.embeddings import OwnedEmbedding
from gradmask.partitioning.owned.linear import OwnedLinear, whole_geometry
from gradmask.partitioning.owned.norms import OwnedContainer, OwnedLayerNorm, OwnedScale
from gradmask.partitioning.owned.parts import put_together, take_apart

OWN = ("layouts", "owners", "context", "geometry", "heads_first", "hosts")
"""What an owned module has of its own, each with ``gradmask_`` before it."""


def kind_of(module: nn.Module) -> type[Owned]:
    """The token-wise behaviour that fits a module's class; a subclass may compute something else than what it is named after."""
    if isinstance(module, (nn.Linear, Conv1D)):
        return OwnedLinear if _computes_as(module, nn.Linear, Conv1D) else ByClass
    if isinstance(module, nn.Embedding):
        return OwnedEmbedding if [*module._parameters] == ["weight"] else ByClass
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)) and _computes_as(module, nn.LayerNorm, nn.RMSNorm):
        return OwnedLayerNorm
    is_leaf = next(module.children(), None) is None
    return OwnedScale if is_leaf else OwnedContainer


def _computes_as(module: nn.Module, *classes: type[nn.Module]) -> bool:
    return type(module).forward in [cls.forward for cls in classes]


@cache
def owned_class(cls: type[nn.Module], kind: type[Owned], names: tuple[str, ...]) -> type[nn.Module]:
    """``cls`` with its parameters read through the route.

    Properties work on classes only, hence a subclass and not an attribute of the module. It keeps the name and place of the
    class, which Transformers, PEFT and FSDP look for by name (``_no_split_modules``, wrap policies), and it is one for all
    modules of a kind (the cache), because `torch.compile` guards on the class.
    """
    readers = {
        name: property(
            lambda self, name=name: self.read_parameter(name),
            lambda self, value, name=name: self.refuse_tensor(name, value),
        )
        for name in names
    }
    namespace = {
        **readers,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "gradmask_plain": cls,
        "gradmask_names": names,
        "__reduce_ex__": lambda self, protocol: reduced(
            self, cls.__reduce_ex__(self, max(protocol, 2)), owned_class, cls, kind, names
        ),
    }
    return type(cls.__name__, (kind, cls), namespace)


def assign_owner(
    module: nn.Module,
    owners: dict[str, str],
    context: RoutingContext,
    kind: type[Owned] | None = None,
    heads_first: bool = False,
    names: tuple[str, ...] | None = None,
    layouts: Mapping[str, AnyLayout] | None = None,
) -> None:
    """Give the parameters of ``module`` itself, without its children's, to groups, in place.

    Args:
        module: any module with parameters.
        owners: the name of each of its parameters -> the group that owns it.
        context: the routing context of the model, in which it reads the current route.
        kind: its token-wise behaviour; by default what fits its class.
        heads_first: it reads ``[batch, heads, sequence, ...]``.
        names: the parameters that its code reads, where these are not the names in ``owners``.
        layouts: of the parameters of which groups own entries: who owns which; the others' owners stand in ``owners``.
    """
    if layouts:
        kind, names = ByClass, tuple(module._parameters)
        owners = {n: o for n, o in owners.items() if n not in layouts} | take_apart(module, layouts)
        module.__dict__["gradmask_layouts"] = dict(layouts)
    kind, target = kind or kind_of(module), owned(module)
    target.gradmask_owners, target.gradmask_context = owners, context
    if heads_first:
        target.gradmask_heads_first = True
    if issubclass(kind, OwnedLinear):
        cast(OwnedLinear, module).gradmask_geometry = whole_geometry(module, owners)
    module.__class__ = owned_class(type(module), kind, names or tuple(sorted(owners)))


def change_kind(module: nn.Module, kind: type[Owned], hosts: frozenset[str] = frozenset()) -> None:
    """Give an owned module another token-wise behaviour, in place; ``hosts``: see `ByClass`."""
    target = owned(module)
    plain, names = target.gradmask_plain, target.gradmask_names
    module.__dict__.pop("gradmask_geometry", None)
    if hosts:
        cast(ByClass, module).gradmask_hosts = hosts
    module.__class__ = owned_class(plain, kind, names)


def release(module: nn.Module) -> None:
    """Undo `assign_owner`."""
    put_together(module, owned(module).gradmask_layouts, owned(module).gradmask_names)
    module.__class__ = owned(module).gradmask_plain
    for name in OWN:
        module.__dict__.pop(f"gradmask_{name}", None)

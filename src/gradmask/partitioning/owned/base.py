"""Modules that one group owns whole: norms, embeddings, heads, biases, and linear layers that are not cut.

Such a module keeps its parameters and their names, and its class gets a subclass. Only its reading of a parameter changes:
while a batch does not update the owner, the parameter is read detached, so that autograd leaves ``.grad`` at ``None``; while
only some tokens update it, the module's forward pass is the token-wise one of its kind (`norms`, `embeddings`, `linear`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.layout import AnyLayout
from gradmask.partitioning.kernel.route import RoutingContext
from gradmask.partitioning.kernel.spied import Spied
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask
from gradmask.partitioning.owned.gradients import as_taught, taught
from gradmask.partitioning.owned.parts import load_parts, parts_of, save_merged, writable

if TYPE_CHECKING:
    Mixin = nn.Module
else:
    Mixin = object  # what is mixed in comes before a class that is a module already


_NOTHING: Mapping[str, Tensor | None] = {}


class _Reading(threading.local):
    """The overrides of this thread: id of a module -> what it reads in the place of parameters."""

    def __init__(self) -> None:
        self.of: dict[int, Mapping[str, Tensor | None]] = {}


_reading = _Reading()


class _Choosing(threading.local):
    """In this thread, the run of one class of tokens (`by_class`): id of a mask -> how much its tokens teach (0: nothing)."""

    def __init__(self) -> None:
        self.of: Mapping[int, float] = {}
        self.watched: Callable[[nn.Module, Tensor], Tensor] | None = None


_choosing = _Choosing()


def chosen_masks() -> Mapping[int, float]:
    """The masks that a host has resolved for the run of one class."""
    return _choosing.of


@contextmanager
def choosing(answers: Mapping[int, float]) -> Iterator[None]:
    """Within, in this thread: parameters are read as the tokens for which masks answer so see them."""
    before, _choosing.of = _choosing.of, answers
    try:
        yield
    finally:
        _choosing.of = before


@contextmanager
def watching(read: Callable[[nn.Module, Tensor], Tensor]) -> Iterator[None]:
    """Within, in this thread: ``read`` gives what is read of a module in the place of its parameter."""
    before, _choosing.watched = _choosing.watched, read
    try:
        yield
    finally:
        _choosing.watched = before


class Owned(Mixin):
    """Mixed into a module's class by `assign_owner`.

    ``gradmask_owners`` maps the names of its parameters to groups; ``gradmask_plain`` is the class as it was.
    """

    gradmask_owners: dict[str, str]
    gradmask_plain: type[nn.Module]
    gradmask_names: tuple[str, ...]
    gradmask_context: RoutingContext
    gradmask_heads_first = False
    gradmask_layouts: Mapping[str, AnyLayout] = MappingProxyType({})
    """The parameters of which several groups own entries, which are parameters ``<name>_<group>``."""

    def read_parameter(self, name: str) -> Tensor | None:
        """The parameter as the current route lets this module see it: as it is, or detached where the owner does not learn."""
        override = self.overrides()
        if name in override:
            return override[name]
        if name in self.gradmask_layouts:
            return self._read_merged(name)
        parameter = self._parameters[name]
        if _choosing.watched is not None and parameter is not None:
            return _choosing.watched(self, parameter)
        return None if parameter is None else self._read_one(name, parameter, self.gradmask_owners[name])

    def _read_one(self, name: str, parameter: Tensor, owner: str) -> Tensor:
        if not parameter.requires_grad or not torch.is_grad_enabled() or is_part(parameter):
            return parameter
        # without gradients, or for a frozen parameter, there is nothing to detach: generation takes the short way out above
        flag = self.gradmask_context.route_to_read.learn(owner)
        # a host of classes is never compiled, and PyTorch 2.11 would leave the graph for the question
        answer = None if torch.compiler.is_compiling() else _choosing.of.get(id(flag))
        read = as_taught(parameter, flag) if answer is None else taught(parameter, answer)
        # code may ask what dtype it has (Mamba's head), but must not compute with it
        return Spied.over(parameter, partial(self._refuse_read, name)) if read is None else read

    def _read_merged(self, name: str) -> Tensor:
        """All groups' entries of a parameter; those of a group that does not run are zero, as in an export without it."""
        layout, route = self.gradmask_layouts[name], self.gradmask_context.route_to_read
        parts = parts_of(self, name, layout)
        whole = layout.assemble({g: self._read_part(name, g, p, route.run(g)) for g, p in parts.items()}, 0)
        if _choosing.watched is not None:
            return _choosing.watched(self, whole)
        return whole if self.gradmask_context.is_running else writable(self, name, layout, whole)

    def _read_part(self, name: str, group: str, part: Tensor, runs: Flag) -> Tensor:
        # where it runs for some tokens, it is read for all, as rows of keys are: its unit's own layers leave out the others
        return torch.zeros_like(part) if runs is False else self._read_one(name, part, group)

    def _refuse_read(self, name: str) -> None:
        raise GradmaskError(
            f"the parameter {name!r} of a {type(self).__name__} is read in a way that gradmask cannot route token by token: give "
            "one data label for the whole batch (or, where this is a learned bias of attention scores, declare "
            "gm.Architecture(position_bias=...))"
        )

    def refuse_tensor(self, name: str, value: object) -> None:
        """Called where code deleted a parameter and now sets an ordinary tensor under its name."""
        raise GradmaskError(
            f"{type(self).__name__}.{name} belongs to a group and must stay a parameter. (FSDP version 1 replaces parameters by "
            "views of one flat tensor, so that all groups would share one gradient: use FSDP2, fsdp_version: 2 in an "
            "accelerate configuration, or torch.distributed.fsdp.fully_shard)"
        )

    @contextmanager
    def reading(self, values: Mapping[str, Tensor | None]) -> Iterator[None]:
        """Run the plain forward pass with other values in the place of parameters.

        For this thread alone: another may run the module under another route. Compiled code, in which threads are no matter,
        finds the values in ``__dict__``, since `nn.Module.__setattr__` would register tensors.
        """
        mine, key = _reading.of, id(self)
        before = mine.get(key)
        mine[key] = self.__dict__["_gradmask_reading"] = values
        try:
            yield
        finally:
            self.__dict__.pop("_gradmask_reading", None)
            if before is None:
                del mine[key]
            else:
                mine[key] = self.__dict__["_gradmask_reading"] = before

    def overrides(self) -> Mapping[str, Tensor | None]:
        """What `reading` put in the place of parameters, in this thread."""
        if torch.compiler.is_compiling():
            return self.__dict__.get("_gradmask_reading") or _NOTHING
        return _reading.of.get(id(self), _NOTHING)

    def routed_names(self) -> tuple[str, ...]:
        """What is not as it lies there in a plain model without the groups that do not run."""
        return tuple(self.gradmask_layouts)

    def as_routed(self, name: str) -> Tensor:
        """The merged parameter as the current route uses it: silenced groups zero."""
        layout, route = self.gradmask_layouts[name], self.gradmask_context.route_to_read
        parts = parts_of(self, name, layout)
        silent = {g for g in parts if route.run(g) is False}
        return layout.assemble({g: torch.zeros_like(p) if g in silent else p for g, p in parts.items()}, 0)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        save_merged(self, self.gradmask_layouts, self.gradmask_context, destination, prefix)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        load_parts(self.gradmask_layouts, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def rows(self, mask: TokenMask, lead: tuple[int, ...]) -> Tensor:
        """What counts of the leading dimensions of what this module reads, flattened to ``[N]``; see `TokenMask.factors`."""
        return mask.factors(lead, self.gradmask_heads_first)

    def token_masks(self) -> dict[str, TokenMask]:
        """The parameters that learn from only some tokens of this call."""
        route = self.gradmask_context.route
        flags = {name: route.learn(owner) for name, owner in self.gradmask_owners.items()}
        trained = {name for name, p in self._parameters.items() if p is not None and p.requires_grad}
        return {name: flag for name, flag in flags.items() if isinstance(flag, TokenMask) and name in trained}


def is_part(parameter: Tensor) -> bool:
    """Whether this is one process's part of a parameter: FSDP2 reads it to find the very object that it shards."""
    return hasattr(parameter, "placements")


def owned(module: nn.Module) -> Owned:
    """``module``, to a type checker, as what `assign_owner` made of it."""
    return cast(Owned, module)

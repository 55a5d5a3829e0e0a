"""What the ranks of a training run know of each other, kept at ``model.gradmask.ranks``.

Engines share gradients by collectives that every rank must enter with the same parameters. A rank whose tokens teach a
group nothing has no gradient for it, so the ranks first agree on which groups learn anywhere (`agreement`). Then a group
that learns elsewhere gets a gradient of exact zeros here, which adds nothing to the global sum; a group that learns nowhere
gets none, on any rank. Zeros are attached where the engine waits for them:

* FSDP2 reduces the gradients that a shard has, so the zeros enter at the shard's output, while its parameters are whole;
* DDP waits for *every* parameter, so all that does not learn here gets zeros, and what learns nowhere is set to None again
  when DDP has finished;
* a loop that sums gradients itself gets what FSDP2 gets, at the model's output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import Parameter

from gradmask.distributed.agreement import agree
from gradmask.distributed.engine import Engine, ddp_engine, fsdp2_engine, fsdp_modules, own_engine
from gradmask.errors import GradmaskError
from gradmask.partitioning import Route, RoutingContext, owners
from gradmask.partitioning.kernel.route import both
from gradmask.partitioning.kernel.zero_gradients import RequireGradient, attach_zeros

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Place = tuple[nn.Module, str, str]
"""Where a parameter is found, since engines replace the objects: module, name in it, and the group that owns it."""


class Pass:
    """A forward pass under DDP: the groups that learn from it on any rank, and whether its backward pass is over."""

    def __init__(self, taught: frozenset[str]) -> None:
        self.taught, self.done = taught, False


@dataclass
class Ranks:
    """How the processes that train one model work together."""

    own: ProcessGroup | None = None
    same_labels: bool = False
    _shards: list[nn.Module] = field(default_factory=list, repr=False)
    _places: dict[nn.Module, list[Place]] = field(default_factory=dict, repr=False)
    _hooks: list[Any] = field(default_factory=list, repr=False)
    _passes: list[ref[Pass]] = field(default_factory=list, repr=False)
    _taught: set[str] = field(default_factory=set, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ranks, (None, self.same_labels)

    def engine(self, model: nn.Module, context: RoutingContext) -> Engine | None:
        """The engine of the forward pass that is running, None where one process trains alone."""
        if not (dist.is_available() and dist.is_initialized()):
            return None
        if (ddp := ddp_engine()) is not None:
            return ddp
        if not self._shards and (shards := fsdp_modules(model)):
            self._adopt(model, shards, context)
        return fsdp2_engine(self._shards) or (own_engine(self.own) if self.own is not None else None)

    def sync(self, model: nn.Module, context: RoutingContext, route: Route, engine: Engine | None) -> Route:
        """``route`` with the groups that must get zeros in this pass so that the engine's collectives match.

        A collective call wherever gradients are shared, unless labels are promised to be the same on every rank.
        """
        if engine is None or not engine.syncs or not torch.is_grad_enabled():
            return route
        taught = {g for g in context.groups if both(route.learn(g), route.run(g)) is not False} | route.zeros
        idle = frozenset(context.groups) - taught
        held = self._held(model) if engine.name == "ddp" else frozenset()
        some = every = frozenset(taught | held)
        if not self.same_labels:
            some, every = agree(some, context.groups, engine.groups)
        if engine.name != "ddp":
            return replace(route, zeros=route.zeros | (idle & some), uneven=some != every)
        self._taught &= held
        return replace(route, zeros=route.zeros | idle, then=self._after_backward(model, some))

    def finish(self, model: nn.Module, route: Route, output: Any) -> Any:
        """The model's output, from which the backward pass begins with the zeros that ``route`` asks for."""
        if not (route.zeros or route.then) or not torch.is_grad_enabled():
            return output
        return attach_zeros(output, self._chosen(self._places_of(model)[model], route), route.then)

    def leave(self) -> None:
        """Take every hook off the model."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._shards, self._places = [], [], {}

    def _adopt(self, model: nn.Module, shards: list[nn.Module], context: RoutingContext) -> None:
        """Attach zeros at the output of every shard, from now on; FSDP2 frees its parameters right after that."""
        self._shards, self._places = shards, _places(model, shards)
        for shard in shards:
            if shard is not model:
                start, finish = partial(_start_shard, context), partial(self._finish_shard, context)
                self._hooks.append(shard.register_forward_pre_hook(start, prepend=True, with_kwargs=True))
                self._hooks.append(shard.register_forward_hook(finish, prepend=True))

    def _finish_shard(self, context: RoutingContext, shard: nn.Module, _: Any, output: Any) -> Any:
        route = context.route
        if not (route.zeros and torch.is_grad_enabled()):
            return output
        return attach_zeros(output, self._chosen(self._places[shard], route))

    def _chosen(self, places: list[Place], route: Route) -> list[Parameter]:
        found = (module._parameters[name] for module, name, group in places if group in route.zeros)
        return [p for p in found if p is not None and p.requires_grad]  # type: ignore[misc]

    def _places_of(self, model: nn.Module) -> dict[nn.Module, list[Place]]:
        if not self._places:
            self._places = _places(model, [])
        return self._places

    def _held(self, model: nn.Module) -> frozenset[str]:
        """The groups that hold a gradient from earlier passes."""
        places = self._places_of(model)[model]
        return frozenset(g for m, name, g in places if (p := m._parameters[name]) is not None and p.grad is not None)

    def _after_backward(self, model: nn.Module, taught: frozenset[str]) -> Callable[[], None]:
        now = Pass(taught)
        self._passes = [r for r in self._passes if (p := r()) is not None and not p.done] + [ref(now)]
        return partial(self._clear, self._places_of(model)[model], now)

    def _clear(self, places: list[Place], now: Pass) -> None:
        """Take back the zeros that only DDP needed: from groups that no pass taught whose gradients are held."""
        now.done = True
        self._taught |= now.taught
        waiting = [p.taught for r in self._passes if (p := r()) is not None and not p.done]
        keep = self._taught.union(*waiting)
        for module, name, group in places:
            parameter = module._parameters[name]
            if group not in keep and parameter is not None:
                parameter.grad = None


def _start_shard(context: RoutingContext, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let the activation that enters a shard require a gradient on every rank, if it may on one.

    FSDP2 reduces a shard's gradients when that of its input is ready, or else at the very end; in both, all ranks must do the same.
    """
    if not (context.route.uneven and torch.is_grad_enabled()):
        return args, kwargs
    for i, value in enumerate(args):
        if _is_activation(value):
            return (
                *args[:i],
                RequireGradient.apply(value, torch.zeros((), requires_grad=True)),
                *args[i + 1 :],
            ), kwargs
    for name, value in kwargs.items():
        if _is_activation(value):
            return args, {**kwargs, name: RequireGradient.apply(value, torch.zeros((), requires_grad=True))}
    return args, kwargs


def _is_activation(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _places(model: nn.Module, shards: list[nn.Module]) -> dict[nn.Module, list[Place]]:
    """The places of a model's parameters, by the innermost shard that they are in, or else the model."""
    home = {module: shard for shard in shards for module in shard.modules()}  # inner shards come later
    found: dict[nn.Module, list[Place]] = {shard: [] for shard in (model, *shards)}
    for name, group in owners(model).items():
        path, _, own_name = name.rpartition(".")
        module = model.get_submodule(path)
        found[home.get(module, model)].append((module, own_name, group))
    return found


def across_ranks(
    model: nn.Module, *, process_group: ProcessGroup | None = None, same_labels: bool = False, engine: bool = True
) -> nn.Module:
    """Tell a partitioned model more about the ranks that train it than it finds out by itself; returns ``model``.

    DDP and FSDP2 are recognised without this call. It is for two cases:

    Args:
        model: a partitioned model.
        process_group: of a loop that sums gradients itself; by default all processes.
        same_labels: a promise that in each step all ranks hold the same labels (batches of one label, shared by all ranks): what
            learns need not be agreed on, which saves one small collective per forward pass.
        engine: False where neither DDP nor FSDP2 is used: a loop sums the gradients itself. In every forward pass with
            gradients the ranks then agree on what learns, and ``.grad`` is None on all ranks or on none.

    Raises:
        GradmaskError: the model is not partitioned, or ``torch.distributed`` is not initialised.
    """
    gradmask = getattr(model, "gradmask", None)
    if gradmask is None:
        raise GradmaskError(f"this {type(model).__name__} is not partitioned: call gm.partition(model, ...) first")
    if not (dist.is_available() and dist.is_initialized()):
        raise GradmaskError(
            "gm.across_ranks needs torch.distributed: start one process per device (torchrun, accelerate launch) and call "
            "torch.distributed.init_process_group() first"
        )
    if engine and process_group is not None:
        raise GradmaskError(
            "DDP and FSDP2 know their own process groups: give process_group to gm.across_ranks with engine=False only"
        )
    gradmask.ranks.same_labels = same_labels
    gradmask.ranks.own = None if engine else process_group or dist.group.WORLD
    return model

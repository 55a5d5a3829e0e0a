"""How the ranks of a training run agree on gradients; kept at ``model.gradmask.ranks``.

Engines share gradients by collectives that every rank must enter with the same parameters. A rank has no gradient for a
group that none of its tokens update, so the ranks first agree on which groups learn anywhere (`agreement`). A group that
learns elsewhere then gets a gradient of exact zeros here, which adds nothing to the global sum; a group that learns nowhere
gets none, on any rank. Zeros are attached where the engine waits for them:

* FSDP2 reduces the gradients of a module that it shards, so zeros enter at the output of that module, while its parameters
  are unsharded;
* DDP waits for *every* parameter, so everything that does not learn here gets zeros, and what learns nowhere is set to None
  again when DDP has finished;
* a loop that sums gradients itself gets what FSDP2 gets, at the output of the model.
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
from gradmask.distributed.engine import Engine, ddp_engine, fsdp2_engine, fsdp_modules, manual_engine
from gradmask.distributed.quantized import refuse_cut_weights
from gradmask.errors import GradmaskError
from gradmask.partitioning import Route, RoutingContext, owners
from gradmask.partitioning.kernel.token_mask import both
from gradmask.partitioning.kernel.zero_gradients import RequireGradient, attach_zeros

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Slot = tuple[nn.Module, str, str]
"""A parameter by its module, its name there, and the group that owns it: engines replace the parameter objects."""


class Pass:
    """A forward pass under DDP: the groups that learn from it on any rank, its route, and whether its backward pass is over."""

    def __init__(self, learning: frozenset[str], route: Route) -> None:
        self.learning, self.route, self.done = learning, route, False


@dataclass
class Ranks:
    """How the processes that train one model work together.

    ``process_group``: of a loop that sums gradients itself, None for DDP and FSDP2. ``same_labels``: see `across_ranks`.
    """

    process_group: ProcessGroup | None = None
    same_labels: bool = False
    _fsdp_modules: list[nn.Module] = field(default_factory=list, repr=False)
    _slots: dict[nn.Module, list[Slot]] = field(default_factory=dict, repr=False)
    _hooks: list[Any] = field(default_factory=list, repr=False)
    _passes: list[ref[Pass]] = field(default_factory=list, repr=False)
    _learned: set[str] = field(default_factory=set, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        # a copy of the model is another model: hooks, modules and process groups belong to this one
        return Ranks, (None, self.same_labels)

    def engine(self, model: nn.Module, context: RoutingContext) -> Engine | None:
        """The engine of the forward pass that is running, None where one process trains alone."""
        if not (dist.is_available() and dist.is_initialized()):
            return None
        if (ddp := ddp_engine()) is not None:
            return ddp
        if not self._fsdp_modules and (modules := fsdp_modules(model)):
            self._attach(model, modules, context)
        return fsdp2_engine(self._fsdp_modules) or (
            manual_engine(self.process_group) if self.process_group is not None else None
        )

    def sync(self, model: nn.Module, context: RoutingContext, route: Route, engine: Engine | None) -> Route:
        """``route`` with the groups that must get zeros in this pass so that the engine's collectives match.

        A collective call wherever gradients are shared, unless labels are promised to be the same on every rank.
        """
        if engine is None or not engine.syncs or not torch.is_grad_enabled():
            return route
        learning = {g for g in context.groups if both(route.learn(g), route.run(g)) is not False} | route.zeros
        idle = frozenset(context.groups) - learning
        # under DDP a gradient from earlier passes (no_sync) is reduced with this one, so its group counts as learning
        holding = self._holding(model, route) if engine.name == "ddp" else frozenset()
        some = every = frozenset(learning | holding)
        if not self.same_labels:
            some, every = agree(some, context.groups, engine.groups)
        if engine.name != "ddp":
            return replace(route, zeros=route.zeros | (idle & some), uneven=some != every)
        self._learned &= holding
        return replace(route, zeros=route.zeros | idle, then=self._after_backward(model, some, route))

    def finish(self, model: nn.Module, route: Route, output: Any) -> Any:
        """The model's output, whose backward pass begins with the zeros that ``route`` asks for."""
        if not (route.zeros or route.dragged or route.then) or not torch.is_grad_enabled():
            return output
        return attach_zeros(output, self._parameters(self._slots_of(model)[model], route), route.then)

    def remove_hooks(self) -> None:
        """Take every hook off the model."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._fsdp_modules, self._slots = [], [], {}

    def _attach(self, model: nn.Module, modules: list[nn.Module], context: RoutingContext) -> None:
        """Attach zeros at the output of every module that FSDP2 shards.

        Prepended, so before FSDP2's own hooks: the input must require a gradient before FSDP2 looks at it, and zeros need
        the parameters before FSDP2 frees them.
        """
        refuse_cut_weights(modules)
        self._fsdp_modules, self._slots = modules, _slots(model, modules)
        for module in modules:
            if module is not model:
                start, finish = partial(_start_module, context), partial(self._finish_module, context)
                self._hooks.append(module.register_forward_pre_hook(start, prepend=True, with_kwargs=True))
                self._hooks.append(module.register_forward_hook(finish, prepend=True))

    def _finish_module(self, context: RoutingContext, module: nn.Module, _: Any, output: Any) -> Any:
        route = context.route
        if not ((route.zeros or route.dragged) and torch.is_grad_enabled()):
            return output
        return attach_zeros(output, self._parameters(self._slots[module], route))

    def _parameters(self, slots: list[Slot], route: Route) -> list[Parameter]:
        named = (slot[0]._parameters[slot[1]] for slot in slots if slot[2] in route.zeros or _is_dragged(slot, route))
        return [p for p in named if p is not None and p.requires_grad]

    def _slots_of(self, model: nn.Module) -> dict[nn.Module, list[Slot]]:
        if not self._slots:
            self._slots = _slots(model, [])
        return self._slots

    def _holding(self, model: nn.Module, route: Route) -> frozenset[str]:
        """The groups that hold a gradient from earlier passes, but for zeros that they get in any case."""
        slots = [slot for slot in self._slots_of(model)[model] if not _is_dragged(slot, route)]
        return frozenset(g for m, name, g in slots if (p := m._parameters[name]) is not None and p.grad is not None)

    def _after_backward(self, model: nn.Module, learning: frozenset[str], route: Route) -> Callable[[], None]:
        now = Pass(learning, route)
        # weak references: a pass whose output was thrown away never runs backward, and must not be waited for
        self._passes = [r for r in self._passes if (p := r()) is not None and not p.done] + [ref(now)]
        return partial(self._clear, self._slots_of(model)[model], now)

    def _clear(self, slots: list[Slot], now: Pass) -> None:
        """Take back the zeros that only DDP needed: from groups that no pass updates whose gradients are held.

        Runs after DDP's own callback, which copies the reduced gradients into ``.grad``. Of several forward passes before
        one backward pass, each clears in turn: the groups of those still waiting are kept, the last one to run clears the
        rest.
        """
        now.done = True
        self._learned |= now.learning
        waiting = [p.learning for r in self._passes if (p := r()) is not None and not p.done]
        keep = self._learned.union(*waiting)
        for module, name, group in slots:
            parameter = module._parameters[name]
            if group not in keep and parameter is not None and not _is_dragged((module, name, group), now.route):
                parameter.grad = None


def _is_dragged(slot: Slot, route: Route) -> bool:
    """Whether a parameter gets zeros although its group learns on no rank (`Route.dragged`)."""
    return slot[2] in route.dragged and route.drags is not None and route.drags(*slot)


def _start_module(context: RoutingContext, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let the activation that enters a sharded module require a gradient on every rank, if it may on one.

    FSDP2 reduces a module's gradients when that of its input is ready, or else at the very end of the backward pass; all
    ranks must do so at the same moment.
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


def _slots(model: nn.Module, sharded: list[nn.Module]) -> dict[nn.Module, list[Slot]]:
    """The slots of a model's parameters, by the innermost sharded module that they are in, or else the model."""
    home = {module: outer for outer in sharded for module in outer.modules()}  # inner ones come later and win
    slots: dict[nn.Module, list[Slot]] = {outer: [] for outer in (model, *sharded)}
    for name, group in owners(model).items():
        path, _, own_name = name.rpartition(".")
        module = model.get_submodule(path)
        slots[home.get(module, model)].append((module, own_name, group))
    return slots


def across_ranks(
    model: nn.Module, *, process_group: ProcessGroup | None = None, same_labels: bool = False, engine: bool = True
) -> nn.Module:
    """Tell a partitioned model about the ranks that train it; returns ``model``.

    DDP and FSDP2 are recognised without this call. It is for two cases: a promise that saves communication
    (``same_labels``), and a loop that sums gradients itself (``engine=False``).

    Args:
        model: a partitioned model.
        process_group: of a loop that sums gradients itself; by default all processes.
        same_labels: a promise that in each step all ranks hold the same labels (batches of one label, shared by all ranks):
            the ranks then need not agree on what learns, which saves one small collective per forward pass.
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
    gradmask.ranks.process_group = None if engine else process_group or dist.group.WORLD
    return model

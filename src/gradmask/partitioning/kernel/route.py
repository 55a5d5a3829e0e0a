"""What runs and what learns in one forward pass, as the routed layers read it.

A `Route` answers three questions for every group, each with yes, no, or *for these tokens* (a `TokenMask`), of which
learning and passing may have a weight (`TokenWeights`).
Layers never see data labels or policies: the rooms above turn those into routes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask

RETAIN = "retain"
JOINT = "joint"


@dataclass(frozen=True)
class Route:
    """One forward pass: for each group, does it run, does it learn, does gradient pass back through it.

    Groups that are not named run, learn and pass. ``strength`` scales what a group contributes. ``zeros`` are groups that
    learn nothing from this pass but are to get gradients of zero, and ``then`` is called after the backward pass
    (`gradmask.partitioning.kernel.zero_gradients`). ``dragged`` are groups that learn from no rank's pass and yet get zeros, for
    their momentum and weight decay, in all parameters that `drags` names. ``uneven``: groups learn on some ranks that do not
    on others (`gradmask.distributed`). ``rows_learn_what_arrives``: a group's rows of a cut layer learn from every token whose
    gradient reaches them, if the group learns from any (`gradmask.routing.policy.Policy.credit`). ``sets``: the groups that
    run together, each set with the rows that have it, where every row is to be computed as the model of its own groups alone
    computes it, bit for bit (`gradmask.rights`); else empty.
    """

    runs: Mapping[str, Flag] = field(default_factory=dict)
    learns: Mapping[str, Flag] = field(default_factory=dict)
    passes: Mapping[str, Flag] = field(default_factory=dict)
    strength: Mapping[str, float] = field(default_factory=dict)
    zeros: frozenset[str] = frozenset()
    dragged: frozenset[str] = frozenset()
    drags: Callable[[Any, str, str], bool] | None = None
    then: Callable[[], None] | None = None
    uneven: bool = False
    rows_learn_what_arrives: bool = False
    sets: tuple[tuple[frozenset[str], TokenMask], ...] = ()
    calls: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What it asks of layers that are cut in one way, once known (`gradmask.partitioning.kernel.call.call_for`)."""

    def run(self, group: str) -> Flag:
        return self.runs.get(group, True)

    def learn(self, group: str) -> Flag:
        return self.learns.get(group, True)

    def let_pass(self, group: str) -> Flag:
        return self.passes.get(group, True)

    def scale(self, group: str) -> float:
        return self.strength.get(group, 1.0)

    def rows_of_sets(self, groups: Iterable[str], lead: tuple[int, ...]) -> list[tuple[frozenset[str], Tensor]]:
        """Of ``groups``, those that run together, each set with its rows ``[N]`` of an activation."""
        among, rows = frozenset(groups), dict[frozenset[str], Tensor]()
        for names, mask in self.sets:
            chosen, here = names & among, mask.rows(lead)
            rows[chosen] = rows[chosen] | here if chosen in rows else here
        return list(rows.items())


class _Running(threading.local):
    """The routes of this thread: of the forward pass that is running, and of calls outside of one.

    Thread-local and no `ContextVar`, which `torch.compile` cannot trace; a forward pass never changes threads or tasks on
    its way. A copy of a model, in this process or another, has no pass running.
    """

    def __init__(self) -> None:
        # in every thread; the compiler of PyTorch 2.11 would read defaults of the class instead
        self.route: Route | None = None
        self.at_rest: Route | None = None
        self.merged: dict[Any, tuple[Tensor, Tensor | None]] | None = None
        self.reached: bool = False
        self.loss_weights: Tensor | None = None
        self.rehearsed: Tensor | None = None
        self.lesson: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Running, ()


@dataclass(frozen=True, eq=False)
class Ambient:
    """What holds for the calls of one thread or task for a while: groups that do not run, or labels for what has none.

    Args:
        context: of the model that it holds for.
        silenced: groups that do not run.
        labels: data labels of calls that carry none.
        route: of calls of inner modules, which take no labels.
        rights: which groups run for which row (`gradmask.rights`).
    """

    context: RoutingContext
    silenced: frozenset[str] = frozenset()
    labels: Any = None
    route: Callable[[], Route] | None = None
    rights: Any = None


_ambient: ContextVar[tuple[Ambient, ...]] = ContextVar("gradmask_ambient", default=())
"""In this thread or task, oldest first. Each scope takes out its own entry at its end, so scopes may end in any order."""


class RoutingContext:
    """Where the layers of a partitioned model look up the current route; all layers of a model share one.

    Attributes:
        groups: every group of the model.
        removed: groups that never run again (`gradmask.ablate`), whatever a route says.
        strength: group -> scale of what it contributes.
        frozen: groups that learn from no pass, whatever its route says (`gradmask.consolidation`).
        labels_required: whether a training pass with gradients needs data labels.
        training: the model's mode, see `Partitioned`.
        store: what merged tensors of a state dict go through while a checkpoint is written (`gradmask.model.scratch`).
    """

    def __init__(self, groups: tuple[str, ...]) -> None:
        self.groups = groups
        self.removed: frozenset[str] = frozenset()
        self.strength: dict[str, float] = {}
        self.frozen: frozenset[str] = frozenset()
        self.labels_required = False
        self.training = False
        self.store: Callable[[Tensor], Tensor] | None = None
        self._running = _Running()
        self._at_rest = {frozenset[str](): Route()}

    @property
    def silenced(self) -> frozenset[str]:
        """The groups that do not run now, in this thread or task: removed ones and those of `gradmask.without`."""
        return self.removed.union(*(entry.silenced for entry in _ambient.get() if entry.context is self))

    def stored(self, merged: Tensor) -> Tensor:
        """A tensor that was merged for a state dict, as whoever asked for the state dict wants to hold it."""
        return merged if self.store is None else self.store(merged)

    @property
    def reached(self) -> bool:
        """Whether the routed forward pass ran in this thread's current call of the model (see `Partitioned`)."""
        return self._running.reached

    @reached.setter
    def reached(self, value: bool) -> None:
        self._running.reached = value

    @property
    def loss_weights(self) -> Tensor | None:
        """Loss weights ``[batch]`` or ``[batch, sequence]`` of the pass that is running; None: all 1."""
        return self._running.loss_weights

    @loss_weights.setter
    def loss_weights(self, weights: Tensor | None) -> None:
        self._running.loss_weights = weights

    @property
    def rehearsed(self) -> Tensor | None:
        """What of the running pass the removed model teaches ``[batch]`` or ``[batch, sequence]``; None: it teaches nothing."""
        return self._running.rehearsed

    @rehearsed.setter
    def rehearsed(self, chosen: Tensor | None) -> None:
        self._running.rehearsed = chosen

    @property
    def lesson(self) -> Any:
        """What the removed model says of it, until the loss is made (`gradmask.routing.distillation`)."""
        return self._running.lesson

    @lesson.setter
    def lesson(self, lesson: Any) -> None:
        self._running.lesson = lesson

    @property
    def merged_cache(self) -> dict[Any, tuple[Tensor, Tensor | None]] | None:
        """Merged weights that this thread keeps between calls, see `merging_once`."""
        return self._running.merged

    @property
    def labels(self) -> Any:
        """The data labels of calls that carry none (`gradmask.labels`), or None."""
        return next((e.labels for e in reversed(_ambient.get()) if e.context is self and e.labels is not None), None)

    @property
    def is_narrowed(self) -> bool:
        """Whether something ambient, of this thread or task alone, says what runs."""
        return any(entry.context is self for entry in _ambient.get())

    @property
    def rights(self) -> Any:
        """What `gradmask.rights` says of this thread's or task's calls, or None."""
        return next((e.rights for e in reversed(_ambient.get()) if e.context is self and e.rights is not None), None)

    @property
    def route(self) -> Route:
        """The route of the forward pass that is running, for a module's own forward pass.

        Outside of one (a call of an inner module) it is the route of `gradmask.labels`, or that of a call without labels.

        Raises:
            GradmaskError: a layer runs inside a backward pass without a route, so it would ignore the labels; or it runs in
                training, with gradients, and nothing says which labels its tokens have.
        """
        running = self._running.route
        if running is not None:
            return running
        if torch.compiler.is_compiling():
            return self._running.at_rest or self._at_rest[self.removed]
        # -1 outside of a backward pass
        if torch._C._current_graph_task_id() != -1:
            raise GradmaskError(
                "a routed layer runs inside a backward pass and no longer knows the data labels of its forward pass: "
                "activation checkpointing was put around it. Use model.gradient_checkpointing_enable() instead, or "
                "give the checkpoint use_reentrant=False and context_fn=gm.recomputation_contexts(model)"
            )
        if self.needs_labels and self.labels is None:
            raise GradmaskError(
                "a module inside a partitioned model was called in training, with gradients, and nothing says which data "
                "labels its tokens have: call the model itself with data_labels=..., or put the call into "
                "`with gm.labels(model, data_labels):`. For plain training, gm.partition(..., labels='optional')"
            )
        return self.route_to_read

    @property
    def is_running(self) -> bool:
        """Whether a forward pass of this thread has a route."""
        return self._running.route is not None or torch.compiler.is_compiling()

    @property
    def route_to_read(self) -> Route:
        """As `route`, for a parameter that may be read from outside of any forward pass, where nothing is refused."""
        running = self._running.route
        if running is not None:
            return running
        if torch.compiler.is_compiling():
            return self._running.at_rest or self._at_rest[self.removed]
        ambient = next((e.route for e in reversed(_ambient.get()) if e.context is self and e.route is not None), None)
        return self._resting(self.silenced) if ambient is None else ambient()

    @property
    def needs_labels(self) -> bool:
        """Whether a pass without data labels would now train every group, unintended."""
        return self.labels_required and not self.frozen and self.training and torch.is_grad_enabled()

    def compose(
        self,
        runs: Mapping[str, Flag],
        learns: Mapping[str, Flag],
        passes: Mapping[str, Flag],
        sets: Iterable[tuple[frozenset[str], TokenMask]] = (),
    ) -> Route:
        """A route with the silenced groups and the current strengths applied; strength 0 is silence."""
        return self._compose(self.silenced, runs, learns, passes, sets)

    def _compose(
        self,
        silenced: frozenset[str],
        runs: Mapping[str, Flag],
        learns: Mapping[str, Flag],
        passes: Mapping[str, Flag],
        sets: Iterable[tuple[frozenset[str], TokenMask]] = (),
    ) -> Route:
        faded = {group for group, strength in self.strength.items() if strength == 0.0}
        silent = dict.fromkeys(silenced | faded, False)
        still = dict.fromkeys(self.frozen, False)
        awake = tuple((groups.difference(silent), mask) for groups, mask in sets)
        return Route({**runs, **silent}, {**learns, **silent, **still}, dict(passes), dict(self.strength), sets=awake)

    def _resting(self, silenced: frozenset[str]) -> Route:
        """The route of calls without data labels; one object for each set of silenced groups, which all layers compare."""
        if silenced not in self._at_rest:
            self._at_rest[silenced] = self._compose(silenced, {}, {}, {})
        return self._at_rest[silenced]

    def refresh(self) -> None:
        """Apply a change of `removed`, `strength` or `frozen` to calls without data labels."""
        self._at_rest = {self.removed: self._compose(self.removed, {}, {}, {})}
        self._set_at_rest()

    def _set_at_rest(self) -> None:
        """For compiled calls of inner modules, which cannot ask what is ambient."""
        silenced = self.silenced
        self._running.at_rest = self._resting(silenced) if silenced != self.removed else None

    @contextmanager
    def ambient(self, entry: Ambient) -> Iterator[None]:
        """Within, in this thread or task: what ``entry`` says."""
        _ambient.set((*_ambient.get(), entry))
        self._set_at_rest()
        try:
            yield
        finally:
            _ambient.set(tuple(other for other in _ambient.get() if other is not entry))
            self._set_at_rest()

    def using(self, route: Route) -> RouteScope:
        """Run a forward pass, or its recomputation (any number of times), under ``route``."""
        return RouteScope(self, route)

    @contextmanager
    def merging_once(self) -> Iterator[None]:
        """Keep merged weights between calls; only while no parameter changes (generation)."""
        running = self._running
        if running.merged is not None:
            yield
            return
        running.merged = {}
        try:
            yield
        finally:
            running.merged = None


class RouteScope:
    """A context manager, reusable and re-entrant, within which a routing context has one route in this thread."""

    def __init__(self, context: RoutingContext, route: Route) -> None:
        self.context, self.route = context, route
        self._before: list[Route | None] = []

    def __enter__(self) -> None:
        running = self.context._running
        self._before.append(running.route)
        running.route = self.route

    def __exit__(self, *exception: object) -> None:
        self.context._running.route = self._before.pop()

"""What runs and what learns in one forward pass, as the routed layers read it.

A `Route` answers three questions for every group, each with yes, no, or *for these tokens* (a `TokenMask`).
Layers never see data labels or policies: the rooms above turn those into routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.token_mask import Flag

RETAIN = "retain"
JOINT = "joint"


@dataclass(frozen=True)
class Route:
    """One forward pass: for each group, does it run, does it learn, does gradient pass back through it.

    Groups that are not named run, learn and pass. ``strength`` scales what a group contributes. ``zeros`` are groups that
    learn nothing from this pass but are to get gradients of zero, and ``then`` is called after the backward pass
    (`gradmask.partitioning.kernel.zero_gradients`). ``uneven``: groups learn on some ranks that do not on others
    (`gradmask.distributed`).
    """

    runs: Mapping[str, Flag] = field(default_factory=dict)
    learns: Mapping[str, Flag] = field(default_factory=dict)
    passes: Mapping[str, Flag] = field(default_factory=dict)
    strength: Mapping[str, float] = field(default_factory=dict)
    zeros: frozenset[str] = frozenset()
    then: Callable[[], None] | None = None
    uneven: bool = False

    def run(self, group: str) -> Flag:
        return self.runs.get(group, True)

    def learn(self, group: str) -> Flag:
        return self.learns.get(group, True)

    def let_pass(self, group: str) -> Flag:
        return self.passes.get(group, True)

    def scale(self, group: str) -> float:
        return self.strength.get(group, 1.0)


class RoutingContext:
    """Where the layers of a partitioned model look up the current route; all layers of a model share one.

    ``silenced`` groups never run (`gradmask.without`, `gradmask.ablate`), whatever a route says.
    """

    def __init__(self, groups: tuple[str, ...]) -> None:
        self.groups = groups
        self.silenced: frozenset[str] = frozenset()
        self.strength: dict[str, float] = {}
        self.merged_cache: dict[int, tuple[Tensor, Tensor | None]] | None = None
        self._current: Route | None = None
        self._resting = Route()

    @property
    def route(self) -> Route:
        """The route of the forward pass that is running; outside of one, the route of a call without data labels.

        Raises:
            GradmaskError: a layer runs inside a backward pass without a route, so it would ignore the labels.
        """
        if self._current is not None:
            return self._current
        # -1 outside of a backward pass; dynamo cannot trace the question
        if not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1:
            raise GradmaskError(
                "a routed layer runs inside a backward pass and no longer knows the data labels of its forward pass: "
                "activation checkpointing was put around it. Use model.gradient_checkpointing_enable() instead, or "
                "give the checkpoint use_reentrant=False and context_fn=gm.recomputation_contexts(model)"
            )
        return self._resting

    def compose(self, runs: Mapping[str, Flag], learns: Mapping[str, Flag], passes: Mapping[str, Flag]) -> Route:
        """A route with the silenced groups and the current strengths applied; strength 0 is silence."""
        faded = {group for group, strength in self.strength.items() if strength == 0.0}
        silent = dict.fromkeys(self.silenced | faded, False)
        return Route({**runs, **silent}, {**learns, **silent}, dict(passes), dict(self.strength))

    def refresh(self) -> None:
        """Apply a change of `silenced` or `strength` to calls without data labels; their route is made once, here."""
        self._resting = self.compose({}, {}, {})

    def using(self, route: Route) -> RouteScope:
        """Run a forward pass, or its recomputation (any number of times), under ``route``."""
        return RouteScope(self, route)

    @contextmanager
    def merging_once(self) -> Iterator[None]:
        """Keep merged weights between calls; only while no parameter changes (generation)."""
        if self.merged_cache is not None:
            yield
            return
        self.merged_cache = {}
        try:
            yield
        finally:
            self.merged_cache = None


class RouteScope:
    """A context manager, reusable and re-entrant, within which a routing context has one route."""

    def __init__(self, context: RoutingContext, route: Route) -> None:
        self.context, self.route = context, route
        self._before: list[Route | None] = []

    def __enter__(self) -> None:
        self._before.append(self.context._current)
        self.context._current = self.route

    def __exit__(self, *exception: object) -> None:
        self.context._current = self._before.pop()

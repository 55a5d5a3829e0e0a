"""What runs and what learns in one forward pass, as the routed layers read it.

A `Route` answers three questions for every group, each with yes, no, or *for these tokens* (a `TokenMask`).
Layers never see data labels or policies: the rooms above turn those into routes.

Shapes: B batch, S sequence, N = all leading dimensions of an activation multiplied together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradmask.errors import GradmaskError

RETAIN = "retain"
JOINT = "joint"


class TokenMask:
    """A yes or no for each example ``[B]`` or each token ``[B, S]`` of the batch."""

    def __init__(self, mask: Tensor) -> None:
        if mask.dtype != torch.bool or mask.dim() not in (1, 2):
            raise GradmaskError(
                f"a token mask is boolean and [batch] or [batch, sequence], got {mask.dtype} {mask.shape}"
            )
        self.mask = mask
        self._rows: dict[tuple[tuple[int, ...], bool], Tensor] = {}
        self._index: dict[tuple[int, ...], slice | Tensor] = {}
        # a mask lives for one forward pass and serves every layer: each spread, index or intersection is made once
        self._and: dict[int, tuple[TokenMask, TokenMask]] = {}

    @property
    def batch(self) -> int:
        return self.mask.shape[0]

    def rows(self, lead: tuple[int, ...], heads_first: bool = False) -> Tensor:
        """The mask spread over an activation's leading dimensions, flattened to ``[N]``.

        With ``heads_first`` these are ``[batch, heads, sequence]``.
        """
        spread = _spread_after_heads if heads_first and self.mask.dim() == 2 else _spread
        if torch.compiler.is_compiling():
            return spread(self.mask, lead)
        key = (lead, heads_first)
        if key not in self._rows:
            self._rows[key] = spread(self.mask, lead)
        return self._rows[key]

    def index(self, lead: tuple[int, ...]) -> slice | Tensor:
        """The chosen rows of a flattened activation: a slice where they are neighbours, else their positions.

        A slice makes a view, without a copy; the data room orders the examples of a batch by label for this reason.
        """
        if lead not in self._index:
            positions = self.rows(lead).nonzero().squeeze(1)
            self._index[lead] = _as_slice(positions)
        return self._index[lead]

    def choose(self, lead: tuple[int, ...], masked: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Flattened activations whose product over the rows ``[N]`` is to sum the chosen rows only.

        Under `torch.compile`, where the number of rows must not depend on data, the rest of ``masked`` is zero instead.
        """
        if torch.compiler.is_compiling():
            return masked.masked_fill(~self.rows(lead).unsqueeze(1), 0), *others
        chosen = self.index(lead)
        return tuple(pick(x, chosen) for x in (masked, *others))

    def __and__(self, other: TokenMask) -> TokenMask:
        if self is other:
            return self
        if torch.compiler.is_compiling():
            return self._intersect(other)
        if id(other) not in self._and:
            self._and[id(other)] = (other, self._intersect(other))
        return self._and[id(other)][1]

    def _intersect(self, other: TokenMask) -> TokenMask:
        first, second = self.mask, other.mask
        if first.dim() < second.dim():
            first = first.unsqueeze(1)
        if second.dim() < first.dim():
            second = second.unsqueeze(1)
        return TokenMask(first & second)


def pick(x: Tensor, chosen: slice | Tensor) -> Tensor:
    """Rows of ``x``: a view where they are neighbours (`index_select` is several times as fast as ``x[chosen]``)."""
    return x[chosen] if isinstance(chosen, slice) else x.index_select(0, chosen)


Flag = bool | TokenMask


def both(first: Flag, second: Flag) -> Flag:
    """Logical *and* of two answers."""
    if isinstance(first, bool):
        return second if first else False
    if isinstance(second, bool):
        return first if second else False
    return first & second


def _as_slice(positions: Tensor) -> slice | Tensor:
    count = positions.numel()
    if count and int(positions[-1]) - int(positions[0]) == count - 1:
        return slice(int(positions[0]), int(positions[0]) + count)
    return positions


def _spread(mask: Tensor, lead: tuple[int, ...]) -> Tensor:
    batch = mask.shape[0]
    total = 1
    for size in lead:
        total *= size
    if mask.dim() == 1 and lead and total % batch == 0 and (lead[0] == batch or len(lead) == 1):
        return _repeat(mask, total // batch)
    if mask.dim() == 2:
        tokens = mask.numel()
        if total % tokens == 0 and (lead[:2] == tuple(mask.shape) or lead == (tokens,)):
            return _repeat(mask.reshape(-1), total // tokens)
        if lead == (batch,):  # a pooled activation stands for the first token
            return mask[:, 0]
    raise GradmaskError(
        f"data labels of shape {list(mask.shape)} cannot be lined up with an activation whose leading dimensions are "
        f"{list(lead)}: give one label per example ([batch]) or per token ([batch, sequence]) of the tokens that this "
        "model reads. (A norm after the transposition of heads: name it in gm.Architecture(heads_first=...).)"
    )


def _spread_after_heads(mask: Tensor, lead: tuple[int, ...]) -> Tensor:
    if len(lead) != 3 or (lead[0], lead[2]) != tuple(mask.shape):
        raise GradmaskError(
            f"data labels of shape {list(mask.shape)} cannot be lined up with an activation declared heads_first, with "
            f"leading dimensions [batch, heads, sequence] = {list(lead)}: give one label per example ([batch])"
        )
    return mask.unsqueeze(1).expand(lead).reshape(-1)


def _repeat(rows: Tensor, times: int) -> Tensor:
    return rows if times == 1 else rows.unsqueeze(1).expand(-1, times).reshape(-1)


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

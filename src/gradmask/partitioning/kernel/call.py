"""What a layer computes in one call: how its weight is cut (`Geometry`), and what the route asks of each part (`Call`).

Shapes: a weight is ``[out, in]``, or ``[in, out]`` where ``transposed`` (the Conv1D of GPT-2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from weakref import WeakValueDictionary

import torch

from gradmask.partitioning.kernel.layout import Layout, Span
from gradmask.partitioning.kernel.route import Route
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask, both


@dataclass(frozen=True)
class Geometry:
    """How a weight is cut: along which side, who owns each position (``parts``), who computes there (``units``).

    The two differ where a projection is joint: then one group owns every position, while heads and neurons are still
    switched on and off by group. Where they are the same, they are the same *object*, and layers test that with ``is``.
    ``bias_apart``: the layer adds its bias in a second operation (Falcon).
    """

    split: Literal["out", "in"]
    transposed: bool
    parts: Layout
    units: Layout
    bias: Layout | None
    bias_apart: bool = False
    dim: int = field(init=False, repr=False, compare=False)
    """The dimension of the stored weight that is cut."""
    weights: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names of the weight's parts in the layer, in the order of ``parts.groups``."""
    biases: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        bias = self.bias.groups if self.bias else ()
        object.__setattr__(self, "dim", int((self.split == "in") != self.transposed))
        object.__setattr__(self, "weights", tuple(f"weight_{group}" for group in self.parts.groups))
        object.__setattr__(self, "biases", tuple(f"bias_{group}" for group in bias))

    @cached_property
    def order(self) -> tuple[int, ...] | None:
        """The parts in the order of the whole; None where a group has several spans, or where columns are cut.

        Only then can the parts lie one after another in memory and be read as the whole weight.
        """
        groups, spans = self.parts.groups, self.parts.spans
        if self.dim or len(spans) != len(groups):
            return None
        return tuple(groups.index(span.group) for span in spans)


_known: WeakValueDictionary[Any, Geometry] = WeakValueDictionary()


def shared(geometry: Geometry) -> Geometry:
    """One object for all layers that are cut alike, so that a route is resolved once for all of them."""
    layouts = geometry.parts, geometry.units, geometry.bias
    identical = tuple(layout is geometry.units for layout in layouts)
    spans = tuple(layout and (layout.size, layout.groups, layout.spans) for layout in layouts)
    return _known.setdefault((geometry.split, geometry.transposed, geometry.bias_apart, identical, spans), geometry)


Stretch = tuple[int, int]
"""Neighbouring positions of any groups: the first, and how many."""


@dataclass(frozen=True)
class Product:
    """One product that makes the gradients of some parts of a weight.

    Args:
        taken: the positions that it is about; empty: all.
        cuts: the number of each part, and where its positions are in the product; empty: the product is its gradient.
    """

    taken: tuple[Stretch, ...]
    cuts: tuple[tuple[int, tuple[Stretch, ...]], ...]


@dataclass(frozen=True)
class Call:
    """What one call of a routed layer does, resolved from the route.

    Args:
        geometry: how the weight is cut.
        learns: for each part of the weight, the tokens that it learns from.
        bias_learns: the same for each part of the bias.
        silent: units that run for no token of the batch.
        scales: units with a strength other than 1, where they write to the residual stream.
        gates: units that run for some tokens.
        blocks: units through which no gradient flows back, or only that of some tokens.
    """

    geometry: Geometry
    learns: tuple[Flag, ...]
    bias_learns: tuple[Flag, ...]
    silent: tuple[str, ...] = ()
    scales: tuple[tuple[str, float], ...] = ()
    gates: tuple[tuple[str, TokenMask], ...] = ()
    blocks: tuple[tuple[str, Flag], ...] = ()

    @cached_property
    def active(self) -> Stretch | None:
        """The positions that are not silent, where silence leaves one stretch of them; None without silence."""
        units = self.geometry.units
        active = [span for span in units.spans if span.group not in self.silent]
        if not self.silent or not active:
            return None
        stretch = hull(active)
        return stretch if stretch[1] == sum(span.length for span in active) else None

    @cached_property
    def active_part(self) -> int | None:
        """The number of the part that is just the active stretch."""
        parts = self.geometry.parts
        spans = [[(span.start, span.length) for span in parts.spans_of(group)] for group in parts.groups]
        return spans.index([self.active]) if self.active and [self.active] in spans else None

    @cached_property
    def products(self) -> list[tuple[Flag, Product]]:
        """See `products_of`."""
        return products_of(self.geometry, self.learns)


def call_for(geometry: Geometry, route: Route, gate_outputs: bool = False) -> Call:
    """Resolve a route for one layer; once for all that are cut alike, in a pass that is not compiled."""
    if torch.compiler.is_compiling():
        return _resolve(geometry, route, gate_outputs)
    key = (id(geometry), gate_outputs)
    call = route.calls.get(key)
    if call is None or call.geometry is not geometry:  # in a copy of a route, ids are of another model's
        call = route.calls[key] = _resolve(geometry, route, gate_outputs)
    return call


def _resolve(geometry: Geometry, route: Route, gate_outputs: bool) -> Call:
    units = geometry.units.groups
    runs = {unit: route.run(unit) for unit in units}
    aligned = geometry.parts is geometry.units
    answer = _arriving if route.rows_learn_what_arrives and geometry.split == "out" else both
    # a part that is one group's units learns only where these run; a joint part learns whatever runs
    learns = tuple(answer(route.learn(g), runs[g]) if aligned else route.learn(g) for g in geometry.parts.groups)
    biases = geometry.bias.groups if geometry.bias else ()
    own = geometry.bias is geometry.units  # each unit has its entry of the bias, else one group owns all of it
    bias_learns = tuple(answer(route.learn(g), runs[g]) if own else route.learn(g) for g in biases)
    gating = geometry.split == "in" or gate_outputs
    return Call(
        geometry,
        learns,
        bias_learns,
        silent=tuple(u for u, flag in runs.items() if flag is False),
        scales=tuple((u, route.scale(u)) for u in units if geometry.split == "in" and route.scale(u) != 1.0),
        gates=tuple((u, flag) for u, flag in runs.items() if gating and isinstance(flag, TokenMask)),
        blocks=tuple(_blocks(geometry, route)),
    )


def _arriving(learns: Flag, runs: Flag) -> Flag:
    """Whatever gradient comes back to a group's rows, if it learns from any token."""
    return learns is not False and runs is not False


def _blocks(geometry: Geometry, route: Route) -> list[tuple[str, Flag]]:
    if geometry.split == "out":
        return []
    return [(unit, route.let_pass(unit)) for unit in geometry.units.groups if route.let_pass(unit) is not True]


def by_tokens(learns: tuple[Flag, ...]) -> list[tuple[Flag, list[int]]]:
    """Parts that learn from the same tokens share one product. "The same" is one object: the router makes each mask once."""
    sets: list[tuple[Flag, list[int]]] = []
    for i, flag in enumerate(learns):
        if flag is False:
            continue
        same = next((members for other, members in sets if other is flag), None)  # by `id`, each pass would be compiled
        if same is None:
            sets.append((flag, [i]))
        else:
            same.append(i)
    return sets


def products_of(geometry: Geometry, learns: tuple[Flag, ...]) -> list[tuple[Flag, Product]]:
    """The products that make the weight's gradients, each with the tokens that it is about."""
    return [(flag, each) for flag, members in by_tokens(learns) for each in _products(geometry.parts, members)]


def _products(layout: Layout, members: Sequence[int]) -> list[Product]:
    """One product for the stretch that holds all members; one for each where most of the stretch is not theirs."""
    spans = {i: layout.spans_of(layout.groups[i]) for i in members}
    every = [span for own in spans.values() for span in own]
    start, length = hull(every)
    if 2 * sum(span.length for span in every) < length:
        return [Product(tuple((s.start, s.length) for s in own), ((i, ()),)) for i, own in spans.items()]
    cuts = {i: tuple((s.start - start, s.length) for s in own) for i, own in spans.items()}
    whole = {i: () if own == ((0, length),) else own for i, own in cuts.items()}
    return [Product(() if length == layout.size else ((start, length),), tuple(whole.items()))]


def hull(spans: Sequence[Span]) -> Stretch:
    """The shortest stretch that holds ``spans``."""
    start = min(span.start for span in spans)
    return start, max(span.start + span.length for span in spans) - start

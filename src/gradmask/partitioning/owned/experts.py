"""Mixtures of experts: modules that work token by token, with parameters that hold one entry per expert.

Such a module (the fused experts, or their router) is run once for each *class* of tokens: those for which the same groups
run and learn. Together the classes cost what one run costs, since every token is in exactly one. A group's experts and
router rows are parameters of their own, ``<name>_<group>``; in a state dict they are merged under the plain name.

A group that does not run is zeros here, too. What a router makes of it: `gradmask.partitioning.owned.routers`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.layout import AnyLayout
from gradmask.partitioning.kernel.route import Route, RoutingContext
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask, TokenWeights
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.gradients import taught
from gradmask.partitioning.owned.owning import assign_owner, owned_class, release
from gradmask.partitioning.owned.parts import take_apart, writable


class TokenClass(NamedTuple):
    """A set of tokens: their rows of the flattened activation (None: all), which groups run there, and how much each learns."""

    rows: Tensor | None
    runs: Mapping[str, float]
    learns: Mapping[str, float]


class RowWise(Owned):
    """A module whose outputs for a token depend on that token's inputs alone, all of them flattened to ``[N, ...]``."""

    gradmask_writes: str | None
    gradmask_copies = 1
    """How often it gets all tokens, one copy after another: experts that take no choice get them once for each (Llama 4)."""

    def read_parameter(self, name: str) -> Tensor | None:
        """Outside a forward pass, or without a class of tokens: the merged parameter."""
        override = self.overrides()
        if name in override:
            return override[name]
        if name not in self.gradmask_layouts:
            return self._parameters[name]
        everything = dict.fromkeys(self._groups(), True)
        whole, layout = self._value(name, TokenClass(None, everything, everything)), self.gradmask_layouts[name]
        return None if whole is None else writable(self, name, layout, whole)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.gradmask_context.route.sets and self.gradmask_writes not in self.gradmask_layouts:
            return self._run_sets(x, args, kwargs)
        lead = tuple(x.shape[:-1]) if self.gradmask_copies == 1 else (len(x) // self.gradmask_copies,)
        classes = self._classes(lead, x.device)
        if len(classes) == 1:
            return self._run(classes[0], (x, *args), kwargs)
        outs = [self._run(c, tuple(self._rows_of(a, c.rows, lead) for a in (x, *args)), kwargs) for c in classes]
        # the classes' rows one after another, and then back in the order of the batch
        order = torch.cat([c.rows for c in classes if c.rows is not None]).argsort()
        if isinstance(outs[0], tuple):
            return tuple(torch.cat(rows)[order] for rows in zip(*outs, strict=True))
        return torch.cat(outs)[order]

    def _run_sets(self, x: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A router: all rows once for each set of groups that runs together, since fewer rows would round otherwise.

        Experts see as many rows as were routed to them, in a plain model too, so nothing like it would help them.
        """
        groups, result = self._groups(), None
        for names, rows in self.gradmask_context.route.rows_of_sets(groups, tuple(x.shape[:-1])):
            chosen = TokenClass(None, {g: g in names for g in groups}, dict.fromkeys(groups, False))
            out = self._run(chosen, (x, *args), kwargs)
            result = out if result is None else _where(rows, out, result)
        return result

    def _run(self, chosen: TokenClass, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        names = [*self.gradmask_layouts, *(n for n in self.gradmask_owners if n in self._parameters)]
        return self.run_reading({name: self._value(name, chosen) for name in names}, chosen, args, kwargs)

    def run_reading(
        self, values: Mapping[str, Tensor | None], chosen: TokenClass, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The plain forward pass of one class of tokens, with these values in the place of parameters."""
        inner = nullcontext() if chosen.rows is None else self.gradmask_context.using(_one_class(self, chosen))
        with self.reading(values), inner:
            return self.gradmask_plain.forward(self, *args, **kwargs)

    def _groups(self) -> tuple[str, ...]:
        """The groups that own something in it, modules inside it included."""
        owners = (getattr(module, "gradmask_owners", {}) for module in self.modules())
        return tuple(dict.fromkeys(group for each in owners for group in each.values()))

    def _classes(self, lead: tuple[int, ...], device: torch.device) -> list[TokenClass]:
        route, groups, count = self.gradmask_context.route, self._groups(), math.prod(lead)
        runs: dict[str, Flag] = {g: route.run(g) for g in groups}
        learns: dict[str, Flag] = {g: route.learn(g) for g in groups}
        masks = [f for f in (*runs.values(), *learns.values()) if isinstance(f, TokenMask)]
        if not masks:
            return [TokenClass(None, {g: bool(f) for g, f in runs.items()}, {g: bool(f) for g, f in learns.items()})]
        flags = [*runs.values(), *learns.values()]
        rows = [
            self.rows(f, lead) if isinstance(f, TokenMask) else torch.full((count,), f, device=device) for f in flags
        ]
        if any(row.dtype != torch.bool for row in rows):
            rows = [row.double() for row in rows]
        # tokens with the same row of this table, one column a question, are one class
        table = torch.stack(rows, 1)
        kinds, which = torch.unique(table, dim=0, return_inverse=True)
        copies = torch.arange(self.gradmask_copies, device=device).unsqueeze(1) * count
        return [
            TokenClass(
                ((which == i).nonzero().squeeze(1) + copies).flatten(),
                dict(zip(groups, kind[: len(groups)], strict=True)),
                dict(zip(groups, kind[len(groups) :], strict=True)),
            )
            for i, kind in enumerate(kinds.tolist())
        ]

    def _rows_of(self, value: Any, rows: Tensor | None, lead: tuple[int, ...]) -> Any:
        """These rows of what has all tokens first, flattened or not."""
        if not isinstance(value, Tensor) or rows is None:
            return value
        if len(lead) > 1 and tuple(value.shape[: len(lead)]) == lead:
            return value.flatten(0, len(lead) - 1)[rows]
        return value[rows] if value.dim() and len(value) == math.prod(lead) * self.gradmask_copies else value

    def _value(self, name: str, chosen: TokenClass) -> Tensor | None:
        layout = self.gradmask_layouts.get(name)
        if layout is None:
            parameter, owner = self._parameters[name], self.gradmask_owners[name]
            return None if parameter is None else taught(parameter, chosen.learns[owner])
        return layout.assemble({group: self._part(name, group, chosen) for group in layout.groups}, 0)

    def _part(self, name: str, group: str, chosen: TokenClass) -> Tensor:
        part = self._parameters[f"{name}_{group}"]
        assert part is not None
        if not chosen.runs[group]:
            return torch.zeros_like(part)  # no narrower tensor: an exported model has zeros there, and so the same bits
        scale = self.gradmask_context.route_to_read.scale(group)
        part = taught(part, chosen.learns[group])
        return part * scale if scale != 1.0 and name in self.written_names() else part

    def written_names(self) -> tuple[str, ...]:
        """The parameters that make what a group adds to the residual stream: these scale it."""
        return (self.gradmask_writes, f"{self.gradmask_writes}_bias") if self.gradmask_writes else ()

    def routed_names(self) -> tuple[str, ...]:
        """What is not as it lies there in a plain model without the groups that do not run."""
        return tuple(self.gradmask_layouts)

    def as_routed(self, name: str) -> Tensor:
        """The merged parameter as the current route uses it: silenced groups zero, strengths applied."""
        route = self.gradmask_context.route_to_read
        runs = {g: route.run(g) is not False for g in self._groups()}
        value = self._value(name, TokenClass(None, runs, dict.fromkeys(self._groups(), False)))
        assert value is not None
        return value


def _where(rows: Tensor, chosen: Any, others: Any) -> Any:
    if isinstance(chosen, tuple):
        return tuple(_where(rows, a, b) for a, b in zip(chosen, others, strict=True))
    lead = rows.view(*chosen.shape[:-1], 1) if rows.numel() * chosen.shape[-1] == chosen.numel() else rows.unsqueeze(-1)
    return torch.where(lead, chosen, others)


def _one_class(module: RowWise, chosen: TokenClass) -> Route:
    """The route as this class alone sees it, for modules inside that get its rows and no others."""
    runs = {group: bool(flag) for group, flag in chosen.runs.items()}
    assert chosen.rows is not None
    learns = {group: _flag(weight, chosen.rows.device) for group, weight in chosen.learns.items()}
    return replace(module.gradmask_context.route, runs=runs, learns=learns)


def _flag(weight: float, device: torch.device) -> Flag:
    return bool(weight) if weight in (0.0, 1.0) else TokenWeights(torch.tensor([weight], device=device), single=weight)


def assign_rows(
    module: nn.Module,
    owners: Mapping[str, str],
    context: RoutingContext,
    layouts: Mapping[str, AnyLayout],
    writes: str | None = None,
    kind: type[RowWise] = RowWise,
    others: Sequence[str] = (),
) -> None:
    """Make ``module`` row-wise, in place.

    Args:
        module: fused experts or a router; its parameters' first dimension counts experts.
        owners: the group of every parameter that is not cut.
        context: where it reads the current route.
        layouts: parameter name -> which experts belong to which group, for those that are cut.
        writes: the parameter through which experts write to the residual stream; a group's strength scales it.
        kind: its class.
        others: attributes that ``kind`` reads in the place of the module, beside its parameters.
    """
    names, all_owners = tuple(module._parameters), {n: o for n, o in owners.items() if n not in layouts}
    written = module._parameters.get(writes or "")
    copied = written is not None and len(inspect.signature(type(module).forward).parameters) == 2
    copies = len(written) if copied and written is not None else 1
    owned_class(type(module), kind, (*names, *others))  # raises where a class cannot be, before anything is changed
    # the module's code reads the plain names only, so only these get readers (`names`); `_part` reads the parts
    all_owners |= take_apart(module, layouts)
    target = cast(RowWise, module)
    target.gradmask_layouts, target.gradmask_writes, target.gradmask_copies = dict(layouts), writes, copies
    assign_owner(module, all_owners, context, kind, names=(*names, *others))


def release_rows(module: RowWise) -> None:
    """Undo `assign_rows`."""
    del module.gradmask_writes, module.gradmask_copies
    release(module)

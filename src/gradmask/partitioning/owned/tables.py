"""Embedding and head tables that a removable group owns, added to the shared ones where the group runs.

A table starts at zero, so that the outputs of the model are unchanged at insertion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.call import Call, Geometry
from gradmask.partitioning.kernel.linear import compute_dtype
from gradmask.partitioning.kernel.matmul import RoutedMatmul, product
from gradmask.partitioning.kernel.merged import read_only_sum
from gradmask.partitioning.kernel.spied import Spied
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask, both
from gradmask.partitioning.owned.base import Owned, is_part
from gradmask.partitioning.owned.embeddings import OwnedEmbedding, mask_gradient
from gradmask.partitioning.owned.gradients import as_taught
from gradmask.partitioning.owned.linear import OwnedLinear
from gradmask.partitioning.owned.table_kinds import table_names, tables_of

SHARED = "gradmask_shared"
REMEDY = (
    "write to the summands (gradmask_shared and table_<group>… or adapter_<group>… in the state dict; gm.groups(model) has the "
    "parameters)"
)


def merged_table(module: nn.Module, scale: dict[str, float] | None = None) -> Tensor:
    """The shared table plus every group's own, ``[vocabulary, hidden]``."""
    whole = module._parameters["weight"]
    assert whole is not None
    whole = whole.detach()
    for group, table in tables_of(module).items():
        factor = (scale or {}).get(group, 1.0)
        if factor:
            whole = whole + (table.detach() if factor == 1.0 else table.detach() * factor)
    return whole


class Tabled(Owned):
    """A module to whose shared table groups add tables of their own."""

    def shared(self) -> Tensor:
        """The shared table as the current route lets this module see it."""
        weight = Owned.read_parameter(self, "weight")
        assert weight is not None
        return weight

    @property
    def gradmask_shared(self) -> Tensor | None:
        """The shared table by the name that it has in a state dict, where engines look for it."""
        return self._parameters["weight"]

    def flags(self) -> dict[str, tuple[Flag, Flag]]:
        """Group -> whether its table runs, and whether it learns, in this call."""
        route = self.gradmask_context.route_to_read
        return {group: (route.run(group), route.learn(group)) for group in table_names(self)}

    def divides(self) -> bool:
        """Whether one of the tables runs for, or learns from, only some tokens of this call."""
        masks = isinstance(self.gradmask_context.route_to_read.learn(self.gradmask_owners["weight"]), TokenMask)
        return masks or any(isinstance(flag, TokenMask) for pair in self.flags().values() for flag in pair)

    def read_parameter(self, name: str) -> Tensor | None:
        """From outside (a fused loss reads ``head.weight`` itself), the table as the current route sums it."""
        reading = self.overrides()
        shared = self._parameters["weight"]
        if name in reading or name != "weight" or (shared is not None and is_part(shared)):
            return super().read_parameter(name)
        try:
            whole = self.sum_tables()
        except GradmaskError:
            # code may ask what dtype it has (Mamba's head); where it computes with it, the error comes again
            return Spied.over(self.gradmask_shared, self.sum_tables)  # type: ignore[bad-argument-type]
        # where no table runs, the sum is the shared table itself
        return (
            whole if whole is self._parameters[name] else read_only_sum(whole, f"{type(self).__name__}.weight", REMEDY)
        )

    def sum_of(self, groups: frozenset[str]) -> Tensor:
        """The shared table plus those of these groups, without gradients; in generation, one sum for all tokens."""
        cache = self.gradmask_context.merged_cache
        key = (id(self), groups)
        if cache is not None and key in cache:
            return cache[key][0]
        route = self.gradmask_context.route_to_read
        whole = merged_table(self, {g: route.scale(g) if g in groups else 0.0 for g in table_names(self)})
        if cache is not None:
            cache[key] = (whole, None)
        return whole

    def sum_tables(self) -> Tensor:
        """The shared table plus those of the groups that run, ``[vocabulary, hidden]``."""
        cache = self.gradmask_context.merged_cache  # in generation, one sum for all tokens
        if cache is not None and id(self) in cache:
            return cache[id(self)][0]
        whole, flags = self.shared(), self.flags()
        for group, table in tables_of(self).items():
            run, learn = flags[group]
            read = as_taught(table, learn) if torch.is_grad_enabled() else table
            if isinstance(run, TokenMask) or read is None:
                raise GradmaskError(
                    f"{type(self).__name__}.weight was read while only some tokens use the table of group {group!r}: "
                    "call the module instead, or give one data label for the whole batch"
                )
            if run:
                whole = whole + read * _factor(self.gradmask_context.route_to_read.scale(group))
        if cache is not None:
            cache[id(self)] = (whole, None)
        return whole


class TabledEmbedding(Tabled, OwnedEmbedding):
    """An embedding to which groups add tables of their own."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        route, shared = self.gradmask_context.route, self._parameters["weight"]
        assert shared is not None
        if self.gradmask_plain.forward is not nn.Embedding.forward and not self.divides():
            # an embedding that scales what it looks up: scaled rows do not add up to the scaled sum bit for bit
            with self.reading({"weight": self.sum_tables()}):
                return self.gradmask_plain.forward(self, *args, **kwargs)
        if route.sets and self.gradmask_plain.forward is not nn.Embedding.forward:
            return self._look_up_sums(args, kwargs)
        out = self._look_up(shared, route.learn(self.gradmask_owners["weight"]), args, kwargs)
        tables = tables_of(self)
        for group, (run, learn) in self.flags().items():
            if run is not False:
                summand = self._look_up(tables[group], both(learn, run), args, kwargs) * _factor(route.scale(group))
                out = out + _where(run, summand)
        return out

    def _look_up_sums(self, args: Any, kwargs: Any) -> Tensor:
        """Every row from the sum of its own groups' tables, scaled afterwards as the exported model scales it."""
        out: Tensor | None = None
        for groups, rows in self.gradmask_context.route.rows_of_sets(
            table_names(self), tuple(_ids(args, kwargs).shape)
        ):
            with self.reading({"weight": self.sum_of(groups)}):
                values = self.gradmask_plain.forward(self, *args, **kwargs)
            out = values if out is None else torch.where(rows.view(*values.shape[:-1], 1), values, out)
        assert out is not None
        return out

    def _look_up(self, table: Tensor, learn: Flag, args: Any, kwargs: Any) -> Tensor:
        with self.reading({"weight": table if learn else table.detach()}):
            out = self.gradmask_plain.forward(self, *args, **kwargs)
        return mask_gradient(out, learn) if isinstance(learn, TokenMask) and torch.is_grad_enabled() else out


class TabledLinear(Tabled, OwnedLinear):
    """A head to which groups add tables of their own."""

    def forward(self, x: Tensor) -> Tensor:
        route, flags = self.gradmask_context.route, self.flags()
        if route.sets:
            return self._products_of_sets(x)
        partial = any(isinstance(flag, TokenMask) for pair in flags.values() for flag in pair)
        masked = self.token_masks() and torch.is_grad_enabled()
        if not partial and not masked:
            with self.reading({"weight": self.sum_tables()}):
                return super().forward(x)
        with self.reading({} if masked else {"weight": self.shared()}):
            y = super().forward(x)
        if self._parameters.get("bias") is not None:
            y = y.clone()  # a product with a bias returns a view, and autograd forbids to change those in place
        x, lead = x.to(compute_dtype(x)), tuple(x.shape[:-1])
        for group, table in tables_of(self).items():
            run, learn = flags[group]
            if run is not False:
                summand = self._own_product(x, table, run, both(learn, run)) * _factor(route.scale(group))
                _add_product(y.view(-1, y.shape[-1]), summand, run, lead)
        return y

    def _products_of_sets(self, x: Tensor) -> Tensor:
        """One product of all rows for each set of groups that runs together: adding up would round otherwise."""
        y: Tensor | None = None
        for groups, rows in self.gradmask_context.route.rows_of_sets(table_names(self), tuple(x.shape[:-1])):
            with self.reading({"weight": self.sum_of(groups)}):
                values = self.gradmask_plain.forward(self, x)
            y = values if y is None else torch.where(rows.view(*values.shape[:-1], 1), values, y)
        assert y is not None
        return y

    def _own_product(self, x: Tensor, table: Tensor, run: Flag, learn: Flag) -> Tensor:
        """``x @ table.T``, flattened, of the rows where the group runs; under `torch.compile` of all rows."""
        lead, rows = tuple(x.shape[:-1]), x.reshape(-1, x.shape[-1])
        if isinstance(run, TokenMask) and not torch.compiler.is_compiling():
            chosen = run.index(lead)
            rows = rows[chosen]
            # of the rows that are left, those that it learns from; often all of them, and then no mask is needed
            if isinstance(learn, TokenMask):
                learn = True if learn is run else learn.among(chosen, lead)
        if not torch.is_grad_enabled():
            return product(rows, table, None, False)
        whole = self.gradmask_geometry
        geometry = Geometry("out", False, whole.parts, whole.parts, None)
        return RoutedMatmul.apply(rows, Call(geometry, (learn,), ()), table)


def _ids(args: Any, kwargs: Any) -> Tensor:
    return next(value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))


def _factor(scale: float) -> float | int:
    return 1 if scale == 1.0 else scale


def _where(run: Flag, summand: Tensor) -> Tensor:
    if not isinstance(run, TokenMask):
        return summand
    if summand.shape[0] == 1 and run.batch > 1:
        summand = summand.expand(run.batch, *summand.shape[1:])
    lead = tuple(summand.shape[:-1])
    return summand.masked_fill(~run.rows(lead).view(*lead, 1), 0)


def _add_product(y: Tensor, summand: Tensor, run: Flag, lead: tuple[int, ...]) -> None:
    """Add ``summand`` to the flattened ``y`` in place, in the rows where the group runs."""
    if not isinstance(run, TokenMask):
        y += summand
    elif torch.compiler.is_compiling():
        y += summand.masked_fill(~run.rows(lead).unsqueeze(1), 0)
    else:
        chosen = run.index(lead)
        if isinstance(chosen, slice):
            y[chosen] += summand
        else:
            y.index_add_(0, chosen, summand.to(y.dtype))


def tabled_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module in which some group owns a table or an adapter, with its name."""
    for name, module in model.named_modules():
        if isinstance(module, Tabled):
            yield name, module

"""Embedding and head tables that a removable group owns, added to the shared ones where the group runs.

A table starts at zero, so that the model's function is unchanged at insertion. In a state dict the plain name holds the
sum (what a plain model computes with), and two kinds of extra entries hold the summands, for a bit-for-bit resume:
``<module>.gradmask_shared`` and ``<module>.table_<group>…`` (`gradmask.partitioning.owned.table_kinds`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.linear import compute_dtype
from gradmask.partitioning.kernel.matmul import Call, Geometry, RoutedMatmul, product
from gradmask.partitioning.kernel.route import Flag, TokenMask, both
from gradmask.partitioning.owned.modules import Owned, OwnedEmbedding, OwnedLinear, mask_gradient
from gradmask.partitioning.owned.table_kinds import table_names, tables_of

SHARED = "gradmask_shared"


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
        route = self.gradmask_context.route
        return {group: (route.run(group), route.learn(group)) for group in table_names(self)}  # type: ignore[arg-type]

    def divides(self) -> bool:
        """Whether only some tokens use, or teach, one of the tables in this call."""
        masks = isinstance(self.gradmask_context.route.learn(self.gradmask_owners["weight"]), TokenMask)
        return masks or any(isinstance(flag, TokenMask) for pair in self.flags().values() for flag in pair)

    def read_parameter(self, name: str) -> Tensor | None:
        """From outside (a fused loss reads ``head.weight`` itself), the table as the current route sums it."""
        reading = self.__dict__.get("_gradmask_reading") or {}
        if name in reading or name != "weight":
            return super().read_parameter(name)
        return self.sum_tables()

    def sum_tables(self) -> Tensor:
        """The shared table plus those of the groups that run, ``[vocabulary, hidden]``."""
        cache = self.gradmask_context.merged_cache
        if cache is not None and id(self) in cache:
            return cache[id(self)][0]
        whole, flags = self.shared(), self.flags()
        for group, table in tables_of(self).items():  # type: ignore[arg-type]
            run, learn = flags[group]
            if isinstance(run, TokenMask) or (isinstance(learn, TokenMask) and torch.is_grad_enabled()):
                raise GradmaskError(
                    f"{type(self).__name__}.weight was read while only some tokens use the table of group {group!r}: "
                    "call the module instead, or give one data label for the whole batch"
                )
            if run:
                whole = whole + (table if learn else table.detach()) * _factor(self.gradmask_context.route.scale(group))
        if cache is not None:
            cache[id(self)] = (whole, None)
        return whole


class TabledEmbedding(Tabled, OwnedEmbedding):
    """An embedding to which groups add tables of their own."""

    gradmask_plain: type[nn.Module]

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        route, shared = self.gradmask_context.route, self._parameters["weight"]
        assert shared is not None
        if self.gradmask_plain.forward is not nn.Embedding.forward and not self.divides():
            with self.reading({"weight": self.sum_tables()}):  # scaled rows do not add up bit for bit
                return self.gradmask_plain.forward(self, *args, **kwargs)
        out = self._look_up(shared, route.learn(self.gradmask_owners["weight"]), args, kwargs)
        tables = tables_of(self)  # type: ignore[arg-type]
        for group, (run, learn) in self.flags().items():
            if run is not False:
                own = self._look_up(tables[group], both(learn, run), args, kwargs) * _factor(route.scale(group))
                out = out + _where(run, own)
        return out

    def _look_up(self, table: Tensor, learn: Flag, args: Any, kwargs: Any) -> Tensor:
        with self.reading({"weight": table if learn else table.detach()}):
            out = self.gradmask_plain.forward(self, *args, **kwargs)
        return mask_gradient(out, learn) if isinstance(learn, TokenMask) and torch.is_grad_enabled() else out


class TabledLinear(Tabled, OwnedLinear):
    """A head to which groups add tables of their own."""

    def forward(self, x: Tensor) -> Tensor:
        route, flags = self.gradmask_context.route, self.flags()
        partial = any(isinstance(flag, TokenMask) for pair in flags.values() for flag in pair)
        masked = self.token_masks() and torch.is_grad_enabled()
        if not partial and not masked:
            with self.reading({"weight": self.sum_tables()}):
                return super().forward(x)
        with self.reading({} if masked else {"weight": self.shared()}):
            y = super().forward(x)
        if self._parameters.get("bias") is not None:
            y = y.clone()  # a product with a bias comes as a view, which autograd does not let change in place
        x, lead = x.to(compute_dtype(x)), tuple(x.shape[:-1])
        for group, table in tables_of(self).items():  # type: ignore[bad-argument-type]
            run, learn = flags[group]
            if run is not False:
                own = self._own_product(x, table, run, both(learn, run)) * _factor(route.scale(group))
                _add_product(y.view(-1, y.shape[-1]), own, run, lead)
        return y

    def _own_product(self, x: Tensor, table: Tensor, run: Flag, learn: Flag) -> Tensor:
        """``x @ table.T``, flattened, of the rows where the group runs; under `torch.compile` of all rows."""
        lead, rows = tuple(x.shape[:-1]), x.reshape(-1, x.shape[-1])
        if isinstance(run, TokenMask) and not torch.compiler.is_compiling():
            chosen = run.index(lead)
            rows = rows[chosen]
            if isinstance(learn, TokenMask):
                learn = True if learn is run else TokenMask(learn.rows(lead)[chosen])
        if not torch.is_grad_enabled():
            return product(rows, table, None, False)
        whole = self.gradmask_geometry
        geometry = Geometry("out", False, whole.parts, whole.parts, None)
        return RoutedMatmul.apply(rows, Call(geometry, (learn,), ()), table)


def _factor(scale: float) -> float | int:
    return 1 if scale == 1.0 else scale


def _where(run: Flag, own: Tensor) -> Tensor:
    if not isinstance(run, TokenMask):
        return own
    if own.shape[0] == 1 and run.batch > 1:
        own = own.expand(run.batch, *own.shape[1:])
    lead = tuple(own.shape[:-1])
    return own.masked_fill(~run.rows(lead).view(*lead, 1), 0)


def _add_product(y: Tensor, own: Tensor, run: Flag, lead: tuple[int, ...]) -> None:
    """Add ``own`` to the flattened ``y`` in place, in the rows where the group runs."""
    if not isinstance(run, TokenMask):
        y += own
    elif torch.compiler.is_compiling():
        y += own.masked_fill(~run.rows(lead).unsqueeze(1), 0)
    else:
        chosen = run.index(lead)
        if isinstance(chosen, slice):
            y[chosen] += own
        else:
            y.index_add_(0, chosen, own.to(y.dtype))


def tabled_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module in which some group owns a table or an adapter, with its name."""
    for name, module in model.named_modules():
        if isinstance(module, Tabled):
            yield name, module  # type: ignore[misc]


def _entries(module: nn.Module) -> list[str]:
    return [name for names in table_names(module).values() for name in names]


def write_sums(model: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    """State-dict hook: the plain name gets the sum; the shared table moves to a name of its own."""
    sums: dict[int, Tensor] = {}
    for name, module in tabled_modules(model):
        shared = module._parameters["weight"]
        assert shared is not None
        if id(shared) in sums:  # tied: the twin's summands are written once
            for entry in _entries(module):
                del state[f"{prefix}{name}.{entry}"]
        else:
            sums[id(shared)] = merged_table(module)
            state[f"{prefix}{name}.{SHARED}"] = shared.detach()
        state[f"{prefix}{name}.weight"] = sums[id(shared)]


def read_sums(model: nn.Module, state: dict[str, Any], prefix: str, *args: Any) -> None:
    """Load hook, the reverse of `write_sums`; a tied module reads its twin's entries."""
    error_msgs: list[str] = args[-1]
    found: dict[int, dict[str, Any]] = {}
    modules = list(tabled_modules(model))
    for name, module in modules:
        keys = [SHARED, *_entries(module)]
        entries = {key: state.get(f"{prefix}{name}.{key}") for key in keys}
        if all(value is not None for value in entries.values()):
            found.setdefault(id(module._parameters["weight"]), entries)
    for name, module in modules:
        entries = found.get(id(module._parameters["weight"]))
        if entries is None:
            error_msgs.append(
                f"{name}: this model's groups own tables of their own ({', '.join(table_names(module))}), but the state dict "
                f"has only a merged table; load a checkpoint that gradmask saved, or load the plain weights first and "
                "partition afterwards"
            )
            continue
        state.pop(f"{prefix}{name}.{SHARED}", None)
        state[f"{prefix}{name}.weight"] = entries[SHARED]
        state.update({f"{prefix}{name}.{key}": value for key, value in entries.items() if key != SHARED})

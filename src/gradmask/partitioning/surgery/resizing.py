"""Another number of tokens: embedding and head are plain modules while Transformers resizes them, then owned as before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.groups.adapters import GroupSpec
from gradmask.partitioning.kernel.route import RETAIN, RoutingContext
from gradmask.partitioning.owned.base import Owned, owned
from gradmask.partitioning.owned.owning import assign_owner, release
from gradmask.partitioning.owned.table_kinds import COLUMNS, IDS, TOKENS, drop_tables, group_of


@dataclass(frozen=True)
class _Ownership:
    """What the partition gave to a module: its owners, its kind, and the tables that groups added."""

    owners: Mapping[str, str]
    context: RoutingContext
    kind: type[Owned]
    heads_first: bool
    tables: Mapping[str, Tensor]


@contextmanager
def plain_tables(model: PreTrainedModel) -> Iterator[None]:
    """Within, the modules that hold the vocabulary are plain; afterwards they, or what replaced them, are owned as before.

    Groups' own tables get as many rows as the shared table has then: new rows are zero.
    """
    taken = {path: _release(module) for path, module in _vocabulary_modules(model)}
    try:
        yield
    finally:
        for path, before in taken.items():
            module = model.get_submodule(path)
            if not isinstance(module, Owned):  # T5's three embeddings become one module
                _own_again(module, before)


def check_tokens_kept(slices: Mapping[str, GroupSpec], size: int | None) -> None:
    """Raise a `GradmaskError` where a vocabulary of ``size`` lacks tokens that a group has a table of."""
    for group, spec in slices.items():
        ids = spec.embeddings if isinstance(spec.embeddings, (list, tuple)) else ()
        lost = [i for i in ids if size is not None and i >= size]
        if lost:
            raise GradmaskError(
                f"resize_token_embeddings({size}) would take away token {lost[0]}, of which group {group!r} has a table of its "
                "own: keep it, or unpartition the model first"
            )


def _vocabulary_modules(model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
    head, weight = model.get_output_embeddings(), model.get_input_embeddings()._parameters["weight"]
    modules = [(path, module) for path, module in model.named_modules() if isinstance(module, Owned)]
    return [
        (p, m) for p, m in modules if m is head or (isinstance(m, nn.Embedding) and m._parameters["weight"] is weight)
    ]


def _release(module: nn.Module) -> _Ownership:
    tables = {n: t for n, t in {**module._parameters, **module._buffers}.items() if t is not None and group_of(n)}
    target = owned(module)
    kind: type[Owned] = type(module).__bases__[0]  # see `owned_class`
    owners = {name: owner for name, owner in target.gradmask_owners.items() if name not in tables}
    before = _Ownership(owners, target.gradmask_context, kind, target.gradmask_heads_first, tables)
    if tables:
        drop_tables(module)
    release(module)
    return before


def _own_again(module: nn.Module, before: _Ownership) -> None:
    names = [name for name, parameter in module._parameters.items() if parameter is not None]
    owners = {name: before.owners.get(name, RETAIN) for name in names}
    assign_owner(module, owners, before.context, before.kind, before.heads_first)
    weight = module._parameters["weight"]
    assert weight is not None
    for name, table in before.tables.items():
        if not name.endswith((COLUMNS, TOKENS, IDS)):
            _resize(table, len(weight))
        if isinstance(table, nn.Parameter):
            module.register_parameter(name, table)
        else:
            module.register_buffer(name, table, persistent=False)


@torch.no_grad()
def _resize(table: Tensor, rows: int) -> None:
    """In place, as Transformers resizes embeddings: the parameter stays the same object, also where tied modules share it."""
    if len(table) == rows:
        return
    resized = table.new_zeros(rows, *table.shape[1:])
    kept = min(rows, len(table))
    resized[:kept] = table[:kept]
    table.data, table.grad = resized, None

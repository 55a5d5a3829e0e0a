"""Putting a cut model together again: plain modules with the merged weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from gradmask.partitioning.kernel.linear import SplitLinear, plain_linear
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.experts import RowWise, release_rows
from gradmask.partitioning.owned.owning import release
from gradmask.partitioning.owned.position_bias import unroute_bias
from gradmask.partitioning.owned.quantized import AdaptedQuantized
from gradmask.partitioning.owned.routers import Router, release_router
from gradmask.partitioning.owned.table_kinds import drop_tables
from gradmask.partitioning.owned.tables import merged_table, tabled_modules
from gradmask.partitioning.surgery.attachments import give_back

if TYPE_CHECKING:
    from gradmask.partitioning.surgery.cutting import Cut  # which undoes half a cut with this


@torch.no_grad()
def restore(model: PreTrainedModel, record: Cut) -> None:
    """Undo `cut`: plain modules again, with the merged weights, bit for bit.

    Adapters of quantized layers, into which nothing can be merged, are dropped.
    """
    _merge_tables(model)  # first, since the modules' classes say how tables are read
    for path, module in list(model.named_modules()):
        if isinstance(module, SplitLinear):
            parent, _, name = path.rpartition(".")
            plain = plain_linear(module.__dict__["plain"], module)
            give_back(module, plain)
            module.restored = True
            setattr(model.get_submodule(parent), name, plain)
        elif isinstance(module, Router):
            release_router(module)
        elif isinstance(module, RowWise):
            release_rows(module)
        elif isinstance(module, Owned):
            release(module)
        else:
            unroute_bias(module)
    for hook in record.hooks:
        hook.remove()
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in record.frozen:
        if name in parameters:  # a module that was replaced since may not have it
            parameters[name].requires_grad_(True)


def _merge_tables(model: PreTrainedModel) -> None:
    merged: set[int] = set()
    for _, module in list(tabled_modules(model)):
        shared = module._parameters["weight"]
        assert shared is not None
        if id(shared) not in merged:
            shared.copy_(merged_table(module))
            merged.add(id(shared))
        drop_tables(module)
    for module in model.modules():
        if isinstance(module, AdaptedQuantized):
            drop_tables(module)

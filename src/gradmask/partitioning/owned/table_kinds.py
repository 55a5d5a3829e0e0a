"""The kinds of table that a group may own beside a shared weight: full, of low rank, for chosen tokens, or an adapter.

All start as zero, and all are read as one tensor of the shared weight's shape. Their parameters, by name:

========================================= ==================================================================
``table_<group>``                         full: ``[vocabulary, hidden]``
``table_<group>-rows``, ``…-columns``     rank r: ``[vocabulary, r]`` (zero) times ``[r, hidden]`` (random)
``table_<group>-tokens``                  n chosen tokens: ``[n, hidden]``, with their ids in a buffer ``…-ids``
``adapter_<group>-A``, ``…-B``            of a linear layer: scale times ``[out, r]`` (zero) times ``[r, in]`` (random)
========================================= ==================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError

PREFIX, ADAPTER = "table_", "adapter_"
MARKS = (PREFIX, ADAPTER)
A, B = "-A", "-B"
ROWS, COLUMNS, TOKENS, IDS = "-rows", "-columns", "-tokens", "-ids"

Embeddings = bool | int | Sequence[int]
"""`Slice.embeddings`: none or a full table, a rank, or token ids."""


def group_of(name: str) -> str | None:
    """The group that owns a table's parameter or buffer of this name; None where it is something else."""
    for mark in MARKS:
        if name.startswith(mark):
            return name.removeprefix(mark).partition("-")[0]
    return None


def table_names(module: nn.Module) -> dict[str, list[str]]:
    """Group -> the names of its table's parameters in this module."""
    names: dict[str, list[str]] = {}
    for name, parameter in module._parameters.items():
        group = group_of(name)
        if group is not None and parameter is not None:
            names.setdefault(group, []).append(name)
    return names


def tables_of(module: nn.Module) -> dict[str, Tensor]:
    """Group -> its table as a whole, ``[vocabulary, hidden]``; gradient flows to its parameters."""
    return {group: table(module, group) for group in table_names(module)}


def table(module: nn.Module, group: str) -> Tensor:
    """One group's table as a whole, ``[vocabulary, hidden]``; an adapter's in the orientation of the layer's weight."""
    owned, name = module._parameters, PREFIX + group
    a, b = (owned.get(ADAPTER + group + side) for side in (A, B))
    if a is not None and b is not None:
        adapted: Any = module
        return adapter_delta(a, b, adapted.gradmask_adapters[group].scale, adapted.gradmask_geometry.transposed)
    if (full := owned.get(name)) is not None:
        return full
    rows, columns, chosen = (owned.get(name + kind) for kind in (ROWS, COLUMNS, TOKENS))
    if rows is not None and columns is not None:
        return rows @ columns
    assert chosen is not None
    ids, shared = module._buffers[name + IDS], owned["weight"]
    assert ids is not None and shared is not None  # noqa: PT018
    return torch.zeros_like(shared).detach().index_copy(0, ids, chosen)


def adapter_delta(a: Tensor, b: Tensor, scale: float, transposed: bool) -> Tensor:
    """``scale * b @ a``, ``[out, in]``, or ``[in, out]`` where ``transposed``; never in autocast's lower precision."""
    # a removed or exported group must be what was trained, whatever autocast was around it
    if torch.is_autocast_enabled(a.device.type):
        with torch.autocast(a.device.type, enabled=False):
            return adapter_delta(a, b, scale, transposed)
    delta = b @ a if scale == 1.0 else b @ a * scale
    return delta.t() if transposed else delta


def add_table(module: nn.Module, group: str, kind: Embeddings, tied: nn.Module | None = None) -> None:
    """Give ``group`` a table of its own in ``module``, or the one that it has already in the module ``tied`` to this.

    Raises:
        GradmaskError: a rank above the table's, or a token that is not in the vocabulary.
    """
    shared = module._parameters["weight"]
    assert shared is not None
    if tied is None:
        made = _make(shared, group, kind)
    else:
        made = {
            n: p for n, p in {**tied._parameters, **tied._buffers}.items() if group_of(n) == group and p is not None
        }
    for name, tensor in made.items():
        if isinstance(tensor, nn.Parameter):
            module.register_parameter(name, tensor)
        else:
            module.register_buffer(name, tensor, persistent=False)


def drop_tables(module: nn.Module) -> None:
    """Take all tables out of ``module``."""
    for store in (module._parameters, module._buffers):
        for name in [n for n in store if group_of(n) is not None]:
            del store[name]
            module._non_persistent_buffers_set.discard(name)
    module.__dict__.pop("gradmask_adapters", None)


def _make(shared: Tensor, group: str, kind: Embeddings) -> dict[str, Tensor]:
    vocabulary, hidden = shared.shape
    name, like = PREFIX + group, {"dtype": shared.dtype, "device": shared.device}
    if kind is True:
        return {name: nn.Parameter(torch.zeros_like(shared))}
    if isinstance(kind, int):
        if kind > min(vocabulary, hidden):
            raise GradmaskError(
                f"group {group!r}: embeddings={kind} is a rank above that of the table, {vocabulary} x {hidden}: give a "
                "smaller one, or True for a full table"
            )
        # one factor random and one zero: their product is zero at first, and has a gradient
        noise = torch.randn(kind, hidden, generator=torch.Generator().manual_seed(0), device="cpu") / kind**0.5
        return {
            name + ROWS: nn.Parameter(torch.zeros(vocabulary, kind, **like)),
            name + COLUMNS: nn.Parameter(noise.to(**like)),
        }
    outside = [i for i in kind if not 0 <= i < vocabulary]
    if outside:
        raise GradmaskError(f"group {group!r}: embeddings name token {outside[0]}, but the vocabulary has {vocabulary}")
    return {
        name + TOKENS: nn.Parameter(torch.zeros(len(kind), hidden, **like)),
        name + IDS: torch.tensor(sorted(kind), device=shared.device),
    }

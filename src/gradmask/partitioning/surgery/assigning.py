"""Giving to groups what is not cut: norms, embeddings, heads, whole layers, and the tables that groups add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from gradmask.partitioning.architectures import Architecture
from gradmask.partitioning.architectures.finding import find_blocks, get_module
from gradmask.partitioning.architectures.quantized import is_quantized
from gradmask.partitioning.architectures.sites import Projection
from gradmask.partitioning.groups.adapters import Adapter, GroupSpec
from gradmask.partitioning.kernel.layout import AnyLayout
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import JOINT, RETAIN, RoutingContext
from gradmask.partitioning.owned.adapters import Adapted, AdaptedLinear
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.owned.owning import assign_owner
from gradmask.partitioning.owned.position_bias import route_bias
from gradmask.partitioning.owned.quantized import AdaptedQuantized, OwnedQuantized
from gradmask.partitioning.owned.table_kinds import add_table
from gradmask.partitioning.owned.table_state import read_sums, write_sums
from gradmask.partitioning.owned.tables import TabledEmbedding, TabledLinear, tabled_modules


def assign_uncut(
    model: PreTrainedModel,
    architecture: Architecture,
    shared: set[str],
    context: RoutingContext,
    special: Mapping[str, type[Owned]],
    layouts: Mapping[int, Mapping[str, AnyLayout]],
) -> None:
    """Give every parameter that is not cut to joint (those named in ``shared``) or to retain.

    ``special``: the kinds of modules that hold tables or adapters, by name; ``layouts``: by a module's id, who owns which
    entries of its parameters, where several groups do.
    """
    blocks = list(find_blocks(model, architecture))
    heads_first = tuple(f"{name}.{path}." for name, _ in blocks for path in architecture.heads_first)
    biases = list(_position_biases(blocks, architecture))
    routed = {child for module, _ in biases for child in module.children()}
    positional = {f"{name}.{path}" for name, b in blocks for path, m in b.named_modules() if _is_table(m, routed)}
    # a list, because classes are replaced on the way
    for path, module in list(model.named_modules()):
        if isinstance(module, (SplitLinear, RowWise)) or not (path in special or _has_parameters(module)):
            continue
        owners = {
            name: JOINT if (f"{path}.{name}" if path else name) in shared else RETAIN
            for name, p in module._parameters.items()
            if p is not None
        }
        frozen = OwnedQuantized if is_quantized(module) else None
        kind = special.get(path) or frozen or (Owned if path in positional else None)
        first = f"{path}.".startswith(heads_first)
        assign_owner(module, owners, context, kind, first, layouts=layouts.get(id(module)))
    for module, method in biases:
        route_bias(module, method)


def _has_parameters(module: nn.Module) -> bool:
    return any(parameter is not None for parameter in module._parameters.values())


def adapted_kind(projection: Projection) -> type[Adapted]:
    """What a layer becomes to which groups add adapters."""
    return AdaptedQuantized if projection.quantized else AdaptedLinear


def _is_table(module: nn.Module, routed: set[nn.Module]) -> bool:
    """Whether this is a table inside a block that no declaration names: it may be read once for the whole batch."""
    return isinstance(module, nn.Embedding) and module not in routed


def _position_biases(
    blocks: Sequence[tuple[str, nn.Module]], architecture: Architecture
) -> Iterator[tuple[nn.Module, str]]:
    for _, block in blocks:
        for declared in architecture.position_bias:
            path, _, method = declared.rpartition(".")
            module = get_module(block, path)
            if module is not None:
                yield module, method


def table_kinds(model: PreTrainedModel) -> dict[str, type[TabledEmbedding] | type[TabledLinear]]:
    """The head, and every embedding that reads the table of the input embeddings (T5 has three)."""
    tokens, head = model.get_input_embeddings(), model.get_output_embeddings()
    kinds: dict[str, type[TabledEmbedding] | type[TabledLinear]] = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding) and module.weight is tokens.weight:
            kinds[path] = TabledEmbedding
        if module is head:
            kinds[path] = TabledLinear
    return kinds


def add_tables(model: PreTrainedModel, slices: Mapping[str, GroupSpec]) -> list[RemovableHandle]:
    """Give groups the tables that they ask for; returns the hooks that write them into state dicts and read them."""
    for group, spec in slices.items():
        first: dict[int, nn.Module] = {}
        for _, module in tabled_modules(model) if spec.embeddings else ():
            if isinstance(module, AdaptedLinear):
                continue
            shared = id(module._parameters["weight"])
            # tied modules share one table, as they share one weight
            add_table(module, group, spec.embeddings, first.get(shared))
            first.setdefault(shared, module)
    if not any(spec.embeddings or isinstance(spec, Adapter) for spec in slices.values()):
        return []
    return [model.register_state_dict_post_hook(write_sums), model.register_load_state_dict_pre_hook(read_sums)]

"""Leaving out of an export the experts that no router may choose (`gradmask.partitioning.owned.routers`)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.model.manifest import Manifest
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.owned.routers import Router
from gradmask.partitioning.surgery.silent_experts import counting_field


def narrows(model: PreTrainedModel) -> bool:
    """Whether an export of the model without a group of experts has fewer of them."""
    return any(isinstance(module, Router) and module.narrows for module in model.modules())


def leave_out(
    model: PreTrainedModel,
    silent: Collection[str],
    state: dict[str, Tensor],
    store: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> tuple[dict[str, Tensor], Any]:
    """A plain state dict and a config without the experts of the groups in ``silent``; the same ones where all stay."""
    if not (silent and narrows(model)):
        return state, model.config
    small, gone, total = dict(state), 0, 0
    for path, module in model.named_modules():
        if not isinstance(module, RowWise) or not module.gradmask_layouts:
            continue
        layout = next(iter(module.gradmask_layouts.values()))
        kept = [i for group, own in layout.positions.items() if group not in silent for i in own]
        total, gone = layout.size, layout.size - len(kept)
        for key in _counting(path, module, state, total):
            index = torch.tensor(sorted(kept), device=state[key].device)
            small[key] = store(state[key].index_select(0, index))
    field = counting_field(model.config, total)
    if not gone or field is None:
        return state, model.config
    config = copy.deepcopy(model.config)
    setattr(config.get_text_config(), field, total - gone)
    return small, config


def _counting(path: str, module: RowWise, state: Mapping[str, Tensor], total: int) -> Iterator[str]:
    """The tensors that count experts: of the module itself, and biases beside a router, with which it is called."""
    beside = path.rpartition(".")[0] if isinstance(module, Router) else None
    for key, value in state.items():
        parent = key.rpartition(".")[0]
        if value.dim() and value.shape[0] == total and (parent == path or (parent == beside and value.dim() == 1)):
            yield key


def units_left(manifest: Manifest) -> dict[str, dict[str, list[int]]]:
    """The units of every site of an export: of experts that were left out, the others count anew."""
    if not manifest.shapes:
        return manifest.units
    return {
        site: _renumbered(chosen, manifest.removed) if site.endswith("/experts") else chosen
        for site, chosen in manifest.units.items()
    }


def _renumbered(chosen: dict[str, list[int]], removed: Sequence[str]) -> dict[str, list[int]]:
    gone = [i for group in removed for i in chosen.get(group, ())]
    return {g: [i - sum(j < i for j in gone) for i in own] for g, own in chosen.items() if g not in removed}

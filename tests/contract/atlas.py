"""Which entry of which group's parameter each entry of the plain model's parameters is.

Found by writing a different number into every entry of the partitioned model, undoing the partition, and reading the
numbers back: it trusts nothing but that `gm.unpartition` moves numbers to where the plain model has them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

import gradmask as gm

TABLE = ".table_"


@dataclass(frozen=True)
class Atlas:
    """``entries``: plain name -> position ``[shape of the parameter]`` in the flat vector of the partitioned model's
    parameters; ``groups``: position -> index into ``names``; ``spans``: partitioned name -> its positions."""

    entries: Mapping[str, Tensor]
    groups: Tensor
    names: tuple[str, ...]
    spans: Mapping[str, slice]
    shapes: Mapping[str, torch.Size]

    def owned(self, name: str, group: str) -> Tensor:
        """A mask of the plain parameter ``name``: what ``group`` owns of it."""
        return self.groups[self.entries[name]] == self.names.index(group)

    def learning(self, groups: set[str] | None) -> Tensor:
        """A mask of all positions: those of the given groups; None is every group."""
        chosen = [i for i, name in enumerate(self.names) if groups is None or name in groups]
        return torch.isin(self.groups, torch.tensor(chosen))


@torch.no_grad()
def survey(model: PreTrainedModel) -> Atlas:
    """The atlas of a partitioned model, which is not changed."""
    numbered = copy.deepcopy(model).double()
    owners = {name: group for group, members in gm.groups(numbered).items() for name in members}
    names, total = tuple(gm.groups(numbered)), 0
    spans, shapes, groups = {}, {}, []
    for name, parameter in numbered.named_parameters():
        count = parameter.numel()
        spans[name], shapes[name] = slice(total, total + count), parameter.shape
        parameter.copy_(torch.zeros(()) if TABLE in name else torch.arange(total, total + count).view(parameter.shape))
        groups.append(torch.full((count,), names.index(owners[name])))
        total += count
    plain = gm.unpartition(numbered)
    entries = {name: p.detach().round().long() for name, p in plain.named_parameters()}
    return Atlas(entries, torch.cat(groups), names, spans, shapes)

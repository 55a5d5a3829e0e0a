"""Three ways to partition every case: one group, several at once with own tables, and much held in common."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

import gradmask as gm
from contract.cases import Case, build

VARIANTS = ("one", "many", "joint")
GROUPS = {"one": ("forget",), "many": ("a", "b", "c"), "joint": ("forget",)}
TIED = {"one": False, "many": True, "joint": False}


def slices(case: Case, variant: str) -> dict[str, gm.Slice]:
    """The groups of a variant; query heads alone where all of them share one key-value head."""
    alone = case.kv_heads == 1
    if variant == "many":
        amounts = {
            "a": {"heads": [0, 1], "neurons": [0, 3, 4, -1], "experts": [-1], "expert_neurons": [0, 3, -1]},
            "b": {"heads": 2, "neurons": 0.1, "experts": 1, "layers": [1], "embeddings": True},
            "c": {"heads": [2], "neurons": 5, "experts": 1, "expert_neurons": 2},
        }
        return {group: _slice(case, query_only=alone or group == "c", **asked) for group, asked in amounts.items()}
    return {
        "forget": _slice(
            case, heads=2, neurons=8, experts=2, expert_neurons=3, query_only=alone, embeddings=variant == "joint"
        )
    }


def _slice(case: Case, **asked: Any) -> gm.Slice:
    absent = {"heads", "neurons", "experts", "expert_neurons"} - set(case.units)
    if case.experts:
        absent |= {"layers"}  # not every block has all that is asked for
    return gm.Slice(**{name: value for name, value in asked.items() if name not in absent})


def joint(model: nn.Module, variant: str) -> list[str]:
    """What every label updates."""
    if variant == "one":
        return []
    if variant == "many":
        return ["norms"]
    has_biases = any(name.endswith("bias") for name, _ in model.named_parameters())
    return ["embeddings", "head", "norms", *(["biases"] if has_biases else [])]


@cache
def _partitioned(case: Case, variant: str) -> PreTrainedModel:
    model = build(case, TIED[variant])
    gm.partition(model, slices(case, variant), joint=joint(model, variant))
    with torch.no_grad():  # as if trained: own tables start at zero
        for name, parameter in model.named_parameters():
            if ".table_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def partitioned(case: Case, variant: str) -> PreTrainedModel:
    """A fresh copy of the case's model, partitioned."""
    return copy.deepcopy(_partitioned(case, variant))


def labels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """Every data label of a partitioned model, in the order of their ids, from -1."""
    return ("unlabeled", "retain", *model.gradmask.removable)  # type: ignore[union-attr]


def taught(label: str) -> set[str] | None:
    """The groups that learn from a label under `sgtm`; None is every group."""
    return None if label == "unlabeled" else {label, "joint"}


def silent(label: str, model: PreTrainedModel) -> set[str]:
    """The groups that do not run for a label under `sgtm`."""
    return set() if label == "unlabeled" else set(model.gradmask.removable) - {label}  # type: ignore[union-attr]

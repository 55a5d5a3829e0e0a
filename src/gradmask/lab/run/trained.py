"""What a finished arm left: its model, and the curve in its log."""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.lab.measures.results import Point
from gradmask.lab.run.folder import ArmFolder


def trained_model(arm: ArmFolder) -> PreTrainedModel:
    """The final model of a finished arm: partitioned where it was trained so."""
    model = gm.load(arm.model) if (arm.model / gm.MANIFEST).is_file() else gm.read_plain(arm.model)
    return cast(Any, model).to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def parameters_of(model: PreTrainedModel) -> dict[str, int]:
    """Group -> number of parameters; a plain model is all ``retain``."""
    if not gm.is_partitioned(model):
        return {"retain": sum(p.numel() for p in model.parameters())}
    return {group: sum(p.numel() for p in members.values()) for group, members in gm.groups(model).items()}


def curve(lines: list[dict[str, Any]]) -> list[Point]:
    """The points of the training curve in a log."""
    return [
        Point(step=line["step"], tokens=line["tokens"], losses=line["domain_loss"])
        for line in lines
        if "domain_loss" in line
    ]

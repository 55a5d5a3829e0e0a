"""Small partitioned models, trained for a few steps, and what they compute."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

import gradmask as gm
from tiny import tiny, tokens

SPECS = {"plain": gm.Slice(heads=2, neurons=8), "own-tables": gm.Slice(heads=2, neurons=8, embeddings=True)}


def trained(model_type: str, spec: str, **overrides: object) -> PreTrainedModel:
    model = gm.partition(tiny(model_type, **overrides).train(), {"forget": SPECS[spec]}, joint=["norms"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for label in ("unlabeled", ["forget", "retain", "unlabeled"]):
        ids = tokens()
        model(input_ids=ids, labels=ids, data_labels=label).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(tokens()).logits

"""Labels that differ within a batch, in models whose code once broke them: each with its own kind of reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradmask as gm
from sweep.promises import slice_for
from sweep.tiny_models import build
from tiny import integers, normal

LABELS = ["unlabeled", "retain", "forget"]
KINDS = {
    "granitemoehybrid": "a cache that only **kwargs can switch off",
    "llama4_text": "experts that get all tokens once for each of them",
    "mamba": "the head's dtype is read outside of it",
    "gemma4": "a row of the embeddings is read outside of them",
    "xlm": "what a norm gave is masked in place",
    "recurrent_gemma": "gates that mix neighbouring neurons",
    "ernie4_5_moe": "a parameter inside the router",
}


def gradients(model: Any, ids: torch.Tensor, labels: list[str]) -> dict[str, torch.Tensor]:
    model.zero_grad()
    logits = model.train()(input_ids=ids, data_labels=labels).logits.float()
    weights = normal(logits.shape[1:], 1)
    (logits * weights).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("model_type", KINDS)
def test_mixed_labels_equal_separate_passes(model_type: str) -> None:
    model: Any = build("causal", model_type)
    ids = integers(5, 80, (3, 6))
    gm.partition(model, {"forget": slice_for(model)})
    assert not model.gradmask.limits
    mixed, total = gradients(model, ids, LABELS), dict[str, torch.Tensor]()
    for row, label in enumerate(LABELS):
        for name, gradient in gradients(model, ids[row : row + 1], [label]).items():
            total[name] = total[name] + gradient if name in total else gradient
    assert mixed.keys() == total.keys()
    scale = max(float(g.norm()) for g in total.values())
    for name, gradient in total.items():
        assert float((mixed[name] - gradient).norm()) <= 1e-4 * (float(gradient.norm()) + 1e-2 * scale), name


def test_what_a_module_reads_past_its_layer_is_refused_when_it_is_computed_with() -> None:
    model: Any = build("causal", "llama")
    gm.partition(model, {"forget": gm.Slice(neurons=4)})
    norm = model.model.norm
    hook = norm.register_forward_hook(lambda module, args, out: out.to(module.weight.dtype))
    ids = integers(5, 80, (3, 6))
    model(input_ids=ids, data_labels=LABELS)
    hook.remove()
    norm.register_forward_hook(lambda module, args, out: out * module.weight)
    with pytest.raises(
        gm.GradmaskError, match="'weight' of a LlamaRMSNorm is read in a way that gradmask cannot route"
    ):
        model.train()(input_ids=ids, data_labels=LABELS)

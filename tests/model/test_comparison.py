"""`gm.partition` compares outputs before and after by itself, undoes what changed them, and disturbs nothing."""

from __future__ import annotations

import logging
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageClassification, PreTrainedModel

import gradmask as gm
from gradmask.model.tiny_batch import outputs_on, tiny_batch
from tiny import tiny, tokens

SLICE = gm.Slice(heads=2, neurons=8)
NEW = gm.Slice(heads=4, neurons=6, new=True)


def reads_class(model: PreTrainedModel) -> None:
    """A hook elsewhere that treats a cut layer otherwise, as a tool that looks for `nn.Linear` does."""
    mlp = model.model.layers[0].mlp
    mlp.register_forward_hook(lambda m, args, out: out * (1.0 if isinstance(m.up_proj, nn.Linear) else 1.5))


@pytest.mark.parametrize("spec", [SLICE, NEW, gm.Slice(heads=2, embeddings=True)], ids=["carved", "new", "tables"])
def test_a_change_of_the_outputs_is_an_error_and_everything_is_undone(spec: gm.Slice) -> None:
    model, plain = tiny(), tiny()
    for each in (model, plain):
        reads_class(each)
    before = {path: sorted(vars(module)) for path, module in model.named_modules()}
    slices: dict[str, Any] = {"forget": spec, "other": gm.Slice(neurons=4)}
    with pytest.raises(
        gm.GradmaskError, match="would change what this LlamaForCausalLM computes: outputs on a made-up batch"
    ):
        gm.partition(model, slices)
    assert not gm.is_partitioned(model)
    assert {path: sorted(vars(module)) for path, module in model.named_modules()} == before
    assert model.config.to_dict() == plain.config.to_dict()
    for (name, p), (other, q) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(p, q)
    assert torch.equal(model.eval()(tokens()).logits, plain.eval()(tokens()).logits)


def test_the_error_names_the_largest_difference() -> None:
    model = tiny()
    reads_class(model)
    with pytest.raises(gm.GradmaskError, match=r"change by up to \d\S* \(the largest is \d\S*\)\. It was undone"):
        gm.partition(model, {"forget": SLICE})


def test_a_forward_pass_that_fails_afterwards_is_the_same_error() -> None:
    model = tiny()

    def needs_linear(module: Any, args: Any) -> None:
        if not isinstance(module.up_proj, nn.Linear):
            raise TypeError("not a Linear")

    model.model.layers[0].mlp.register_forward_pre_hook(needs_linear)
    with pytest.raises(gm.GradmaskError, match=r"its forward pass fails \(TypeError: not a Linear\)"):
        gm.partition(model, {"forget": SLICE})
    assert not gm.is_partitioned(model)


def test_random_numbers_modes_and_gradients_are_left_alone() -> None:
    model = tiny().train()
    model.model.layers[1].eval()
    ids = tokens()
    model(input_ids=ids, labels=ids).loss.backward()
    modes = [(path, module.training) for path, module in model.named_modules()]
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    expected = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[bad-index]
    gm.partition(model, {"forget": SLICE})
    assert torch.equal(torch.get_rng_state(), expected[0])
    assert random.getstate() == expected[1]
    assert np.array_equal(np.random.get_state()[1], expected[2])  # type: ignore[bad-index]
    assert [(path, module.training) for path, module in model.named_modules()] == modes
    assert all(p.grad is not None for p in model.parameters())


def test_a_model_with_other_outputs_in_every_call_is_not_refused(caplog: pytest.LogCaptureFixture) -> None:
    model, calls = tiny(), iter(range(1, 100))
    model.model.norm.register_forward_hook(lambda m, args, out: out * next(calls))
    with caplog.at_level(logging.DEBUG, "gradmask"):
        gm.partition(model, {"forget": SLICE})
    assert "gives other outputs in every call" in caplog.text


def test_a_model_without_weights_or_a_tiny_batch_is_not_compared(caplog: pytest.LogCaptureFixture) -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(tiny().config)
    with caplog.at_level(logging.DEBUG, "gradmask"):
        gm.partition(model, {"forget": SLICE})
    assert "outputs are not compared: no tiny batch can be made for this LlamaForCausalLM" in caplog.text


def test_a_model_that_does_not_run_on_made_up_tokens_is_not_compared(caplog: pytest.LogCaptureFixture) -> None:
    model = tiny()

    def fails(*_: Any) -> None:
        raise ValueError("needs more")

    handle = model.model.norm.register_forward_pre_hook(fails)
    with caplog.at_level(logging.DEBUG, "gradmask"):
        gm.partition(model, {"forget": SLICE})
    assert "LlamaForCausalLM does not run on made-up tokens (ValueError: needs more)" in caplog.text
    handle.remove()
    assert torch.equal(model.eval()(tokens()).logits, tiny().eval()(tokens()).logits)


def test_images_are_made_up_too() -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    model = AutoModelForImageClassification.from_config(
        AutoConfig.for_model("vit", image_size=8, patch_size=4, **sizes)
    )
    batch = tiny_batch(model)
    assert batch is not None
    assert batch["pixel_values"].shape == (1, 3, 8, 8)
    assert torch.equal(outputs_on(model, batch), outputs_on(model, batch))

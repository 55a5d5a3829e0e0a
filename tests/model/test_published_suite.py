"""What SGTM's published suite demands of its layers and models, demanded of ours, on inputs of our own (docs/published.md)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.partitioning.kernel.linear import SplitLinear
from tiny import normal, tiny, tokens

STRATEGIES = ("activation_masking", "sgtm", "sgtm_joint_projection", "gradient_routing")
strategies = pytest.mark.parametrize("policy", STRATEGIES)
NEURONS = 4 * 32
INPUTS = ("q_proj", "k_proj", "v_proj", "c_fc")
MASKED = "transformer.h.1."


def plain() -> PreTrainedModel:
    return tiny("gpt_neo").train()


def masked(policy: str, heads: int = 3, neurons: int = 96, layers: tuple[int, ...] | None = (1,)) -> Any:
    """Most of the second block is the group's, as in the published tests, and nothing of the first."""
    return gm.partition(plain(), {"forget": gm.Slice(heads=heads, neurons=neurons, layers=layers)}, policy=policy)


def logits(model: Any, label: str | None = None) -> Tensor:
    """``[batch, sequence, vocabulary]``, as in training."""
    with torch.no_grad():
        return model(tokens(), **({} if label is None else {"data_labels": label})).logits


def gradients(model: Any, label: str | None = None) -> dict[str, Tensor]:
    """Under the plain model's names; zeros where there is none."""
    model.zero_grad()
    model(tokens(), labels=tokens(), **({} if label is None else {"data_labels": label})).loss.backward()
    values = copy.deepcopy(model)
    with torch.no_grad():
        for mine, theirs in zip(values.parameters(), model.parameters(), strict=True):
            mine.copy_(torch.zeros_like(theirs) if theirs.grad is None else theirs.grad)
    values = gm.unpartition(values) if gm.is_partitioned(values) else values
    return {name: p.detach() for name, p in values.named_parameters()}


@torch.no_grad()
def without_units(group: str, heads: int = 3, neurons: int = 96) -> PreTrainedModel:
    """The plain model in which the rows that make this group's units in the second block are zero, by hand."""
    model: Any = plain()
    block = model.transformer.h[1]
    for layer, rows in [(getattr(block.attn.attention, name), (4 - heads) * 8) for name in INPUTS[:3]] + [
        (block.mlp.c_fc, NEURONS - neurons)
    ]:
        for parameter in layer.parameters():
            (parameter[rows:] if group == "forget" else parameter[:rows]).zero_()
    return model


def test_the_first_block_is_plain_and_the_second_is_cut() -> None:
    model = masked("sgtm")
    cut = [name for name, module in model.named_modules() if isinstance(module, SplitLinear)]
    assert len(cut) == 6
    assert all(name.startswith(MASKED) for name in cut)


@strategies
def test_which_labels_change_the_forward_pass(policy: str) -> None:
    expected, model = logits(plain()), masked(policy)
    assert torch.equal(logits(model, "unlabeled"), expected)
    same = torch.equal(logits(model, "forget"), expected)
    assert same is (policy != "activation_masking")
    assert not torch.allclose(logits(model, "retain"), expected, atol=1e-4)


@strategies
def test_a_group_that_owns_every_unit_is_plain_training(policy: str) -> None:
    """In the published code, no retain units means no masking at all."""
    model, expected = masked(policy, heads=4, neurons=NEURONS), gradients(plain())
    assert torch.equal(logits(model, "forget"), logits(plain()))
    found = gradients(model, "forget")
    owned = [n for n in expected if n.startswith(MASKED) and n.split(".")[-2] in INPUTS]
    assert len(owned) == 5
    for name in owned:
        torch.testing.assert_close(found[name], expected[name], msg=name)


@strategies
def test_the_more_units_are_masked_the_more_the_outputs_change(policy: str) -> None:
    forget, retain = [], []
    for heads in (3, 2, 1):  # the group's, of 4
        model = masked(policy, heads, heads * 32)
        full = logits(model, "unlabeled")
        forget.append(float((logits(model, "forget") - full).abs().mean()))
        retain.append(float((logits(model, "retain") - full).abs().mean()))
    assert retain[0] > retain[1] > retain[2] > 0
    if policy == "activation_masking":
        assert 0 < forget[0] < forget[1] < forget[2]
    else:
        assert forget == [0.0, 0.0, 0.0]


@strategies
def test_what_learns_from_forget_text(policy: str) -> None:
    found, expected = gradients(masked(policy), "forget"), gradients(plain())
    reference = expected if policy != "activation_masking" else gradients(without_units("retain"))
    for name, gradient in found.items():
        layer = name.split(".")[-2]
        if name.startswith(MASKED) and layer in INPUTS:
            rows = 8 if layer != "c_fc" else NEURONS - 96
            assert not gradient[:rows].any(), name
            assert gradient[rows:].any(), name
            if policy != "gradient_routing":
                torch.testing.assert_close(gradient[rows:], reference[name][rows:], msg=name)
        elif name.startswith(MASKED) and layer in ("out_proj", "c_proj") and policy == "sgtm":
            columns = 8 if layer == "out_proj" else NEURONS - 96
            assert not gradient[..., :columns].any(), name
            if name.endswith("weight"):
                torch.testing.assert_close(gradient[:, columns:], expected[name][:, columns:], msg=name)
        elif policy in ("sgtm", "sgtm_joint_projection"):  # all else is joint, and the backward pass is the plain one
            torch.testing.assert_close(gradient, expected[name], msg=name)
    first = [n for n in found if n.startswith("transformer.h.0.") and n.endswith("_proj.weight")]
    same = [torch.allclose(found[name], expected[name], rtol=1e-4, atol=1e-6) for name in first]
    assert all(same) if policy in ("sgtm", "sgtm_joint_projection") else not any(same)
    if policy == "gradient_routing":
        torch.testing.assert_close(found[f"{MASKED}mlp.c_proj.weight"], expected[f"{MASKED}mlp.c_proj.weight"])


@strategies
def test_what_learns_from_retain_text(policy: str) -> None:
    """As a plain model in which the group's rows are zero; those get nothing."""
    found, expected = gradients(masked(policy), "retain"), gradients(without_units("forget"))
    for name, gradient in found.items():
        layer = name.split(".")[-2]
        if name.startswith(MASKED) and layer in INPUTS:
            rows = 8 if layer != "c_fc" else NEURONS - 96
            assert not gradient[rows:].any(), name
            torch.testing.assert_close(gradient[:rows], expected[name][:rows], msg=name)
        else:
            torch.testing.assert_close(gradient, expected[name], msg=name)
    assert not torch.allclose(
        found[f"{MASKED}mlp.c_fc.weight"][:32], gradients(plain())[f"{MASKED}mlp.c_fc.weight"][:32]
    )


@strategies
def test_what_learns_from_unlabeled_text_is_the_plain_model(policy: str) -> None:
    found, expected = gradients(masked(policy), "unlabeled"), gradients(plain())
    assert all(torch.equal(gradient, expected[name]) for name, gradient in found.items())


def test_activation_masking_is_the_model_without_the_retain_units() -> None:
    torch.testing.assert_close(logits(masked("activation_masking"), "forget"), logits(without_units("retain")))


@strategies
def test_removal_zeroes_the_groups_rows_and_leaves_the_others(policy: str) -> None:
    before = dict(plain().named_parameters())
    model = gm.ablate(masked(policy))
    assert logits(model, "forget").shape == logits(plain()).shape
    for name, parameter in gm.unpartition(model).named_parameters():  # type: ignore[arg-type]
        layer = name.split(".")[-2]
        columns = name.endswith("weight") and layer in ("out_proj", "c_proj")
        if name.startswith(MASKED) and (layer in INPUTS or columns):
            size = 8 if layer in (*INPUTS[:3], "out_proj") else NEURONS - 96
            dim = 1 if columns else 0
            assert not parameter.narrow(dim, size, parameter.shape[dim] - size).any(), name
            assert torch.equal(parameter.narrow(dim, 0, size), before[name].narrow(dim, 0, size)), name
        else:
            assert torch.equal(parameter, before[name]), name


def test_parameters_by_group() -> None:
    owned = gm.groups(masked("sgtm_joint_projection"))
    rows = {f"{MASKED}attn.attention.{name}.weight" for name in INPUTS[:3]}
    rows |= {f"{MASKED}mlp.c_fc.weight", f"{MASKED}mlp.c_fc.bias"}
    assert owned["forget"].keys() == {f"{name}_forget" for name in rows}
    assert owned["retain"].keys() == {f"{name}_retain" for name in rows}
    others = {name for name, _ in plain().named_parameters()} - rows
    assert {name.removesuffix("_joint") for name in owned["joint"]} == others


@pytest.mark.parametrize("neurons", [1, 32, NEURONS - 1, NEURONS])
def test_a_cut_layer_is_the_plain_layer(neurons: int) -> None:
    """Same parameters, same outputs, same gradients, same steps, whatever share the group has; no random number is drawn."""
    standard, model = plain(), plain()
    before = torch.get_rng_state()
    gm.partition(model, {"forget": gm.Slice(neurons=neurons)}, labels="optional")
    assert torch.equal(torch.get_rng_state(), before)
    path = f"{MASKED}mlp.c_fc"
    layer, reference = model.get_submodule(path), standard.get_submodule(path)
    assert isinstance(layer, SplitLinear)
    assert sum(p.numel() for p in layer.parameters()) == sum(p.numel() for p in reference.parameters())
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    groups = {"retain": NEURONS - neurons, "forget": neurons}
    expected = {f"weight_{g}": (n, 32) for g, n in groups.items() if n} | {
        f"bias_{g}": (n,) for g, n in groups.items() if n
    }
    assert shapes == expected
    for seed in range(5):
        x = normal((8, 32), seed)
        for each in (layer, reference):
            each.zero_grad()
            each(x).square().mean().backward()
        start = NEURONS - neurons
        assert torch.equal(layer.weight_forget.grad, reference.weight.grad[start:])  # type: ignore[union-attr,index]
        assert torch.equal(layer.bias_forget.grad, reference.bias.grad[start:])  # type: ignore[union-attr,index]
        with torch.no_grad():
            for parameter in (*layer.parameters(), *reference.parameters()):
                parameter -= 0.1 * parameter.grad
        assert torch.equal(layer(x), reference(x))


def test_a_cut_layer_initializes_as_the_plain_layer_does() -> None:
    standard, model = plain(), masked("sgtm")
    states = []
    for each in (standard, model):
        torch.manual_seed(5)
        each.get_submodule(f"{MASKED}mlp.c_fc").reset_parameters()
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
    layer, reference = (each.get_submodule(f"{MASKED}mlp.c_fc") for each in (model, standard))
    assert isinstance(reference, nn.Linear)
    assert torch.equal(layer.weight, reference.weight)
    assert torch.equal(layer.bias, reference.bias)

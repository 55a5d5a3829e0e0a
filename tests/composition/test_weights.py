"""Cells with weights in the ways in which models are trained: each gives the gradients of plain eager passes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradmask as gm
from gradmask.routing.cells import NEVER, Cell
from tiny import CONFIGS, tiny, tokens

GROUPS = {"forget": gm.Slice(heads=2, neurons=8), "code": gm.Slice(neurons=4, embeddings=True)}
OFF = {"own": NEVER, "other": NEVER}
POLICY = gm.Policy(
    "weighted",
    {
        "group": {"retain": Cell(learn_weight=-0.75, pass_weight=0.5), "own": Cell(learn_weight=3.0), "other": NEVER},
        "retain": {**OFF, "retain": Cell(learn_weight=0.3, pass_weight=2.0)},
    },
)
LABELS = ["forget", "retain", "code"]
PER_TOKEN = torch.tensor([[0, 1, -1, 1, 0, 2, 0, 1, -1]]).expand(3, -1)
Gradients = dict[str, Tensor | None]


def partitioned(model_type: str = "llama", policy: gm.Policy = POLICY, double: bool = True) -> Any:
    model = tiny(model_type)
    return gm.partition((model.double() if double else model).train(), GROUPS, joint=["norms"], policy=policy)


def gradients(model: nn.Module) -> Gradients:
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def learned(model: Any, labels: Any, ids: Tensor | None = None) -> Gradients:
    """The gradients of one pass, of the loss summed over tokens."""
    ids = tokens() if ids is None else ids
    model.zero_grad()
    logits = model(ids, data_labels=labels).logits
    nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum").backward()
    return gradients(model)


def assert_close(found: Gradients, expected: Gradients, rtol: float = 1e-9) -> None:
    for name, wanted in expected.items():
        grad = found[name]
        assert (grad is None) == (wanted is None), name
        if grad is not None and wanted is not None:
            assert (grad - wanted).norm() <= rtol * wanted.norm() + 1e-12, name


@pytest.mark.parametrize("labels", [LABELS, PER_TOKEN, "forget"])
def test_recomputation(labels: Any) -> None:
    model = partitioned()
    expected = learned(model, labels)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_close(learned(model, labels), expected, rtol=0.0)


def test_accumulation() -> None:
    model, ids = partitioned(), tokens()
    mixed = learned(model, LABELS)
    alone = [learned(model, label, ids[i : i + 1]) for i, label in enumerate(LABELS)]
    for name, found in mixed.items():
        parts = [grads[name] for grads in alone if grads[name] is not None]
        assert_close({name: found}, {name: sum(parts) if parts else None})  # type: ignore[arg-type]


@pytest.mark.parametrize("model_type", CONFIGS)
def test_autocast_agrees_with_full_precision(model_type: str) -> None:
    model = partitioned(model_type, double=False)
    full = learned(model, LABELS)
    with torch.autocast(torch.get_default_device().type, dtype=torch.bfloat16):
        rounded = learned(model, LABELS)
    assert_close(rounded, full, rtol=0.1)


def test_one_label_for_the_batch_counts_as_one_label_for_each_example() -> None:
    """Also where a loss reads the head's weight itself: then the weight of the batch is the parameter's own."""
    model, ids = partitioned(), tokens()
    assert_close(learned(model, "forget"), learned(model, ["forget"] * 3))
    expected = learned(model, "forget")["lm_head.weight"]
    with gm.labels(model, "forget"):
        hidden = model.model(ids).last_hidden_state
        model.zero_grad()
        logits = hidden @ model.lm_head.weight.t()
        nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum").backward()
    assert_close({"head": model.lm_head._parameters["weight"].grad}, {"head": expected})


def test_published_dynamics_give_zeros_to_what_does_not_learn_and_weights_to_what_does() -> None:
    policy = gm.Policy("mine", {"group": {"retain": Cell(learns=0.0), "own": Cell(learn_weight=-2.0), "other": NEVER}})
    model = gm.partition(tiny().double().train(), GROUPS, policy=policy, exact=False)
    plain = gm.partition(tiny().double().train(), GROUPS, policy="strict", exact=False)
    found, expected = learned(model, "forget"), learned(plain, "forget")
    owned = gm.groups(model)
    assert all(not found[name].any() for name in owned["retain"])  # type: ignore[union-attr]
    assert_close({n: found[n] for n in owned["forget"]}, {n: -2 * expected[n] for n in owned["forget"]})  # type: ignore[operator]


@pytest.mark.slow
def test_compiled() -> None:
    model = partitioned(double=False)
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager")
    for labels in ("forget", "retain", LABELS, PER_TOKEN):
        found = learned(compiled, labels)
        expected = {f"_orig_mod.{name}": grad for name, grad in learned(model, labels).items()}
        assert_close(found, expected, rtol=1e-3)


@pytest.mark.parametrize("spec", [{"experts": 1}, {"adapter": True}])
def test_what_cannot_weight_what_passes_is_refused_by_name(spec: dict[str, Any]) -> None:
    mixtral = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 16}
    group = gm.Adapter(rank=2) if "adapter" in spec else gm.Slice(**spec)
    model = tiny() if "adapter" in spec else tiny_of_experts(mixtral)
    with pytest.raises(gm.GradmaskError, match="weights what it passes"):
        gm.partition(model, {"forget": group}, policy=POLICY)


def tiny_of_experts(sizes: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("mixtral", vocab_size=64, num_hidden_layers=1, num_local_experts=4, **sizes)
    return AutoModelForCausalLM.from_config(config)

"""Strengths that are found by trying, and put into the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from gradmask.errors import GradmaskError
from tiny import CONFIGS, tiny, tokens


def moe() -> PreTrainedModel:
    sizes = {**CONFIGS["llama"], "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 64}
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model("mixtral", **sizes))


CASES: dict[str, Callable[[], PreTrainedModel]] = {
    "slice": lambda: gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8)}),
    "tables": lambda: gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8, embeddings=True)}),
    "tied tables": lambda: gm.partition(tiny("gpt2"), {"forget": gm.Slice(heads=1, neurons=8, embeddings=True)}),
    "tables of low rank": lambda: gm.partition(tiny(), {"forget": gm.Slice(neurons=8, embeddings=4)}),
    "tables of tokens": lambda: gm.partition(tiny(), {"forget": gm.Slice(neurons=8, embeddings=[1, 2, 3])}),
    "new units": lambda: gm.partition(tiny(), {"forget": gm.Slice(neurons=8, new=True)}),
    "adapter": lambda: gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}),
    "experts": lambda: gm.partition(moe(), {"forget": gm.Slice(heads=2, experts=1)}),
}


def shaken(make: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """A partitioned model whose groups contribute something."""
    model = make().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in gm.groups(model)["forget"].values():
            parameter.add_(torch.randn(parameter.shape, generator=generator, device="cpu").to(parameter) * 0.3)
    return model


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        return model(tokens()).logits


def prefers(model: PreTrainedModel, group: str, value: float) -> Callable[[], float]:
    """A loss that is smallest where the group has this strength."""
    context = model.gradmask.context  # type: ignore[attr-defined]
    return lambda: abs(context.strength[group] - value)


@pytest.mark.parametrize("case", CASES)
def test_a_strength_in_the_weights_is_the_strength_that_was_tried(case: str) -> None:
    model = shaken(CASES[case])
    full = logits(model)
    kept = {n: p.clone() for n, p in {**gm.groups(model)["retain"], **gm.groups(model)["joint"]}.items()}
    with gm.without(model):
        removed = logits(model)
    half = logits(gm.strength(model, forget=0.5))
    gm.strength(model, forget=1.0)
    assert gm.fit_strengths(model, prefers(model, "forget", 0.5), (1.0, 0.5, 0.25)) == {"forget": 0.5}
    assert torch.equal(logits(model), half)  # halves are exact
    assert not torch.equal(half, full)
    with gm.without(model):
        assert torch.equal(logits(model), removed)
    now = {**gm.groups(model)["retain"], **gm.groups(model)["joint"]}
    assert all(torch.equal(now[name], value) for name, value in kept.items())


def test_the_search_stops_where_the_loss_no_longer_falls() -> None:
    model = shaken(CASES["slice"])
    full, values = logits(model), iter([3.0, 2.0, 2.0, 0.0])
    assert gm.fit_strengths(model, lambda: next(values)) == {"forget": 0.7}
    assert next(values) == 0.0  # was not asked for
    assert not torch.equal(logits(model), full)


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_a_loss_that_does_not_fall_changes_nothing(value: float) -> None:
    model = shaken(CASES["slice"])
    full = logits(model)
    assert gm.fit_strengths(model, lambda: value) == {"forget": 1.0}
    assert torch.equal(logits(model), full)


def test_groups_are_fitted_one_after_another() -> None:
    model = gm.partition(tiny(), {"a": gm.Slice(heads=2), "b": gm.Slice(neurons=4)}).eval()
    context = model.gradmask.context

    def loss() -> float:
        return abs(context.strength.get("a", 0.7) - 0.7) + abs(context.strength.get("b", 0.35) - 0.35)

    assert gm.fit_strengths(model, loss) == {"a": 0.7, "b": 0.35}
    assert not context.strength


def test_what_cannot_be_kept_is_refused() -> None:
    joint = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8)}, policy="sgtm_joint_projection")
    with pytest.raises(GradmaskError, match="what 'forget' writes is joint"):
        gm.fit_strengths(joint, lambda: 0.0)
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8)})
    with pytest.raises(GradmaskError, match="must begin with 1"):
        gm.fit_strengths(model, lambda: 0.0, (0.5,))
    gm.strength(model, forget=0.5)
    with pytest.raises(GradmaskError, match="strengths are set already"):
        gm.fit_strengths(model, lambda: 0.0)

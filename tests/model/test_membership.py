"""What enters after the cut belongs to a group, or training stops before the first step that it would learn from."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.model.membership import Membership
from tiny import tiny, tokens

NEURONS = gm.Slice(neurons=8)


def train(model: Any, label: str = "forget") -> None:
    ids = tokens()
    model.train()(input_ids=ids, labels=ids, data_labels=label).loss.backward()


def new_head(model: Any) -> None:
    model.lm_head = nn.Linear(32, 64, bias=False)


def new_embedding(model: Any) -> None:
    model.set_input_embeddings(nn.Embedding(64, 32))


def new_module(model: Any) -> None:
    model.model.layers[0].gain = nn.Linear(2, 2)


def new_parameter(model: Any) -> None:
    model.model.layers[0].mlp.register_parameter("gain", nn.Parameter(torch.ones(1)))


def on_a_cut_layer(model: Any) -> None:
    model.model.layers[0].mlp.up_proj.register_parameter("gain_forget", nn.Parameter(torch.ones(1)))


def on_an_owned_layer(model: Any) -> None:
    model.lm_head.register_parameter("gain", nn.Parameter(torch.ones(1)))


ENTERING: dict[str, tuple[Callable[[Any], None], str]] = {
    "head": (new_head, r"lm_head\.weight entered this model after gm\.partition"),
    "embedding": (new_embedding, r"model\.embed_tokens\.weight entered"),
    "module": (new_module, r"layers\.0\.gain\.weight, model\.layers\.0\.gain\.bias entered"),
    "parameter": (new_parameter, r"mlp\.gain entered"),
    "parameter of a cut layer": (on_a_cut_layer, r"up_proj\.gain_forget entered"),
    "parameter of an owned layer": (on_an_owned_layer, r"lm_head\.gain entered"),
}


@pytest.mark.parametrize("trained", [False, True], ids=["before training", "during training"])
@pytest.mark.parametrize("what", ENTERING)
def test_what_enters_is_named_before_it_learns(what: str, trained: bool) -> None:
    enter, message = ENTERING[what]
    model = gm.partition(tiny(), {"forget": NEURONS})
    if trained:
        train(model)
        model.zero_grad()
    enter(model)
    for _ in range(2):  # an error that is ignored comes again
        with pytest.raises(gm.GradmaskError, match=message + ".*gm.unpartition.model., make the change"):
            train(model)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("what", ENTERING)
def test_both_remedies_of_the_message_work(what: str) -> None:
    enter, _ = ENTERING[what]
    model = gm.partition(tiny(), {"forget": NEURONS})
    known = {id(p) for p in model.parameters()}
    enter(model)
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in known)
    train(model)
    assert any(p.grad is not None for p in model.parameters())
    if "cut layer" not in what and "owned" not in what:
        model = gm.unpartition(gm.partition(tiny(), {"forget": NEURONS}))
        enter(model)
        train(gm.partition(model, {"forget": NEURONS}))


def test_passes_without_gradients_are_not_concerned() -> None:
    model = gm.partition(tiny(), {"forget": NEURONS})
    new_head(model)
    with torch.no_grad():
        model.eval()(tokens(), data_labels="forget")


def test_a_lora_on_the_base_is_refused_and_the_adapter_recommended() -> None:
    model = gm.partition(tiny(), {"forget": NEURONS})
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    with pytest.raises(gm.GradmaskError, match="lora_A.*belong to no group.*gm.Adapter"):
        train(wrapped)
    assert all(p.grad is None for p in model.parameters())
    train(gm.partition(tiny(), {"forget": gm.Adapter(rank=2, targets=["q_proj"])}, base="frozen"))


def test_a_lora_on_all_linear_layers_finds_those_that_are_not_cut_and_is_refused() -> None:
    model = gm.partition(tiny(), {"forget": NEURONS})
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear"))
    with pytest.raises(gm.GradmaskError, match="lora_A.*belong to no group"):
        train(wrapped)


def test_a_lora_on_cut_layers_is_refused_by_peft() -> None:
    model = gm.partition(tiny(), {"forget": NEURONS})
    with pytest.raises(ValueError, match="SplitLinear.* is not supported"):
        get_peft_model(model, LoraConfig(r=2, target_modules=["up_proj"]))


def test_a_frozen_base_that_is_thawed_is_noticed_in_the_next_pass() -> None:
    model = gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}, base="frozen")
    train(model)
    model.zero_grad()
    model.model.norm.weight.requires_grad_(True)
    with pytest.raises(gm.GradmaskError, match=r"frozen by gm\.partition.*but model\.norm\.weight can learn now"):
        train(model)
    model.model.norm.weight.requires_grad_(False)
    train(model)


def test_a_parameter_that_takes_the_place_of_one_has_its_owner() -> None:
    model = gm.partition(tiny(), {"forget": NEURONS})
    model.lm_head.weight = nn.Parameter(torch.randn(64, 32))
    train(model)
    assert model.lm_head._parameters["weight"].grad is None
    model.zero_grad()
    train(model, "retain")
    assert model.lm_head._parameters["weight"].grad is not None


def test_modules_are_walked_after_a_change_only(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[PreTrainedModel] = []
    walk = Membership._walk
    monkeypatch.setattr(
        Membership, "_walk", lambda self, model, record: (walks.append(model), walk(self, model, record))
    )
    model = gm.partition(tiny(), {"forget": NEURONS})
    for _ in range(3):
        train(model)
    assert len(walks) == 1
    nn.Sequential(nn.Linear(2, 2))  # elsewhere
    train(model)
    assert len(walks) == 1
    model.model.layers[0].mlp.add_module("nothing", nn.Identity())
    for _ in range(2):
        train(model)
    assert len(walks) == 2


def test_a_copy_watches_its_own_parameters() -> None:
    model = gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}, base="frozen")
    train(model)
    other = copy.deepcopy(model)
    other.requires_grad_(True)
    train(model)
    with pytest.raises(gm.GradmaskError, match="can learn now"):
        train(other)


def test_a_module_that_belonged_to_another_model_is_noticed() -> None:
    model, other = gm.partition(tiny(), {"forget": NEURONS}), tiny(seed=1)
    train(model)
    model.lm_head = other.lm_head
    with pytest.raises(gm.GradmaskError, match="lm_head.weight entered"):
        train(model)


def test_a_copy_notices_what_enters_it() -> None:
    model = gm.partition(tiny(), {"forget": NEURONS})
    train(model)
    for other in (copy.deepcopy(model), copy.deepcopy(copy.deepcopy(model))):
        train(other)
        new_head(other)
        with pytest.raises(gm.GradmaskError, match="lm_head.weight entered"):
            train(other)
    train(model)

"""Writes to a merged weight reach the parts: whatever edits a plain layer edits a cut one, to the same bits."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from transformers import AutoModelForCausalLM

import gradmask as gm
from contract.cases import CASES, build
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.merged import MergedWeight
from tiny import DEVICE, cpu_only, tiny, tokens

SLICE = gm.Slice(heads=2, neurons=[1, 5, 9])
LAYER = "model.layers.0.mlp.up_proj"
PATHS = {
    "llama": ["model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj", "model.layers.1.self_attn.q_proj"],
    "gpt2": ["transformer.h.0.mlp.c_fc", "transformer.h.0.mlp.c_proj", "transformer.h.1.attn.c_attn"],
}


def add_noise(w: Tensor) -> None:
    torch.manual_seed(3)
    w.add_(torch.randn_like(w) * 0.1)


def initialize(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], None]:
    def edit(w: Tensor) -> None:
        torch.manual_seed(3)
        function(w)

    return edit


def set_data(w: Tensor) -> None:
    w.data = w.data * 2


def rows(w: Tensor) -> None:
    for row in w:
        row.mul_(2)


def augmented(w: Tensor) -> None:
    w *= 2
    w -= 1


IN_PLACE: dict[str, Callable[[Any], Any]] = {
    "mul_": lambda w: w.mul_(3),
    "augmented": augmented,
    "copy_": lambda w: w.copy_(torch.ones_like(w)),
    "noise": add_noise,
    "lerp_": lambda w: w.lerp_(torch.ones_like(w), 0.3),
    "column": lambda w: w.__setitem__((slice(None), 0), 7.0),
    "mask": lambda w: w.__setitem__(w.abs() < 0.1, 0.0),
    "rank one edit": lambda w: w.add_(torch.outer(torch.arange(len(w)), torch.ones(w.shape[1])), alpha=0.1),
    "index_fill_": lambda w: w.index_fill_(1, torch.tensor([0, 3]), 2.0),
    "torch.clamp_": lambda w: torch.clamp_(w, -0.1, 0.1),
    "out": lambda w: torch.mul(w, 2, out=w),
    "out, a view": lambda w: torch.add(w, w, out=w.view(-1).view_as(w)),
    "foreach": lambda w: torch._foreach_mul_([w, w[0]], 2),
    "transposed": lambda w: w.t().mul_(2),
    "a row": lambda w: w[1].fill_(5),
    "all rows": rows,
    "unbind": lambda w: w.unbind(1)[2].zero_(),
    "split": lambda w: torch.split(w, 5)[1].zero_(),
    "views of views": lambda w: w.detach().view(-1)[3:9].view(2, 3)[0].zero_(),
}
ANYWHERE: dict[str, Callable[[Any], Any]] = {
    "data.add_": lambda w: w.data.add_(1),
    "data = ": set_data,
    "detach": lambda w: w.detach().mul_(2),
    **{
        f"nn.init.{f.__name__}": initialize(f)
        for f in (nn.init.normal_, nn.init.kaiming_uniform_, nn.init.orthogonal_, nn.init.trunc_normal_, nn.init.zeros_)
    },
}


@pytest.mark.parametrize("model_type", PATHS)
@pytest.mark.parametrize("what", [*IN_PLACE, *ANYWHERE])
def test_an_edit_of_a_cut_layer_is_the_edit_of_the_plain_one(what: str, model_type: str) -> None:
    plain, model = tiny(model_type), gm.partition(tiny(model_type), {"forget": SLICE})
    for each in (plain, model):
        for path in PATHS[model_type]:
            if what in IN_PLACE:
                with torch.no_grad():
                    IN_PLACE[what](each.get_submodule(path).weight)
            else:
                ANYWHERE[what](each.get_submodule(path).weight)
    assert torch.equal(model.eval()(tokens()).logits, plain.eval()(tokens()).logits)
    gm.unpartition(model)
    for (name, p), (_, q) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert torch.equal(p, q), name


def test_biases_too() -> None:
    plain, model = tiny("gpt2"), gm.partition(tiny("gpt2"), {"forget": SLICE})
    for each in (plain, model):
        for path in PATHS["gpt2"]:
            nn.init.constant_(each.get_submodule(path).bias, 0.25)
    assert torch.equal(model.eval()(tokens()).logits, plain.eval()(tokens()).logits)


def test_the_state_dict_of_an_average_can_be_updated_in_place() -> None:
    averages = tiny(seed=2), gm.partition(tiny(seed=2), {"forget": SLICE})
    models = tiny(seed=1), gm.partition(tiny(seed=1), {"forget": SLICE})
    for average, model in zip(averages, models, strict=True):
        current = model.state_dict()
        for name, value in average.state_dict().items():
            value.mul_(0.9).add_(current[name], alpha=0.1)
    moved, start = gm.unpartition(averages[1]), tiny(seed=2)
    for (name, p), (_, q), (_, r) in zip(*(m.named_parameters() for m in (averages[0], moved, start)), strict=True):
        assert torch.equal(p, q), name
        assert not torch.equal(p, r), name


def test_a_state_dict_that_was_taken_earlier_shows_the_parameters_as_they_are() -> None:
    model = gm.partition(tiny(), {"forget": SLICE})
    layer: Any = model.get_submodule(LAYER)
    value = model.state_dict()[f"{LAYER}.weight"]
    with torch.no_grad():
        layer.weight_forget.add_(1)
    assert torch.equal(value, layer.weight)
    expected = layer.weight.detach().clone() * 2
    layer.weight_retain.data.mul_(1)
    value.mul_(2)
    assert torch.equal(layer.weight, expected)


def test_experts_too() -> None:
    case = next(case for case in CASES if case.experts)
    model = gm.partition(build(case), {"forget": gm.Slice(experts=1)})
    names = [name for name, value in model.state_dict().items() if isinstance(value, MergedWeight)]
    assert any("experts" in name for name in names)
    for name in names:
        model.state_dict()[name].fill_(0.5)
    for name in names:
        path, _, leaf = name.rpartition(".")
        assert bool((getattr(model.get_submodule(path), leaf) == 0.5).all()), name
    gm.unpartition(model)
    assert all(bool((model.get_parameter(name) == 0.5).all()) for name in names)


def test_with_gradients_a_write_is_the_error_that_a_parameter_raises() -> None:
    layer: Any = gm.partition(tiny(), {"forget": SLICE}).get_submodule(LAYER)
    before = layer.weight.detach().clone()
    weight = layer.weight
    with pytest.raises(
        RuntimeError, match="weight of a layer that requires grad is being used in an in-place operation"
    ):
        weight.mul_(2)
    assert torch.equal(layer.weight, before)
    with torch.no_grad():
        assert torch.equal(weight, before)


def test_gradients_flow_through_it_and_are_read_and_set_through_it() -> None:
    plain, model = tiny(), gm.partition(tiny(), {"forget": SLICE})
    layers: Any = plain.get_submodule(LAYER), model.get_submodule(LAYER)
    for layer in layers:
        layer.weight.pow(3).sum().backward()
    assert torch.equal(layers[1].weight.grad, layers[0].weight.grad)
    layers[1].weight.grad = layers[0].weight.grad * 2
    assert torch.equal(layers[1].weight_forget.grad, layers[0].weight.grad[[1, 5, 9]] * 2)
    layers[1].weight.grad = None
    assert all(part.grad is None for part in layers[1].parameters())


def test_freezing_and_attributes_reach_the_parts() -> None:
    layer: Any = gm.partition(tiny(), {"forget": SLICE}).get_submodule(LAYER)
    layer.weight.requires_grad_(False)
    assert not any(part.requires_grad for part in layer.parameters())
    layer.weight.requires_grad = True
    assert all(part.requires_grad for part in layer.parameters())
    layer.weight._no_weight_decay = True
    assert all(part._no_weight_decay for part in layer.parameters())
    assert layer.weight._no_weight_decay
    assert not hasattr(layer.weight, "_something_else")


def test_copied_pickled_and_saved_it_is_an_ordinary_tensor() -> None:
    state = gm.partition(tiny(), {"forget": SLICE}).state_dict()
    value, file = state[f"{LAYER}.weight"], io.BytesIO()
    assert type(value) is MergedWeight
    torch.save(state, file)
    file.seek(0)
    copies = {
        "torch.save": torch.load(file, weights_only=True),
        "safetensors": safetensors.torch.load(safetensors.torch.save(dict(state))),
        "pickle": pickle.loads(pickle.dumps(state)),
        "deepcopy": copy.deepcopy(state),
        "clone": {name: tensor.clone() for name, tensor in state.items()},
        "arithmetic": {name: tensor + 0 for name, tensor in state.items()},
    }
    for what, copied in copies.items():
        assert {type(tensor) for tensor in copied.values()} == {Tensor}, what
        assert all(torch.equal(copied[name].to(DEVICE), tensor) for name, tensor in state.items()), what
        copied[f"{LAYER}.weight"].zero_()
    assert value.any()


@cpu_only
def test_what_it_gives_to_numpy_is_read_only() -> None:
    value = gm.partition(tiny(), {"forget": SLICE}).state_dict()[f"{LAYER}.weight"]
    with pytest.raises(ValueError, match="read-only"):
        value.numpy()[0] = 1
    value.sum().numpy()[...] = 1
    (value + 0).numpy()[0] = 1


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda m: m.weight.register_hook(print), gm.GradmaskError, "a hook on weight, a merged copy, would never run"),
        (
            lambda m: setattr(m, "weight", nn.Parameter(torch.ones(48, 32))),
            gm.GradmaskError,
            "cannot be replaced: write to it",
        ),
        (
            lambda m: setattr(m, "weight", torch.ones(48, 32)),
            gm.GradmaskError,
            "cannot be replaced: write to it in place",
        ),
        (lambda m: setattr(m, "bias", None), gm.GradmaskError, "bias of a cut layer is merged"),
        (lambda m: setattr(m.weight, "data", torch.ones(2, 2)), gm.GradmaskError, "and cannot become .2, 2.: call"),
        (lambda m: setattr(m.weight[0], "data", torch.ones(32)), gm.GradmaskError, "not to that of a view"),
        (lambda m: prune.l1_unstructured(m, "weight", 0.5), TypeError, "weight_orig"),
        (lambda m: parametrizations.weight_norm(m), ValueError, "does not have a parameter"),
    ],
)
def test_what_cannot_be_written_raises(write: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    model = gm.partition(tiny(), {"forget": SLICE})
    with pytest.raises(error, match=message):
        write(model.get_submodule(LAYER))
    gm.unpartition(model)
    assert torch.equal(model.eval()(tokens()).logits, tiny().eval()(tokens()).logits)


@pytest.mark.parametrize(
    "write",
    [
        lambda model: model.lm_head.weight.data.mul_(2),
        lambda model: nn.init.normal_(model.model.embed_tokens.weight),
        lambda model: model.state_dict()["lm_head.weight"].mul_(2),
    ],
)
def test_a_sum_of_tables_refuses_and_its_summands_do_not(write: Callable[[Any], Any]) -> None:
    model: Any = gm.partition(tiny(), {"forget": gm.Slice(neurons=8, embeddings=True)}).eval()
    before = model(tokens()).logits
    with pytest.raises(gm.GradmaskError, match="is the sum of tables that different groups own.*write to the summands"):
        write(model)
    assert torch.equal(model(tokens()).logits, before)
    model.state_dict()["lm_head.gradmask_shared"].zero_()
    assert not model(tokens()).logits.any()


def test_after_the_partition_is_undone_a_write_is_an_error_and_reading_is_not() -> None:
    model = gm.partition(tiny(), {"forget": SLICE})
    state = model.state_dict()
    gm.unpartition(model)
    model.load_state_dict(state)
    with pytest.raises(gm.GradmaskError, match="gm.unpartition has restored the plain layer since"):
        state[f"{LAYER}.weight"].mul_(2)


def test_training_and_generation_never_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a merged weight was used")

    model = gm.partition(tiny(), {"forget": SLICE}).train()
    monkeypatch.setattr(MergedWeight, "__torch_function__", refuse)
    monkeypatch.setattr(SplitLinear, "weight", property(refuse))
    ids = tokens()
    for label in ("forget", ["forget", "retain", "unlabeled"]):
        model(input_ids=ids, labels=ids, data_labels=label).loss.backward()
    model.eval().generate(ids, max_new_tokens=2, do_sample=False)


def test_a_cut_layer_is_initialized_like_the_plain_one_but_is_no_linear() -> None:
    plain, model = tiny(), gm.partition(tiny(), {"forget": SLICE})
    layer = model.get_submodule(LAYER)
    assert not isinstance(layer, nn.Linear)
    for each in (plain, model):
        torch.manual_seed(0)
        each.get_submodule(LAYER).reset_parameters()  # type: ignore[not-callable]
    assert torch.equal(layer.weight, plain.get_submodule(LAYER).weight)  # type: ignore[bad-argument-type]


def test_tools_find_every_linear_layer_of_an_export(tmp_path: Path) -> None:
    model = gm.partition(tiny(), {"forget": SLICE})
    gm.export(model, tmp_path / "plain")
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "plain")
    counts = [sum(isinstance(module, nn.Linear) for module in each.modules()) for each in (tiny(), exported, model)]
    assert counts == [15, 15, 1]

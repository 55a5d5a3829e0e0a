"""What hangs on a layer besides its weight: carried over exactly and given back, or refused by name before any change."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import accelerate.hooks
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from transformers import PreTrainedModel

import gradmask as gm
from tiny import DEVICE, tiny, tokens

SLICE = gm.Slice(heads=2, neurons=8)
LAYER = "model.layers.0.mlp.up_proj"


def layer(model: PreTrainedModel, name: str = LAYER) -> Any:
    return model.get_submodule(name)


def logits(model: PreTrainedModel, **inputs: Any) -> Tensor:
    with torch.no_grad():
        return model.eval()(tokens(), **inputs).logits


def half(module: nn.Module, args: Any, out: Tensor) -> Tensor:
    return out * 0.5


def test_a_forward_hook_goes_on_working_and_its_handle_removes_it_at_any_time() -> None:
    model, without = tiny(), logits(tiny())
    first, second = (layer(model).register_forward_hook(half) for _ in range(2))
    both = logits(model)
    gm.partition(model, {"forget": SLICE})
    assert torch.equal(logits(model), both)
    first.remove()
    one = logits(model)
    assert not torch.equal(one, both)
    gm.unpartition(model)
    assert torch.equal(logits(model), one)
    second.remove()
    assert torch.equal(logits(model), without)


def test_a_hook_that_was_registered_on_the_cut_layer_stays_when_the_cut_is_undone() -> None:
    model = gm.partition(tiny(), {"forget": SLICE})
    handle = layer(model).register_forward_hook(half)
    hooked = logits(model)
    gm.unpartition(model)
    assert torch.equal(logits(model), hooked)
    handle.remove()
    assert torch.equal(logits(model), logits(tiny()))


def test_pre_hooks_with_keywords_and_full_backward_hooks_see_what_they_saw() -> None:
    seen: dict[str, list[Tensor]] = {"plain": [], "cut": []}

    def watch(model: PreTrainedModel, into: list[Tensor]) -> PreTrainedModel:
        module = layer(model)
        module.register_forward_pre_hook(lambda m, args, kwargs: into.append(args[0].clone()), with_kwargs=True)
        module.register_full_backward_pre_hook(lambda m, grads: into.append(grads[0].clone()))
        module.register_full_backward_hook(lambda m, ins, outs: into.extend(t.clone() for t in (*ins, *outs)))
        return model.train()

    models = watch(tiny(), seen["plain"]), gm.partition(watch(tiny(), seen["cut"]), {"forget": SLICE})
    ids = tokens()
    for into, model in zip(seen.values(), models, strict=True):
        into.clear()  # gm.partition has tried the model on a made-up batch
        model(
            input_ids=ids, labels=ids, **({"data_labels": "unlabeled"} if gm.is_partitioned(model) else {})
        ).loss.backward()
    assert len(seen["plain"]) == 4
    assert all(torch.equal(a, b) for a, b in zip(*seen.values(), strict=True))


def test_python_attributes_gradients_and_modes_are_carried_to_every_part_and_back() -> None:
    model, ids = tiny().train(), tokens()
    model(input_ids=ids, labels=ids).loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    layer(model).weight._no_weight_decay = True
    layer(model).tag = "mine"
    layer(model).eval()
    gm.partition(model, {"forget": SLICE})
    split = layer(model)
    assert (split.tag, split.training) == ("mine", False)
    for part in split.parameters():
        assert part._no_weight_decay
        assert part.grad is not None
    split.tag = "yours"
    gm.unpartition(model)
    assert (layer(model).tag, layer(model).training) == ("yours", False)
    assert layer(model).weight._no_weight_decay
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter.grad, gradients[name]), name  # type: ignore[bad-argument-type]


def test_attributes_survive_where_a_layer_grows() -> None:
    model = tiny()
    layer(model).weight._no_weight_decay = True
    gm.partition(model, {"forget": gm.Slice(heads=4, neurons=6, new=True)})
    assert all(part._no_weight_decay for part in layer(model).parameters())


def patch(module: Any) -> None:
    plain = module.forward
    module.forward = lambda x: plain(x) * 0


def share(model: PreTrainedModel) -> None:
    layer(model, "model.layers.1.mlp.up_proj").weight = layer(model).weight


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a patched forward": (patch, r"up_proj has a patched forward .*del layer.forward"),
    "accelerate": (
        lambda m: accelerate.hooks.add_hook_to_module(m, accelerate.hooks.AlignDevicesHook(execution_device=DEVICE)),
        "accelerate dispatches this LlamaForCausalLM over devices",
    ),
    "pruning": (lambda m: prune.l1_unstructured(m, "weight", 0.5), "up_proj is pruned .*prune.remove"),
    "a parametrization": (parametrizations.orthogonal, "has a parametrization of weight: make it permanent"),
    "weight_norm": (nn.utils.weight_norm, "has weight_norm on weight: call torch.nn.utils.remove_weight_norm"),
    "spectral_norm": (nn.utils.spectral_norm, "has spectral_norm on weight: call torch.nn.utils.remove_spectral_norm"),
    "a buffer": (lambda m: m.register_buffer("scale", torch.ones(1)), "has buffers of its own .scale."),
    "a child": (lambda m: m.add_module("extra", nn.Linear(2, 2)), "has child modules of its own .extra."),
    "a parameter": (
        lambda m: m.register_parameter("gain", nn.Parameter(torch.ones(1))),
        "has parameters of its own .gain.",
    ),
    "a state-dict hook": (lambda m: m.register_state_dict_post_hook(lambda *_: None), "has state-dict hooks"),
    "a loading hook": (lambda m: m.register_load_state_dict_pre_hook(lambda *_: None), "has state-dict hooks"),
    "a gradient hook": (
        lambda m: m.weight.register_hook(lambda g: g),
        "a hook on the gradient of weight, which would never",
    ),
    "an accumulation hook": (
        lambda m: m.weight.register_post_accumulate_grad_hook(lambda p: None),
        "a hook on the gradient of weight, which would never run: remove it, and register it on the parts",
    ),
    "an old backward hook": (lambda m: m.register_backward_hook(lambda *_: None), "deprecated backward hook"),
    "a kind of tensor": (
        lambda m: m.register_parameter("weight", nn.Parameter(m.weight.detach().to(torch.int8), requires_grad=False)),
        "up_proj is quantized \\(Linear\\), and group 'forget' is a slice",
    ),
}


def contents(model: PreTrainedModel) -> list[tuple[str, type, list[str], list[int]]]:
    return [
        (path, type(module), sorted(vars(module)), [id(p) for p in module._parameters.values()])
        for path, module in model.named_modules()
    ]


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_over_is_refused_by_name_and_nothing_changes(what: str) -> None:
    hang, message = REFUSED[what]
    model = tiny()
    hang(layer(model))
    before = contents(model)
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(model, {"forget": SLICE})
    assert contents(model) == before
    assert not gm.is_partitioned(model)


def test_several_problems_are_one_error() -> None:
    model = tiny()
    for block in model.model.layers:
        prune.l1_unstructured(block.mlp.up_proj, "weight", 0.5)
    with pytest.raises(gm.GradmaskError, match=r"layers\.0\.mlp\.up_proj is pruned.*layers\.1\.mlp\.up_proj is pruned"):
        gm.partition(model, {"forget": SLICE})


def test_a_pruned_layer_that_is_owned_whole_is_refused_too() -> None:
    model = tiny()
    prune.l1_unstructured(layer(model, "lm_head"), "weight", 0.5)
    with pytest.raises(gm.GradmaskError, match="lm_head is pruned"):
        gm.partition(model, {"forget": SLICE})


def test_what_the_message_proposes_works() -> None:
    model = tiny()
    prune.l1_unstructured(layer(model), "weight", 0.5)
    prune.remove(layer(model), "weight")
    expected = logits(model)
    assert torch.equal(logits(gm.partition(model, {"forget": SLICE})), expected)


def test_a_patched_forward_elsewhere_is_left_alone() -> None:
    model = tiny()
    patch(layer(model, "model.layers.0.self_attn.q_proj"))
    expected = logits(model)
    gm.partition(model, {"forget": gm.Slice(neurons=8)})
    assert torch.equal(logits(model), expected)
    gm.unpartition(model)
    assert torch.equal(logits(model), expected)


def test_a_layer_that_gets_an_adapter_is_looked_at_too() -> None:
    model = tiny()
    patch(layer(model, "model.layers.0.self_attn.q_proj"))
    with pytest.raises(gm.GradmaskError, match="q_proj has a patched forward"):
        gm.partition(model, {"forget": gm.Adapter(rank=2)})


def test_one_parameter_of_two_layers_is_refused_where_it_would_be_cut_apart() -> None:
    model = tiny()
    share(model)
    names = r"model\.layers\.0\.mlp\.up_proj\.weight and model\.layers\.1\.mlp\.up_proj\.weight are one parameter"
    with pytest.raises(gm.GradmaskError, match=names):
        gm.partition(model, {"forget": SLICE})
    with pytest.raises(gm.GradmaskError, match=names):
        gm.partition(model, {"forget": gm.Slice(neurons=8, layers=[0])})
    gm.partition(model, {"forget": gm.Slice(heads=2)})  # no layer that shares is cut


def test_a_layer_used_by_two_blocks_is_refused() -> None:
    model = tiny()
    model.model.layers[1].mlp = model.model.layers[0].mlp
    with pytest.raises(gm.GradmaskError, match="are one parameter, which would be cut apart"):
        gm.partition(model, {"forget": SLICE})


def test_a_model_whose_own_forward_is_patched_is_refused() -> None:
    model = tiny()
    patch(model)
    with pytest.raises(
        gm.GradmaskError, match="this LlamaForCausalLM has a patched forward .*before accelerator.prepare"
    ):
        gm.partition(model, {"forget": SLICE})


def test_undoing_never_ends_in_a_key_error() -> None:
    """A module that was replaced after the partition keeps its place; everything else is plain again."""
    model = gm.partition(tiny(), {"forget": SLICE}, base="frozen")
    model.lm_head = nn.Linear(32, 64, bias=False)
    model.model.norm = nn.Identity()
    gm.unpartition(model)
    expected = copy.deepcopy(tiny())
    expected.lm_head, expected.model.norm = model.lm_head, nn.Identity()
    assert torch.equal(logits(model), logits(expected))
    assert all(p.requires_grad for p in model.parameters())

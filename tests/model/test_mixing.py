"""Labels that differ within a batch reach any module, or `gm.partition` says at once that they will not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaMLP

import gradmask as gm
from gradmask.partitioning.owned.by_class import ByClass, spread_rows
from tiny import CONFIGS, VOCABULARY, integers, tiny, tokens

SIZES = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"num_key_value_heads": 2, "intermediate_size": 48, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
QKV = {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v"}
MLP = ("feed_forward.gate_proj", "feed_forward.up_proj")
ODD: dict[str, tuple[dict[str, Any], dict[str, Any], gm.Slice, set[str], float]] = {
    "gpt_oss": (
        {
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "head_dim": 8,
            "sliding_window": 4,
            "attention_dropout": 0.0,
        },
        {"attention": (gm.Attention(QKV, output="self_attn.o_proj"),)},
        gm.Slice(heads=2),
        {"self_attn", "router", "experts"},
        1e-12,
    ),
    "lfm2": (
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
        {"mlp": (gm.Mlp(("feed_forward.w1", "feed_forward.w3"), output="feed_forward.w2"),)},
        gm.Slice(neurons=8),
        {"conv"},
        1e-12,
    ),
    "falcon_h1": (
        {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 4},
        {"mlp": (gm.Mlp(MLP, output="feed_forward.down_proj"),)},
        gm.Slice(neurons=8),
        {"mamba"},
        1e-6,  # its scan computes in float32
    ),
}
"""Attention sinks and undeclared experts; convolutions; a state-space mixer with convolution, A_log, D and dt_bias."""
LABELS = ["forget", "retain", "unlabeled", "retain"]


def odd(model_type: str) -> Any:
    """Such a model, partitioned; float64."""
    config, declared, part, _, _ = ODD[model_type]
    torch.manual_seed(0)
    made = AutoConfig.for_model(model_type, **SIZES, **config)
    made._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(made).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    architecture = gm.Architecture((model_type,), blocks=("layers",), **declared)
    return gm.partition(model, {"forget": part}, architecture=architecture).train()


Gradients = dict[str, Tensor]


def gradients(model: Any, ids: Tensor, labels: Any, rows: list[int] | None = None) -> Gradients:
    """Of a random weighting of the logits; absent ones left out."""
    rows = rows if rows is not None else list(range(len(ids)))
    model.zero_grad(set_to_none=True)
    torch.manual_seed(3)
    weights = torch.randn(*ids.shape, VOCABULARY, dtype=model.dtype)
    (model(ids[rows], data_labels=labels).logits * weights[rows]).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def summed(each: list[Gradients]) -> Gradients:
    total: Gradients = {}
    for one in each:
        for name, gradient in one.items():
            total[name] = total[name] + gradient if name in total else gradient
    return total


def assert_same(found: Gradients, expected: Gradients, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert (gradient - expected[name]).abs().max() <= tolerance * max(1, expected[name].abs().max()), name


def classed(model: Any) -> set[str]:
    return {path.rpartition(".")[2] for path, module in model.named_modules() if type(module).__bases__[0] is ByClass}


@pytest.mark.parametrize("model_type", ODD)
def test_mixed_labels_are_each_label_alone(model_type: str) -> None:
    model, ids = odd(model_type), tokens(4, 7)
    assert classed(model) == ODD[model_type][3]
    assert not model.gradmask.limits
    alone = summed([gradients(model, ids, [label], [row]) for row, label in enumerate(LABELS)])
    assert_same(gradients(model, ids, LABELS), alone, ODD[model_type][4])


@pytest.mark.parametrize("model_type", ODD)
def test_labels_per_token_divide_what_is_learned(model_type: str) -> None:
    """Unlabeled tokens and forget tokens run alike, so what retain learns from two halves is what it learns from all."""
    model, ids = odd(model_type), tokens(4, 7)
    owned = set(gm.groups(model)["retain"])
    half = integers(0, 2, (4, 7), 5).bool()
    halves = [gradients(model, ids, torch.where(chosen, -1, 1)) for chosen in (half, ~half)]
    parts = summed([{n: g for n, g in one.items() if n in owned} for one in halves])
    assert_same(parts, {n: g for n, g in gradients(model, ids, "unlabeled").items() if n in owned}, ODD[model_type][4])
    assert any(not torch.allclose(halves[0][n], halves[1][n]) for n in owned)
    by_example = torch.tensor([1, 0, -1, 0]).unsqueeze(1).expand(4, 7)
    assert_same(gradients(model, ids, by_example), gradients(model, ids, LABELS), ODD[model_type][4])


def test_what_is_undone_leaves_nothing_behind() -> None:
    model = odd("falcon_h1")
    gm.unpartition(model)
    assert not classed(model)
    assert all("gradmask" not in name for m in model.modules() for name in [*vars(m), *vars(type(m))])
    copied = copy.deepcopy(odd("lfm2"))
    assert classed(copied) == {"conv"}


def test_a_checkpoint_comes_back_with_its_classes(tmp_path: Any) -> None:
    model, ids = odd("lfm2"), tokens(4, 7)
    model.save_pretrained(tmp_path / "saved")
    loaded = gm.load(tmp_path / "saved", dtype=torch.float64).train()
    assert classed(loaded) == {"conv"}
    assert_same(gradients(loaded, ids, LABELS), gradients(model, ids, LABELS), 0.0)


def test_dropout_is_that_of_one_pass() -> None:
    model, ids = odd("gpt_oss"), tokens(4, 7)
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.3
    torch.manual_seed(7)
    once = model(ids, data_labels="unlabeled").logits
    torch.manual_seed(7)
    assert torch.equal(model(ids, data_labels=torch.tensor([1, -1, 1, -1])).logits, once)


def test_activation_checkpointing_recomputes_under_the_same_labels() -> None:
    model, ids = odd("gpt_oss"), tokens(4, 7)
    plain = gradients(model, ids, LABELS)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_same(gradients(model, ids, LABELS), plain, 1e-12)


class Scaled(LlamaMLP):
    """Its output times a vector of its own; ``whole``: over the batch's examples, in a lay-out that shows no tokens."""

    whole = False

    def __init__(self, plain: Any) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(plain.__dict__)
        self.scale = nn.Parameter(torch.rand(32))

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        if self.whole:
            return (out.transpose(0, 2) * self.scale.view(-1, 1, 1)).transpose(0, 2)
        return out * self.scale


@pytest.mark.parametrize("whole", [False, True])
def test_a_container_is_cheap_where_that_is_proven(whole: bool) -> None:
    model = tiny()
    model.model.layers[0].mlp = Scaled(model.model.layers[0].mlp)
    model.model.layers[0].mlp.whole = whole
    model, ids = gm.partition(model.double(), {"forget": gm.Slice(heads=2)}).train(), tokens(4, 7)
    assert classed(model) == ({"mlp"} if whole else set())
    alone = summed([gradients(model, ids, [label], [row]) for row, label in enumerate(LABELS)])
    assert_same(gradients(model, ids, LABELS), alone, 1e-12)


class AtTheTop(LlamaForCausalLM):
    """A parameter that the outermost module reads, around which nothing can be run by class."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.temperature = nn.Parameter(torch.ones(1))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        out = super().forward(*args, **kwargs)
        out["logits"] = out["logits"] * self.temperature
        return out


def test_what_a_model_will_not_do_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    model = AtTheTop(LlamaConfig(vocab_size=VOCABULARY, **CONFIGS["llama"]))
    model = gm.partition(model, {"forget": gm.Slice(heads=2)}).train()
    assert "this AtTheTop takes no labels per example: the model itself (AtTheTop) computes" in caplog.text
    model(tokens(), data_labels="forget").logits.sum().backward()
    with pytest.raises(gm.GradmaskError, match="takes no labels per example: the model itself"):
        model(tokens(), data_labels=["forget", "retain", "retain"])
    with torch.no_grad():
        model(tokens(), data_labels=["forget", "retain", "retain"])


@pytest.mark.parametrize(
    ("shape", "labels", "spread"),
    [
        ((3, 8, 5), (3,), (3, 1, 1)),
        ((24, 5), (3,), (24, 1)),
        ((3, 8, 5), (3, 8), (3, 8, 1)),
        ((1, 8, 5), (3, 8), (3, 8, 1)),
        ((24, 5), (3, 8), (24, 1)),
        ((3, 2, 8, 8), (3, 8), (3, 1, 8, 1)),
        ((8, 8, 4), (3,), None),
        ((3, 5, 8), (3, 8), None),
        ((), (3,), None),
    ],
)
def test_how_answers_spread_over_outputs(
    shape: tuple[int, ...], labels: tuple[int, ...], spread: tuple[int, ...] | None
) -> None:
    found = spread_rows(torch.ones(labels, dtype=torch.bool), shape)
    assert (None if found is None else tuple(found.shape)) == spread

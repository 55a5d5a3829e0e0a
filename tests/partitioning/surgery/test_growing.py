"""New units: the model is wider, computes the same, and stays a plain model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from gradmask.partitioning.surgery import cutting
from sweep.tiny_models import NEURONS, batch, build
from tiny import tiny, tokens

NEW = gm.Slice(heads=4, neurons=6, new=True)


def logits(model: PreTrainedModel, **inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(tokens(), **inputs).logits


def grown(model_type: str = "llama", **fields: Any) -> PreTrainedModel:
    spec = NEW if model_type == "llama" else gm.Slice(neurons=6, new=True)
    return gm.partition(tiny(model_type), {"forget": spec, **fields})


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gpt_neo"])
def test_the_function_is_unchanged_and_the_config_grows(model_type: str) -> None:
    plain, model = tiny(model_type), grown(model_type)
    torch.testing.assert_close(logits(model), logits(plain), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(logits(model, data_labels="retain"), logits(plain), rtol=1e-5, atol=1e-6)
    fresh = sum(p.numel() for p in gm.groups(model)["forget"].values())
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in plain.parameters()) + fresh
    if model_type == "llama":
        config = model.config
        assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (8, 4, 8)
        assert config.intermediate_size == 54


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gpt_neo"])
def test_the_old_units_learn_nothing_from_forget_and_the_new_ones_learn(model_type: str) -> None:
    model = grown(model_type).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    ids = tokens()
    for label in ("unlabeled", "forget"):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        model(input_ids=ids, labels=ids, data_labels=label).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    for group, members in gm.groups(model).items():
        for name, parameter in members.items():
            assert torch.equal(parameter, before[name]) == (group == "retain"), name


def test_checkpoints_and_exports_are_plain_and_wider(tmp_path: Path) -> None:
    model = grown()
    with torch.no_grad():
        for parameter in gm.groups(model)["forget"].values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    full = logits(model)
    with gm.without(model):
        removed = logits(model)
    assert not torch.equal(full, removed)
    model.save_pretrained(tmp_path / "saved")
    gm.export(model, tmp_path / "full")
    gm.export(model, tmp_path / "without", without=["forget"])
    gm.export(model, tmp_path / "small", without=["forget"], compact=True)
    for name, expected in {"saved": full, "full": full, "without": removed}.items():
        assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / name)), expected)
    small = AutoModelForCausalLM.from_pretrained(tmp_path / "small")
    assert (small.config.num_attention_heads, small.config.intermediate_size) == (4, 48)
    assert torch.equal(logits(small), logits(tiny()))
    back = gm.load(tmp_path / "saved")
    assert torch.equal(logits(back), full)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), back.parameters(), strict=True))


def test_new_and_carved_groups_together() -> None:
    model = grown(old=gm.Slice(heads=2, neurons=4))
    units = model.gradmask.cut.units  # type: ignore[union-attr]
    assert units["model.layers.0/heads"] == {"forget": [4, 5, 6, 7], "old": [2, 3]}
    assert units["model.layers.0/neurons"] == {"forget": list(range(48, 54)), "old": [44, 45, 46, 47]}


def test_one_new_head_gets_heads_of_zeros_beside_it_where_the_config_needs_them(tmp_path: Path) -> None:
    """Llama's config opens with a number of heads that divides the hidden size only; what pads it never learns."""
    plain, model = tiny(), gm.partition(tiny(), {"forget": gm.Slice(heads=1, new=True)}).train()
    assert (model.config.num_attention_heads, model.config.num_key_value_heads) == (8, 4)
    assert model.gradmask.cut.units["model.layers.0/heads"] == {"forget": [4, 5]}  # type: ignore[union-attr]
    assert torch.equal(logits(model), logits(plain))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for label in ("unlabeled", "forget", "retain"):
        model.train()(input_ids=tokens(), labels=tokens(), data_labels=label).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    attention: Any = model.model.layers[0].self_attn
    assert attention.q_proj.weight[48:].count_nonzero() == 0
    assert attention.o_proj.weight[:, 48:].count_nonzero() == 0
    assert attention.o_proj.weight[:, 32:48].count_nonzero() > 0
    gm.export(model, tmp_path / "full")
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "full")), logits(model))


NESTED = [("image-text", "gemma3"), ("image-text", "llava"), ("image-text", "mistral3"), ("causal", "qwen3_5")]


@pytest.mark.parametrize(("task", "model_type"), NESTED)
def test_a_model_with_a_config_in_its_config_grows(task: str, model_type: str, tmp_path: Path) -> None:
    model = build(task, model_type)
    inputs = batch(model)
    before, text = logits_of(model, inputs), model.config.get_text_config()
    gm.partition(model, {"forget": gm.Slice(neurons=3, new=True)})
    assert model.config.get_text_config() is text
    assert text.intermediate_size == NEURONS + 3
    torch.testing.assert_close(logits_of(model, inputs), before, rtol=1e-5, atol=1e-6)
    gm.export(model, tmp_path / "full")
    opened = type(model).gradmask_plain.from_pretrained(tmp_path / "full", attn_implementation="eager")
    assert torch.equal(logits_of(opened, inputs), logits_of(model, inputs))


def logits_of(model: PreTrainedModel, inputs: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**inputs).logits


REFUSED = [
    ("gemma4", "heads", "cannot express the new units"),
    ("gpt_oss", "heads", "entries of model.layers.0.self_attn.sinks beside their layers"),
    ("falcon", "heads", "cannot say head_dim=8"),
    ("gpt_neox", "heads", "the hidden size divided by the number of heads"),
    ("opt", "heads", "embed_dim must be divisible"),
    ("bitnet", "neurons", "a norm or a scan over all neurons"),
    ("mamba2", "heads", "heads of this kind of attention cannot be added"),
]


@pytest.mark.parametrize(("model_type", "unit", "message"), REFUSED)
def test_what_a_config_cannot_say_is_refused_in_words_and_nothing_changes(
    model_type: str, unit: str, message: str
) -> None:
    model = build("causal", model_type)
    before = everything(model)
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(model, {"forget": gm.Slice(**{unit: 1}, new=True)})
    assert_as_it_was(model, before)


def test_half_a_cut_is_undone_whatever_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any) -> None:
        raise MemoryError

    model = tiny()
    before = everything(model)
    monkeypatch.setattr(cutting, "assign_uncut", fails)
    with pytest.raises(MemoryError):
        gm.partition(model, {"forget": NEW})
    assert_as_it_was(model, before)


def everything(model: PreTrainedModel) -> tuple[str, dict[str, Any], dict[str, torch.Tensor]]:
    return str(model), model.config.to_dict(), {n: p.detach().clone() for n, p in model.named_parameters()}


def assert_as_it_was(model: PreTrainedModel, before: tuple[str, dict[str, Any], dict[str, torch.Tensor]]) -> None:
    text, config, parameters = everything(model)
    assert (text, config) == before[:2]
    assert list(parameters) == list(before[2])
    assert all(torch.equal(p, before[2][name]) for name, p in parameters.items())


@pytest.mark.parametrize(
    ("model_type", "spec", "message"),
    [
        ("gpt2", gm.Slice(heads=1, new=True), "take existing ones"),
        ("llama", gm.Slice(neurons=[1, 2], new=True), "new neurons are given as a count or a share, not as indices"),
        ("llama", gm.Slice(neurons=2, layers=[0], new=True), "every block must get the same number of new"),
    ],
)
def test_what_cannot_grow_is_refused_and_nothing_changes(model_type: str, spec: gm.Slice, message: str) -> None:
    model = tiny(model_type)
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(model, {"forget": spec})
    assert torch.equal(logits(model), logits(tiny(model_type)))
    assert model.config.to_dict() == tiny(model_type).config.to_dict()

"""What routers do with experts of a group that does not run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

import gradmask as gm
from gradmask.model.manifest import MANIFEST
from sweep.promises import EAGER
from sweep.tiny_models import build
from tiny import normal, tokens

KINDS = {
    "mixtral": ("model.layers.0.mlp", "gate"),
    "gpt_oss": ("model.layers.0.mlp", "router"),
    "llama4_text": ("model.layers.0.feed_forward", "router"),
}
"""A router without a bias, one with a bias, and one that gives every expert a score."""
SILENT = [1, 3]


def cut(model_type: str, **options: Any) -> Any:
    model: Any = build("causal", model_type)
    spec = {"forget": gm.Slice(heads=2, experts=[1]), "other": gm.Slice(experts=[3])}
    return gm.partition(model, spec, **options)


def chosen(model: Any, model_type: str, **inputs: Any) -> Tensor:
    """Which experts the first router gives each of the tokens to, ``[tokens, experts]``."""
    path, name = KINDS[model_type]
    seen: list[Tensor] = []
    router = model.get_submodule(f"{path}.{name}")
    hook = router.register_forward_hook(
        lambda m, a, out: seen.append(out[-1] if model_type != "llama4_text" else out[0])
    )
    logits(model, **inputs)
    hook.remove()
    if model_type == "llama4_text":
        return seen[0].T.reshape(-1, 4) != 0 if seen[0].shape[1] != 4 else seen[0] != 0
    return nn.functional.one_hot(seen[0], 4).sum(1).bool()


def logits(model: Any, **inputs: Any) -> Tensor:
    model.config._experts_implementation = "eager"
    with torch.no_grad():
        return model.eval()(tokens(), **inputs).logits


@pytest.mark.parametrize("model_type", KINDS)
def test_no_token_chooses_a_silent_expert(model_type: str) -> None:
    model = cut(model_type)
    assert model.gradmask.cut.silent_experts == "around"
    assert chosen(model, model_type)[:, SILENT].any()
    assert not chosen(model, model_type, data_labels="retain")[:, SILENT].any()
    rows = tokens().shape[0]
    labels = ["forget", *["retain"] * (rows - 1)]
    for given in (labels, torch.tensor([[1] + [0] * (tokens().shape[1] - 1)] * rows)):
        mixed = chosen(model, model_type, data_labels=given).view(rows, -1, 4)
        quiet = mixed[1:] if isinstance(given, list) else mixed[:, 1:]
        assert not quiet[..., SILENT].any()
        assert (quiet.sum(-1) == mixed.sum(-1).max()).all()


@pytest.mark.parametrize("model_type", KINDS)
def test_the_removed_model_is_the_exported_one(model_type: str, tmp_path: Path) -> None:
    model = cut(model_type)
    for names, experts in ((["forget"], 3), (["forget", "other"], 2)):
        with gm.without(model, *names):
            removed = logits(model)
            told = model.generate(tokens(), max_new_tokens=3, do_sample=False, pad_token_id=0)
        gm.export(model, tmp_path / f"{experts}", without=names)
        plain: Any = AutoModelForCausalLM.from_pretrained(tmp_path / f"{experts}", **EAGER)
        assert plain.config.num_local_experts == (4 if model_type == "gpt_oss" else experts)
        assert torch.equal(logits(plain), removed)
        assert torch.equal(plain.generate(tokens(), max_new_tokens=3, do_sample=False, pad_token_id=0), told)
        assert gm.verify(tmp_path / f"{experts}", without=names).ok


def test_a_row_with_rights_is_the_exported_model(tmp_path: Path) -> None:
    model = cut("mixtral")
    gm.export(model, tmp_path / "plain", without=["forget", "other"])
    with torch.no_grad(), gm.rights(model, [[], ["forget", "other"], ["forget"]]):
        rows = model.eval()(tokens()).logits
    expected = logits(AutoModelForCausalLM.from_pretrained(tmp_path / "plain", **EAGER))
    torch.testing.assert_close(rows[0], expected[0])


def test_a_checkpoint_keeps_the_choice_and_an_older_one_has_zeros(tmp_path: Path) -> None:
    model = cut("mixtral")
    model.save_pretrained(tmp_path / "saved")
    back: Any = gm.load(tmp_path / "saved", **EAGER)
    assert back.gradmask.cut.silent_experts == "around"
    assert torch.equal(logits(back, data_labels="retain"), logits(model, data_labels="retain"))
    path = tmp_path / "saved" / MANIFEST
    manifest = json.loads(path.read_text())
    assert manifest.pop("silent_experts") == "around"
    path.write_text(json.dumps({**manifest, "files": {}, "digest": ""}))
    older: Any = gm.load(tmp_path / "saved", **EAGER)
    assert older.gradmask.cut.silent_experts == "zeros"
    gm.unpartition(model)
    plain: Any = gm.partition(model, {"forget": gm.Slice(heads=2)})
    plain.save_pretrained(tmp_path / "none")
    assert "silent_experts" not in json.loads((tmp_path / "none" / MANIFEST).read_text())


def test_undone_a_router_is_plain_again() -> None:
    model = build("causal", "deepseek_v3")
    before, names = logits(model), list(model.state_dict())
    gm.partition(model, {"forget": gm.Slice(experts=1)})
    gate = model.get_submodule("model.layers.1.mlp.gate")
    assert "gradmask_silent" in vars(gate)
    gm.unpartition(model)
    assert not any("gradmask" in name for name in vars(gate))
    assert list(model.state_dict()) == names
    assert torch.equal(logits(model), before)


def test_shares_of_silent_experts_go_to_the_others(tmp_path: Path) -> None:
    model = cut("mixtral", silent_experts="renormalise")
    gate = model.get_submodule("model.layers.0.mlp.gate")
    states = normal((40, 32))
    with torch.no_grad(), gm.without(model):
        _, shares, index = gate(states)
        rows = gate.weight * torch.tensor([1.0, 0.0, 1.0, 0.0]).unsqueeze(1)
        best, at = torch.softmax(states @ rows.T, -1).topk(2)
    awake = ~torch.isin(at, torch.tensor(SILENT))
    expected = torch.where(awake, best, 0.0)
    expected /= expected.sum(-1, keepdim=True).clamp_min(1e-20)
    assert torch.equal(index, at)
    assert (awake.sum(-1) == 0).any()
    assert (awake.sum(-1) == 1).any()
    torch.testing.assert_close(shares, expected)
    with pytest.raises(gm.GradmaskError, match="no plain checkpoint gives the share of the silent experts of 'forget'"):
        gm.export(model, tmp_path / "x", without=["forget"])
    gm.export(model, tmp_path / "full")


def test_zeros_are_chosen_and_kept_in_the_export(tmp_path: Path) -> None:
    model = cut("mixtral", silent_experts="zeros")
    assert chosen(model, "mixtral", data_labels="retain")[:, SILENT].any()
    removed = logits(model, data_labels="retain")
    gm.export(model, tmp_path / "plain", without=["forget", "other"])
    plain: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "plain", **EAGER)
    assert plain.config.num_local_experts == 4
    assert torch.equal(logits(plain), removed)


def mixtral(**sizes: Any) -> Any:
    torch.manual_seed(0)
    common = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    return AutoModelForCausalLM.from_config(AutoConfig.for_model("mixtral", **common, **sizes))


@pytest.mark.parametrize(
    ("spec", "options", "says"),
    [
        ({"experts": 3}, {}, "MixtralTopKRouter\\) gives every token to 2 experts, and 1 would be left"),
        ({"experts": 1, "layers": [1]}, {}, "blocks lose different numbers of them"),
        ({"experts": 1}, {"joint": ["*.gate.weight"]}, "gate is joint"),
    ],
)
def test_what_cannot_be_exact_is_refused_by_name(
    spec: dict[str, Any], options: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = mixtral(num_local_experts=4)
    with pytest.raises(gm.GradmaskError, match=says):
        gm.partition(model, {"forget": gm.Slice(**spec)}, silent_experts="around", **options)
    with caplog.at_level(logging.WARNING, logger="gradmask"):
        gm.partition(model, {"forget": gm.Slice(**spec)}, **options)
    assert "tokens can still choose experts that do not run (silent_experts='zeros')" in caplog.text
    assert model.gradmask.cut.silent_experts == "zeros"


def test_other_names_are_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="silent_experts='drop': give one of 'around', 'renormalise', 'zeros'"):
        gm.partition(mixtral(), {"forget": gm.Slice(experts=1)}, silent_experts="drop")  # type: ignore[bad-argument-type]
    with pytest.raises(gm.GradmaskError, match="returns no shares of the experts"):
        gm.partition(build("causal", "llama4_text"), {"forget": gm.Slice(experts=1)}, silent_experts="renormalise")


@pytest.mark.parametrize(
    ("model_type", "silent"),
    [("mixtral", "around"), ("gpt_oss", "around"), ("gpt_oss", "zeros"), ("mixtral", "renormalise")],
)
def test_an_ablated_mixture_on_disk(
    model_type: str, silent: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """gm.load opens the removed model; plain Transformers does so where silent experts are zeros, and else a warning says so."""
    model = cut(model_type, silent_experts=silent)
    with gm.without(model, "forget"):
        removed = logits(model)
    assert torch.equal(logits(gm.ablate(model, "forget")), removed)
    zero = {group: not any(p.any() for p in members.values()) for group, members in gm.groups(model).items() if members}
    assert zero == {"retain": False, "forget": True, "other": False}
    with caplog.at_level(logging.WARNING, "gradmask"):
        model.save_pretrained(tmp_path / "saved")
    assert torch.equal(logits(gm.load(tmp_path / "saved", **EAGER)), removed)
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", **EAGER)
    assert torch.equal(logits(opened), removed) == (silent == "zeros")
    assert ("tokens choose them: write the removed model with gm.export" in caplog.text) == (silent != "zeros")
    if silent != "renormalise":
        plain = AutoModelForCausalLM.from_pretrained(gm.export(model, tmp_path / "exported"), **EAGER)
        assert torch.equal(logits(plain), removed)

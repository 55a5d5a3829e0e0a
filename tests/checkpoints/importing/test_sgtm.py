from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

import gradmask as gm
from checkpoints.importing.published import golden_gpt_neo, gpt_neo, write_sgtm
from checkpoints.trained import logits
from golden import golden
from gradmask.routing.policy import MASKING_STRATEGIES
from tiny import tokens

CUT = [*MASKING_STRATEGIES]


def removed(plain: Any, strategy: str) -> Any:
    """``plain`` with the rows set to zero that the published removal zeroes."""
    heads = strategy != "parameter_masking_no_proj_no_attn"
    with torch.no_grad():
        for block in plain.transformer.h:
            block.mlp.c_fc.weight[112:] = 0
            block.mlp.c_fc.bias[112:] = 0
            attention = block.attn.attention
            for layer in (attention.q_proj, attention.k_proj, attention.v_proj) if heads else ():
                layer.weight[24:] = 0
    return plain


@pytest.mark.parametrize("split", [True, False], ids=["split", "whole"])
@pytest.mark.parametrize("strategy", CUT)
def test_outputs_are_those_of_the_published_model_bit_for_bit(strategy: str, split: bool, tmp_path: Path) -> None:
    plain = gpt_neo()
    expected = logits(plain)
    write_sgtm(tmp_path, plain, strategy, split_masked_weights=split)
    model: Any = gm.import_checkpoint(tmp_path)
    assert torch.equal(logits(model), expected)
    assert torch.equal(model.lm_head.bias, plain.lm_head.bias)  # type: ignore[union-attr]
    without = logits(removed(plain, strategy))
    with gm.without(model, "forget"):
        assert torch.equal(logits(model), without)
    assert not torch.equal(without, expected)
    assert torch.equal(logits(gm.ablate(model, "forget")), without)  # type: ignore[arg-type]


@pytest.mark.parametrize("masks", [False, True], ids=["", "mask_embeddings"])
@pytest.mark.parametrize("strategy", CUT)
def test_golden_cases(strategy: str, masks: bool, tmp_path: Path) -> None:
    values = golden("sgtm/cases.json")
    model: Any = gm.load(write_sgtm(tmp_path, golden_gpt_neo(), strategy, sgtm_mask_embeddings=masks))
    ids, labels = torch.tensor(values["input_ids"]), torch.tensor(values["labels"])
    cases = [c for c in values["cases"] if c["strategy"] == strategy and c["mask_embeddings"] == masks]
    assert {case["mode"] for case in cases} == {"forget", "retain", "default"}
    for case in cases:
        out = model.train()(ids, labels=labels, data_labels={"default": "unlabeled"}.get(case["mode"], case["mode"]))
        assert out.loss.item() == pytest.approx(case["loss"], abs=1e-5)
        seen = out.logits[0, :4, :8]
        torch.testing.assert_close(seen, torch.tensor(case["logits"]["slice_0_0to4_0to8"]), rtol=0, atol=1e-5)
        model.zero_grad()
        out.loss.backward()
        for name, norm in case["gradient_norms"].items():
            assert norm_of(model, name) == pytest.approx(norm, rel=1e-4, abs=2e-5), (case["mode"], name)
    ablated = next(a for a in values["ablated"] if a["strategy"] == strategy)
    found = gm.ablate(model, "forget").eval()(ids, labels=labels)
    assert found.loss.item() == pytest.approx(ablated["loss"], abs=1e-5)


def norm_of(model: Any, name: str) -> float:
    """The norm of a plain parameter's gradient, its parts put together; a part without one counts as zeros."""
    own = {n: p for n, p in model.named_parameters() if n == name or n.startswith(f"{name}_")}
    assert own, name
    return sum(float(p.grad.square().sum()) for p in own.values() if p.grad is not None) ** 0.5


def test_it_is_a_checkpoint_like_any_other_afterwards(tmp_path: Path) -> None:
    model: Any = gm.import_checkpoint(write_sgtm(tmp_path / "run", gpt_neo()))
    model.save_pretrained(tmp_path / "ours")
    back: Any = gm.load(tmp_path / "ours")
    assert torch.equal(logits(back), logits(model))
    assert gm.read_manifest(tmp_path / "ours").policy.name == "sgtm"
    for one in (model, back):
        one.train()(tokens(), labels=tokens(), data_labels="forget").loss.backward()
    expected = dict(model.named_parameters())
    for name, p in back.named_parameters():
        assert (p.grad is None) == (expected[name].grad is None)
        assert p.grad is None or torch.equal(p.grad, expected[name].grad)


@pytest.mark.parametrize("tied", [True, False])
def test_blocks_that_are_not_masked_learn_from_everything(tied: bool, tmp_path: Path) -> None:
    plain = gpt_neo(tie_word_embeddings=tied)
    model: Any = gm.import_checkpoint(
        write_sgtm(tmp_path, plain, masked_layers=[1], sgtm_mask_embeddings=True, tie_word_embeddings=tied)
    )
    assert torch.equal(logits(model), logits(plain))
    owned = gm.groups(model)
    assert all("h.1." in name for name in owned["forget"])
    assert any("h.1." in name for name in owned["retain"])
    assert not any("h.0." in name for name in owned["retain"])
    assert ("transformer.wte.weight" in owned["retain"], "lm_head.weight" in owned["joint"]) == (True, not tied)


@pytest.mark.parametrize(("key", "part"), [("retain_attn_heads", "attn"), ("retain_mlp_dim", "mlp")])
def test_a_part_with_nothing_retain_is_not_cut(key: str, part: str, tmp_path: Path) -> None:
    model: Any = gm.import_checkpoint(write_sgtm(tmp_path, gpt_neo(), split_masked_weights=False, **{key: 0}))
    owned = gm.groups(model)
    assert not any(f".{part}." in name for g in ("forget", "retain") for name in owned[g])
    assert any(f".{part}." in name for name in owned["joint"])


def test_a_clean_model_is_plain(tmp_path: Path) -> None:
    nothing = {"masked_layers": None, "masking_strategy": None, "retain_attn_heads": None, "retain_mlp_dim": None}
    folder = write_sgtm(tmp_path, gpt_neo(), split_masked_weights=False, **nothing)
    with pytest.raises(gm.GradmaskError, match=r"--clean-model .* gradmask\.read_plain"):
        gm.import_checkpoint(folder)
    assert torch.equal(logits(gm.read_plain(folder)), logits(gpt_neo()))


def edited(folder: Path, **changes: Any) -> Path:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_sgtm(tmp_path, gpt_neo())
    with pytest.raises(
        gm.GradmaskError, match="unknown masking_strategy 'parameter_mask'. Did you mean 'parameter_masking'"
    ):
        gm.load(edited(folder, masking_strategy="parameter_mask"))
    edited(folder, masking_strategy="parameter_masking")
    with pytest.raises(gm.GradmaskError, match="retain_mlp_dim is 'all', needed: a whole number"):
        gm.load(edited(folder, retain_mlp_dim="all"))
    with pytest.raises(gm.GradmaskError, match="do not have the shapes that its config says"):
        gm.load(edited(folder, retain_mlp_dim=112, vocab_size=65))
    edited(folder, vocab_size=64)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        gm.GradmaskError, match=r"only optimizer\.pt, pytorch_model\.bin, which can run code .* weights_only=True"
    ):
        gm.load(folder)


@pytest.mark.parametrize("change", ["missing", "added", "part"])
def test_damaged_tensors_are_refused_by_name(change: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_sgtm(tmp_path, gpt_neo())
    state = load_file(folder / "model.safetensors")
    if change == "missing":
        del state["transformer.h.0.ln_1.weight"]
    elif change == "added":
        state["transformer.h.0.router.weight"] = torch.ones(2)
    else:
        del state["transformer.h.1.mlp.c_fc.weight_forget"]
    save_file(state, folder / "model.safetensors")
    name = {"missing": "ln_1.weight", "added": "router.weight", "part": "c_fc.weight_forget"}[change]
    with pytest.raises(gm.GradmaskError, match=name):
        gm.import_checkpoint(folder)


def test_other_folders_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(gm.GradmaskError, match="there is no folder"):
        gm.import_checkpoint(tmp_path / "nowhere")
    gpt_neo().save_pretrained(tmp_path / "plain")
    with pytest.raises(gm.GradmaskError, match="is not a checkpoint of published code that is known here"):
        gm.import_checkpoint(tmp_path / "plain")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "plain") is not None


def test_a_damaged_file_is_one_kind_of_error(tmp_path: Path) -> None:
    folder = write_sgtm(tmp_path, gpt_neo())
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(gm.GradmaskError, match="cannot be opened"):
        gm.import_checkpoint(folder)
    (folder / "config.json").write_text("[1")
    with pytest.raises(gm.GradmaskError, match="is not JSON"):
        gm.import_checkpoint(folder)

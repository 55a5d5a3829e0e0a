from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from checkpoints.trained import SPECS, logits, trained
from tiny import CONFIGS, normal, tiny, tokens


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("model_type", CONFIGS)
def test_a_checkpoint_is_plain_and_comes_back_bit_for_bit(
    model_type: str, spec: str, tied: bool, tmp_path: Path
) -> None:
    model = trained(model_type, spec, tie_word_embeddings=tied)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path)), logits(model))
    back = gm.load(tmp_path)
    expected = dict(model.named_parameters())
    assert [n for n, _ in back.named_parameters()] == list(expected)
    assert all(torch.equal(p, expected[n]) for n, p in back.named_parameters())
    assert {g: list(m) for g, m in gm.groups(back).items()} == {g: list(m) for g, m in gm.groups(model).items()}
    for label in ("forget", ["retain", "forget", "unlabeled"]):
        losses = [m(tokens(), labels=tokens(), data_labels=label).loss for m in (model, back)]
        assert torch.equal(*losses)


def test_an_ablated_model_stays_ablated(tmp_path: Path) -> None:
    model = gm.ablate(trained("llama", "plain"), "forget")
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    back = gm.load(tmp_path)
    assert torch.equal(logits(back), logits(model))  # type: ignore[arg-type]
    assert back.gradmask.removed == {"forget"}  # type: ignore[union-attr]


def test_state_dict_keys_are_the_plain_models() -> None:
    assert list(gm.partition(tiny(), {"forget": SPECS["plain"]}).state_dict()) == list(tiny().state_dict())


def test_a_merged_table_is_not_loaded_in_silence(tmp_path: Path) -> None:
    model = trained("llama", "own-tables")
    gm.export(model, tmp_path / "full")
    with pytest.raises(RuntimeError, match="groups of this model own tables"):
        model.load_state_dict(load_file(tmp_path / "full" / "model.safetensors"))


def test_loading_something_else_is_refused_in_words(tmp_path: Path) -> None:
    model = trained("llama", "plain")
    with pytest.raises(gm.GradmaskError, match="there is no folder"):
        gm.load(tmp_path / "nowhere")
    tiny().save_pretrained(tmp_path / "plain")
    with pytest.raises(gm.GradmaskError, match=r"has no gradmask\.json"):
        gm.load(tmp_path / "plain")
    gm.export(model, tmp_path / "export")
    with pytest.raises(gm.GradmaskError, match="is an export"):
        gm.load(tmp_path / "export")
    model.save_pretrained(tmp_path / "damaged")
    (tmp_path / "damaged" / "gradmask.json").write_text('{"format": 9}')
    with pytest.raises(gm.GradmaskError, match="damaged or from another version: format"):
        gm.load(tmp_path / "damaged")


def test_labels_are_required_unless_the_loader_says_otherwise(tmp_path: Path) -> None:
    trained("llama", "plain").save_pretrained(tmp_path)  # type: ignore[operator]
    with pytest.raises(gm.GradmaskError, match="got no data_labels"):
        gm.load(tmp_path).train()(tokens(), labels=tokens())
    assert gm.load(tmp_path, labels="optional").train()(tokens(), labels=tokens()).loss.requires_grad


def with_head_bias(**partition: Any) -> PreTrainedModel:
    """GPT-Neo with a bias on its head, as the published SGTM code has it, and Transformers has not."""
    model: Any = tiny("gpt_neo")
    model.lm_head.bias = nn.Parameter(normal((64,), seed=3))
    return gm.partition(model, {"forget": gm.Slice(heads=1, neurons=16)}, **partition)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    expected = dict(other.named_parameters())
    return [n for n, _ in one.named_parameters()] == list(expected) and all(
        torch.equal(p, expected[n]) for n, p in one.named_parameters()
    )


@pytest.mark.parametrize("joint", [(), ("head", "embeddings")], ids=["retain", "joint"])
def test_a_bias_that_the_class_lacks_is_kept(joint: tuple[str, ...], tmp_path: Path) -> None:
    model = with_head_bias(joint=joint)
    assert model.lm_head.bias.abs().min() > 0
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    gm.save_sharded(model, tmp_path / "sharded")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    for name in ("whole", "parts", "sharded"):
        back = gm.load(tmp_path / name)
        assert same(back, model)
        assert type(back).__name__ == "GPTNeoForCausalLM"
        assert torch.equal(logits(back), logits(model))
    back.save_pretrained(tmp_path / "again")  # type: ignore[operator]
    assert same(gm.load(tmp_path / "again"), model)


def test_an_export_keeps_the_bias_and_says_what_drops_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = with_head_bias()
    gm.export(model, tmp_path / "out", without=["forget"])
    assert "lm_head.bias: GPTNeoForCausalLM has no place for it" in caplog.text
    assert "gradmask.read_plain(path) keeps it" in caplog.text
    with gm.without(model, "forget"):
        assert torch.equal(logits(gm.read_plain(tmp_path / "out")), logits(model))
    assert not torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "out")), logits(model))
    assert gm.verify(tmp_path / "out").ok


def test_no_word_is_lost_on_a_bias_of_zeros_or_on_plain_models(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = with_head_bias()
    with torch.no_grad():
        model.lm_head.bias.zero_()
    gm.export(model, tmp_path / "zeros")
    gm.export(trained("gpt2", "plain"), tmp_path / "gpt2")
    assert "has no place" not in caplog.text


def add_tensor(file: Path, name: str) -> None:
    save_file({**load_file(file), name: torch.ones(3)}, file, metadata={"format": "pt"})


def take_tensor(file: Path, name: str) -> None:
    save_file({k: v for k, v in load_file(file).items() if k != name}, file, metadata={"format": "pt"})


def test_what_the_class_has_no_place_for_is_refused_by_name(tmp_path: Path) -> None:
    model = trained("llama", "plain")
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    add_tensor(tmp_path / "model.safetensors", "v_head.summary.weight")
    add_tensor(tmp_path / "model.safetensors", "model.layers.0.mlp.act_fn.bias")
    with pytest.raises(
        gm.GradmaskError, match=r"model\.layers\.0\.mlp\.act_fn\.bias and 1 more tensors, for which Llama"
    ):
        gm.load(tmp_path)
    with pytest.raises(gm.GradmaskError, match=r"holds v_head\.summary\.weight"):
        gm.load(tmp_path, ignore=["*.act_fn.bias"])
    assert same(gm.load(tmp_path, ignore=["v_head.*", "*.act_fn.*"]), model)


def test_missing_weights_are_refused_by_name(tmp_path: Path) -> None:
    trained("gpt2", "plain").save_pretrained(tmp_path)  # type: ignore[operator]
    take_tensor(tmp_path / "model.safetensors", "transformer.h.1.mlp.c_fc.weight")
    with pytest.raises(gm.GradmaskError, match=r"lacks transformer\.h\.1\.mlp\.c_fc\.weight of GPT2LMHeadModel"):
        gm.load(tmp_path)
    gm.export(trained("gpt2", "plain"), tmp_path / "export")
    take_tensor(tmp_path / "export" / "model.safetensors", "transformer.h.0.ln_1.bias")
    with pytest.raises(gm.GradmaskError, match=r"lacks transformer\.h\.0\.ln_1\.bias"):
        gm.read_plain(tmp_path / "export")


def test_a_shard_of_something_else_is_refused(tmp_path: Path) -> None:
    gm.save_sharded(trained("llama", "plain"), tmp_path / "sharded")
    config = (tmp_path / "sharded" / "config.json").read_text()
    (tmp_path / "sharded" / "config.json").write_text(
        config.replace('"num_hidden_layers": 2', '"num_hidden_layers": 1')
    )
    with pytest.raises(gm.GradmaskError):
        gm.load(tmp_path / "sharded")

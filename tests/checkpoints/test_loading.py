from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import gradmask as gm
from checkpoints.trained import SPECS, logits, trained
from tiny import CONFIGS, tiny, tokens


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

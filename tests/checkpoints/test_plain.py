from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from tiny import CONFIGS, tiny, tokens

PIECES = {"plain": gm.Slice(heads=2, neurons=8), "own-tables": gm.Slice(heads=2, neurons=8, embeddings=True)}


def trained(model_type: str, piece: str, **overrides: object) -> PreTrainedModel:
    model = gm.partition(tiny(model_type, **overrides).train(), {"forget": PIECES[piece]}, joint=["norms"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for label in ("unlabeled", ["forget", "retain", "unlabeled"]):
        ids = tokens()
        model(input_ids=ids, labels=ids, data_labels=label).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(tokens()).logits


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("model_type", CONFIGS)
def test_a_checkpoint_is_plain_and_comes_back_bit_for_bit(
    model_type: str, piece: str, tied: bool, tmp_path: Path
) -> None:
    model = trained(model_type, piece, tie_word_embeddings=tied)
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


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("model_type", CONFIGS)
def test_an_export_needs_no_gradmask_and_holds_no_removed_weight(model_type: str, piece: str, tmp_path: Path) -> None:
    model = trained(model_type, piece)
    with gm.without(model, "forget"):
        expected = logits(model)
    gm.export(model, tmp_path / "full")
    gm.export(model, tmp_path / "without", without=["forget"])
    full, without = (AutoModelForCausalLM.from_pretrained(tmp_path / name) for name in ("full", "without"))
    assert torch.equal(logits(full), logits(model))
    assert torch.equal(logits(without), expected)
    saved = b"".join(file.read_bytes() for file in sorted((tmp_path / "without").iterdir()))
    for name, parameter in gm.groups(model)["forget"].items():
        values = parameter.detach()
        trace = values[values.abs().sum(-1) > 0] if values.dim() == 2 else values
        assert trace.reshape(-1)[:4].numpy().tobytes() not in saved, name
    assert "data_labels" not in (tmp_path / "without" / "config.json").read_text()
    assert not any("gradmask" in key or "table_" in key for key in load_file(tmp_path / "full" / "model.safetensors"))


def test_a_compact_export_is_smaller_and_computes_the_same(tmp_path: Path) -> None:
    model = trained("llama", "own-tables")
    with gm.without(model, "forget"):
        expected = logits(model)
    gm.export(model, tmp_path / "small", without=["forget"], compact=True)
    small = AutoModelForCausalLM.from_pretrained(tmp_path / "small")
    assert (small.config.num_attention_heads, small.config.num_key_value_heads, small.config.intermediate_size) == (
        2,
        1,
        40,
    )
    torch.testing.assert_close(logits(small), expected, rtol=1e-5, atol=1e-6)


def test_a_compact_export_that_the_config_cannot_express_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gm.GradmaskError, match="compact=False"):
        gm.export(trained("gpt2", "plain"), tmp_path / "small", without=["forget"], compact=True)
    assert not list(tmp_path.iterdir())


def test_strength_is_part_of_an_export_and_of_a_checkpoint(tmp_path: Path) -> None:
    model = gm.strength(trained("llama", "own-tables"), forget=0.5)
    gm.export(model, tmp_path / "half")  # type: ignore[arg-type]
    model.save_pretrained(tmp_path / "checkpoint")  # type: ignore[operator]
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "half")), logits(model))  # type: ignore[arg-type]
    assert torch.equal(logits(gm.load(tmp_path / "checkpoint")), logits(model))  # type: ignore[arg-type]


def test_an_ablated_model_stays_ablated(tmp_path: Path) -> None:
    model = gm.ablate(trained("llama", "plain"), "forget")
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    back = gm.load(tmp_path)
    assert torch.equal(logits(back), logits(model))  # type: ignore[arg-type]
    assert back.gradmask.removed == {"forget"}  # type: ignore[union-attr]


def test_state_dict_keys_are_the_plain_models() -> None:
    assert list(gm.partition(tiny(), {"forget": PIECES["plain"]}).state_dict()) == list(tiny().state_dict())


def test_export_does_not_overwrite_unasked(tmp_path: Path) -> None:
    model = trained("llama", "plain")
    gm.export(model, tmp_path / "out")
    with pytest.raises(gm.GradmaskError, match="exists and is not empty"):
        gm.export(model, tmp_path / "out")
    gm.export(model, tmp_path / "out", without=["forget"], overwrite=True)
    assert json.loads((tmp_path / "out" / "gradmask.json").read_text())["removed"] == ["forget"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_failed_export_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained("llama", "plain")

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gradmask.checkpoints.exporting.write_manifest", no_space)
    with pytest.raises(OSError, match="No space left"):
        gm.export(model, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert model.config.data_labels == {"unlabeled": -1, "retain": 0, "forget": 1}


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

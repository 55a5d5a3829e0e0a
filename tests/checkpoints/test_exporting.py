from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import gradmask as gm
from checkpoints.trained import SPECS, logits, trained
from gradmask.checkpoints import exporting
from tiny import CONFIGS


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("model_type", CONFIGS)
def test_an_export_needs_no_gradmask_and_holds_no_removed_weight(model_type: str, spec: str, tmp_path: Path) -> None:
    model = trained(model_type, spec)
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


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_merged_on_disk_has_every_byte_of_what_is_merged_in_memory(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trained("llama", spec)
    made = {}
    for where in ("disk", "memory"):
        if where == "memory":
            monkeypatch.setattr(exporting, "scratch", lambda _: nullcontext(lambda tensor: tensor))
            monkeypatch.setattr(type(model), "_merging_on_disk", lambda *_: nullcontext(), raising=False)
        gm.export(model, tmp_path / where / "export", without=["forget"], dtype="bfloat16", max_shard_size=20_000)
        model.save_pretrained(tmp_path / where / "saved", max_shard_size=20_000)
        files = sorted(path for path in (tmp_path / where).rglob("*") if path.is_file())
        made[where] = {path.relative_to(tmp_path / where): path.read_bytes() for path in files}
    assert made["disk"] == made["memory"]
    assert len(made["disk"]) > 8


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        gm.export(trained("llama", "slice" if "slice" in SPECS else next(iter(SPECS))), tmp_path / "export")
    assert not list(tmp_path.iterdir())

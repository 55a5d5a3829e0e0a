"""Models that are dispatched or of half precision: they work, or are refused by name before anything is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from torch import nn
from transformers import AutoModelForCausalLM

import gradmask as gm
from tiny import DEVICE, cpu_only, tiny, tokens

SPECS: list[Any] = [gm.Slice(neurons=8), gm.Adapter(rank=2)]


def parts_of(model: nn.Module) -> dict[str, str]:
    names = {"model.embed_tokens", "model.rotary_emb", "model.norm", "lm_head"}
    return dict.fromkeys([*names, *(f"model.layers.{i}" for i in range(2))], "cpu")


@cpu_only
@pytest.mark.parametrize("spec", SPECS, ids=["slice", "adapter"])
@pytest.mark.parametrize("where", ["cpu", "disk"])
def test_a_dispatched_model_is_refused_by_name(spec: Any, where: str, tmp_path: Path) -> None:
    model = tiny()
    places = {**parts_of(model), "model.layers.1": where}
    dispatch_model(model, places, main_device="cpu", offload_dir=str(tmp_path), force_hooks=True)  # type: ignore
    with pytest.raises(gm.GradmaskError, match="accelerate dispatches this LlamaForCausalLM over cpu.*on one device"):
        gm.partition(model, {"forget": spec})
    assert not gm.is_partitioned(model)


@cpu_only
@pytest.mark.parametrize("spec", SPECS, ids=["slice", "adapter"])
def test_a_model_opened_with_automatic_offload_to_disk_is_refused_by_name(spec: Any, tmp_path: Path) -> None:
    """As with ``device_map="auto"`` on a machine that is too small: what does not fit stays on the disk."""
    tiny().save_pretrained(tmp_path / "plain")
    room: Any = {"cpu": "60KB"}
    model = AutoModelForCausalLM.from_pretrained(
        tmp_path / "plain", device_map="auto", max_memory=room, offload_folder=str(tmp_path / "offload")
    )
    assert {*map(str, model.hf_device_map.values())} == {"cpu", "disk"}
    before = model(tokens()).logits
    with pytest.raises(gm.GradmaskError, match="over cpu, disk \\(device_map; hooks on .*on one device.*FSDP2"):
        gm.partition(model, {"forget": spec}, base="frozen")
    assert not gm.is_partitioned(model)
    assert torch.equal(model(tokens()).logits, before)


def test_a_map_with_one_device_is_welcome(tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, device_map={"": DEVICE})
    before = model(tokens()).logits
    assert torch.equal(
        gm.partition(model, {"forget": gm.Slice(heads=2)})(tokens(), data_labels="forget").logits, before
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "spec", [gm.Slice(heads=2, neurons=8, embeddings=True), gm.Adapter(rank=2)], ids=["slice", "adapter"]
)
def test_half_precision_keeps_every_promise(dtype: torch.dtype, spec: Any, tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path / "base")  # opened as users do, which leaves rotary frequencies in float32
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=dtype)
    before = model.eval()(tokens()).logits
    gm.partition(model, {"forget": spec})
    assert torch.equal(model(tokens()).logits, before)
    for label in ("forget", "retain", ["forget", "retain", "unlabeled"]):
        model.zero_grad()
        model.train()(tokens(), labels=tokens(), data_labels=label).loss.backward()
        learned = {g for g, owned in gm.groups(model).items() if any(p.grad is not None for p in owned.values())}
        assert learned == ({"forget", "retain"} if isinstance(label, list) else {label})
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    with gm.without(model.eval(), "forget"), torch.no_grad():
        expected = model(tokens()).logits
    gm.export(model, tmp_path / "plain", without=["forget"])
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "plain", dtype=dtype)
    with torch.no_grad():
        assert torch.equal(plain(tokens()).logits, expected)


def test_gradient_scaling_of_float16_moves_only_what_learns() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8)}).train()
    optimizer, scaler = torch.optim.AdamW(model.parameters(), lr=1e-2), torch.amp.GradScaler(DEVICE)
    before = {n: p.clone() for n, p in model.named_parameters()}
    with torch.autocast(DEVICE, dtype=torch.float16):
        loss = model(tokens(), labels=tokens(), data_labels="forget").loss
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    for group, owned in gm.groups(model).items():
        assert all(torch.equal(p, before[n]) == (group != "forget") for n, p in owned.items())

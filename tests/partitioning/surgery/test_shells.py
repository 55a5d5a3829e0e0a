"""A model without weights, made of a config as files hold it."""

from __future__ import annotations

from pathlib import Path

import torch

import gradmask as gm
from gradmask.partitioning.surgery.shells import shell_of
from sweep.tiny_models import build


def test_a_dtype_that_is_a_word_is_understood() -> None:
    model = build("causal", "apertus")
    model.config.dtype = "float32"
    state = torch.get_rng_state()
    shell = shell_of(type(model), model.config)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.config.dtype == "float32"
    assert {n: p.shape for n, p in shell.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
    assert all(p.is_meta for p in shell.parameters())


def test_a_model_whose_constructor_reads_the_dtype_is_exported(tmp_path: Path) -> None:
    model = gm.partition(build("causal", "apertus"), {"forget": gm.Slice(neurons=2)})
    gm.export(model, tmp_path / "plain", without=["forget"])
    assert type(model).gradmask_plain.from_pretrained(tmp_path / "plain")

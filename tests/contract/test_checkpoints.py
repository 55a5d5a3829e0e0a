"""Exports are plain models that compute the same; checkpoints come back bit for bit; generation agrees."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from transformers import PreTrainedModel

import gradmask as gm
from contract.cases import AUTO, CASES, Case, batch, build, logits
from contract.variants import GROUPS, VARIANTS, partitioned, slices

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def opened(case: Case, path: Path) -> PreTrainedModel:
    return getattr(transformers, AUTO[case.kind]).from_pretrained(path, **case.loading)


@pytest.mark.parametrize("variant", VARIANTS)
@every_case
def test_exports_open_as_plain_models_and_compute_and_write_the_same(case: Case, variant: str, tmp_path: Path) -> None:
    model, inputs = partitioned(case, variant).eval(), batch(case)
    for gone in ((), (GROUPS[variant][0],)):
        plain = opened(case, gm.export(model, tmp_path / f"without{len(gone)}", without=gone))
        with gm.without(model, *gone) if gone else torch.no_grad():
            assert torch.equal(logits(plain, inputs), logits(model, inputs))
            if case.kind != "masked":
                assert torch.equal(written(case, plain), written(case, model))


def written(case: Case, model: PreTrainedModel) -> torch.Tensor:
    """Ten tokens, chosen greedily with a key-value cache."""
    prompt = batch(case, size=2, length=3)["input_ids"]
    mask = torch.ones_like(prompt)
    return model.generate(prompt, attention_mask=mask, max_new_tokens=10, min_new_tokens=10, do_sample=False)  # type: ignore[operator]


@pytest.mark.parametrize("variant", VARIANTS)
@every_case
def test_a_checkpoint_is_plain_and_training_goes_on_bit_for_bit(case: Case, variant: str, tmp_path: Path) -> None:
    model, inputs = partitioned(case, variant), batch(case)
    step(model, case, seed=1)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(opened(case, tmp_path), inputs), logits(model, inputs))
    back = gm.load(tmp_path, **case.loading)
    same(model, back)
    for each in (model, back):
        step(each, case, seed=2)
    same(model, back)


def step(model: PreTrainedModel, case: Case, seed: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    optimizer.zero_grad()
    labels = ["retain", model.gradmask.removable[0], "unlabeled"]  # type: ignore[union-attr]
    model.train()(**batch(case, seed), data_labels=labels).loss.backward()
    optimizer.step()


def same(first: PreTrainedModel, second: PreTrainedModel) -> None:
    others = dict(second.named_parameters())
    assert [name for name, _ in first.named_parameters()] == list(others)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, others[name]), name


@every_case
def test_a_compact_export_computes_the_same_or_is_refused(case: Case, tmp_path: Path) -> None:
    inputs = batch(case)
    for name, spec in (("all", slices(case, "one")["forget"]), ("neurons", gm.Slice(neurons=8))):
        if name not in ("all", *case.units):
            continue
        model = gm.partition(build(case), {"forget": spec}).eval()
        if name == "all" and not case.compact_heads:
            with pytest.raises(gm.GradmaskError, match="compact=False"):
                gm.export(model, tmp_path / name, without=["forget"], compact=True)
            continue
        small = opened(case, gm.export(model, tmp_path / name, without=["forget"], compact=True))
        assert small.num_parameters() < build(case).num_parameters()
        with gm.without(model, "forget"):
            torch.testing.assert_close(logits(small, inputs), logits(model, inputs), rtol=1e-4, atol=1e-5)

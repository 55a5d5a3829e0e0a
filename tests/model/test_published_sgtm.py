"""SGTM's presets, as named, against values that its published code computed: gradients, ownership, removal."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.model.published_sgtm import (
    LABELS,
    SETTINGS,
    STRATEGIES,
    check_logits,
    partitioned,
    plain_gradients,
)
from torch import Tensor
from transformers import PreTrainedModel

import gradmask as gm
from golden import FOLDER, golden


@cache
def values() -> Any:
    return golden("sgtm/cases.json")


@cache
def gradient_sets() -> dict[str, Tensor]:
    golden("sgtm/config.json")
    return load_file(FOLDER / "sgtm" / "gradients.safetensors")


def batch() -> dict[str, Tensor]:
    return {"input_ids": torch.tensor(values()["input_ids"]), "labels": torch.tensor(values()["labels"])}


def expected_gradient(case: Any, name: str) -> Tensor:
    gradient = gradient_sets()[f"{case['gradient_set']}.{name}"].clone()
    for dim, start, stop in case["zero"].get(name, []):
        gradient.narrow(dim, start, stop - start).zero_()
    return gradient


@cache
def model_of(strategy: str, mask_embeddings: bool) -> PreTrainedModel:
    return partitioned(strategy, mask_embeddings)


@pytest.mark.parametrize("mode", LABELS)
@pytest.mark.parametrize(("strategy", "masked"), SETTINGS)
def test_a_preset_as_named_has_the_published_gradients(strategy: str, masked: bool, mode: str) -> None:
    (case,) = [
        c for c in values()["cases"] if (c["strategy"], c["mask_embeddings"], c["mode"]) == (strategy, masked, mode)
    ]
    model = model_of(strategy, masked)
    model.zero_grad()
    output = model(**batch(), data_labels=LABELS[mode])
    output.loss.backward()
    assert abs(float(output.loss.detach()) - case["loss"]) < 1e-5
    check_logits(output.logits.detach(), case["logits"])
    gradients = plain_gradients(model)
    assert gradients.keys() == case["gradient_norms"].keys()
    for name, gradient in gradients.items():
        wanted = expected_gradient(case, name)
        assert float((gradient.detach() - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max()), name


@pytest.mark.parametrize(("strategy", "masked"), SETTINGS)
def test_a_preset_owns_what_is_owned_in_the_published_code(strategy: str, masked: bool) -> None:
    suffix = "+mask_embeddings" if masked else ""
    expected = golden("sgtm/ownership.json")["strategies"][strategy + suffix]
    model = model_of(strategy, masked)
    for mode, label in LABELS.items():
        model.zero_grad()
        model(**batch(), data_labels=label).loss.backward()
        for name, gradient in plain_gradients(model).items():
            _check_silent(gradient, expected[_any_layer(name)][f"silent_on_{mode}"], f"{label}: {name}")


def _any_layer(name: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def _check_silent(gradient: Tensor, ranges: Any, name: str) -> None:
    """The positions in the ranges get no gradient, and each of the others gets one."""
    if isinstance(ranges, str):
        assert bool(gradient.any()) is (ranges == "none"), name
        return
    for dim, start, stop in ranges:
        reached = gradient.movedim(dim, 0).flatten(1).any(1) if gradient.dim() > 1 else gradient != 0
        assert reached.tolist() == [not start <= i < stop for i in range(len(reached))], name


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_removal_has_the_published_logits_and_zeroes_what_the_published_code_zeroes(strategy: str) -> None:
    (expected,) = [a for a in values()["ablated"] if a["strategy"] == strategy]
    model = copy.deepcopy(model_of(strategy, False)).eval()
    inputs = batch()
    with torch.no_grad():
        with gm.without(model, "forget"):
            before = model(**inputs)
        after = gm.ablate(model)(**inputs)
    assert torch.equal(before.logits, after.logits)
    assert abs(float(after.loss) - expected["loss"]) < 1e-5
    check_logits(after.logits, expected["logits"])
    plain = gm.unpartition(model)
    with torch.no_grad():
        assert torch.equal(plain(**inputs).logits, after.logits)
    parameters = dict(plain.named_parameters())
    for name, ranges in expected["zeroed"].items():
        for dim, start, stop in ranges:
            assert not parameters[name].narrow(dim, start, stop - start).any(), name

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset

import gradmask as gm
from gradmask.data.tokenizer import train_tokenizer
from gradmask.lab.measures.calibration import CalibrationSettings
from gradmask.lab.measures.losses import byte_count, domain_loss
from gradmask.lab.measures.run import Measures, measure, quick_losses, sample, split
from gradmask.lab.progress import showing
from lab.measures.fabricated import Lines, word_tokenizer
from tiny import tiny, tokens

TEST = {d: Dataset.from_dict({"input_ids": tokens(12, 16, seed=i).tolist()}) for i, d in enumerate(("en", "es"))}
ROLES = {"en": "retain", "es": "forget"}
QUICK = Measures(sequences=6, calibration=CalibrationSettings(steps=20), samples=1, sample_tokens=4)


def partitioned() -> torch.nn.Module:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    with torch.no_grad():
        for parameter in gm.groups(model)["forget"].values():
            parameter.mul_(5)
    return model


def test_every_view_of_every_domain() -> None:
    model = partitioned()
    with showing(Lines()) as lines:
        found = measure(model, TEST, ROLES, QUICK)
    assert set(found) == {"full", "removed"}
    ids = torch.tensor(TEST["es"]["input_ids"][:6])
    assert found["full"]["es"].loss == domain_loss(model, ids).nats
    with gm.without(model):
        assert found["removed"]["es"].loss == domain_loss(model, ids).nats
    assert found["removed"]["es"].loss != found["full"]["es"].loss
    assert found["full"]["en"].calibrated_loss is not None
    assert np.isclose(sum(found["full"]["en"].histogram), 1.0)
    assert len(lines.shown) == 4
    assert set(measure(tiny(), TEST, ROLES, QUICK)) == {"full"}


def test_without_calibration_every_held_out_sequence_counts() -> None:
    found = measure(tiny(), TEST, ROLES, Measures(sequences=12, calibration=None))
    assert found["full"]["en"].calibrated_loss is None
    assert found["full"]["en"].tokens == 12 * 15


def test_points_of_the_curve_and_samples() -> None:
    model = partitioned()
    quick = quick_losses(model, TEST, 3)
    assert quick["removed"]["es"] == pytest.approx(domain_loss_without(model))
    tokenizer = train_tokenizer(["abc def"], 300)
    before = torch.get_rng_state()
    texts = sample(model, tokenizer, TEST, QUICK)
    assert torch.equal(torch.get_rng_state(), before)
    assert [(s.domain, set(s.continuations)) for s in texts] == [
        ("en", {"full", "removed"}),
        ("es", {"full", "removed"}),
    ]
    assert texts == sample(model, tokenizer, TEST, QUICK)


def domain_loss_without(model: torch.nn.Module) -> float:
    with gm.without(model):
        return domain_loss(model, torch.tensor(TEST["es"]["input_ids"][:3])).nats


def test_calibration_never_sees_what_is_reported() -> None:
    report, calibration = split(TEST, QUICK)
    everything = torch.tensor(TEST["es"]["input_ids"])
    assert torch.equal(report["es"], everything[:6])
    assert torch.equal(calibration["es"], everything[6:])
    few = {"es": TEST["es"].select(range(5))}
    report, calibration = split(few, QUICK)
    assert (len(report["es"]), len(calibration["es"])) == (2, 3)


def test_both_losses_come_with_their_errors_and_bytes() -> None:
    found = measure(tiny(), TEST, ROLES, QUICK, tokenizer=word_tokenizer())["full"]["es"]
    assert found.error is not None
    assert found.calibrated_error is not None
    ids = torch.tensor(TEST["es"]["input_ids"][:6])
    size = byte_count(word_tokenizer(), ids)
    assert found.bits_per_byte == pytest.approx(found.loss * ids[:, 1:].numel() / np.log(2) / size)
    assert measure(tiny(), TEST, ROLES, QUICK)["full"]["es"].bits_per_byte is None


def test_greedy_text_needs_no_seed() -> None:
    greedy = Measures(samples=1, sample_tokens=4, temperature=0.0)
    model, tokenizer = partitioned(), word_tokenizer()
    assert sample(model, tokenizer, TEST, greedy, seed=0) == sample(model, tokenizer, TEST, greedy, seed=1)
    assert sample(model, tokenizer, TEST, Measures(samples=0)) == []


def test_a_loss_that_is_not_finite_is_an_error_that_names_the_model() -> None:
    model = tiny()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(gm.GradmaskError, match="the loss of the full model on 'en' is not finite"):
        measure(model, TEST, ROLES, QUICK)


def test_unfit_input_is_refused_in_words() -> None:
    with pytest.raises(gm.GradmaskError, match="domains without a role: es. Roles are given for: en"):
        measure(tiny(), TEST, {"en": "retain"}, QUICK)
    one = {"es": TEST["es"].select([0])}
    with pytest.raises(gm.GradmaskError, match="left: the held-out set of 'es' has 1, of which the first 1 are used"):
        measure(tiny(), one, ROLES, QUICK)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_model_is_measured_as_on_the_processor() -> None:
    here = measure(partitioned(), TEST, ROLES, QUICK)
    there = measure(partitioned().cuda(), TEST, ROLES, QUICK)
    for view, domains in here.items():
        for domain, expected in domains.items():
            assert there[view][domain].loss == pytest.approx(expected.loss, abs=1e-4)
            assert there[view][domain].calibrated_loss == pytest.approx(expected.calibrated_loss, abs=1e-3)
    assert len(sample(partitioned().cuda(), word_tokenizer(), TEST, QUICK)) == 2

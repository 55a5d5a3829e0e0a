from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import gradmask as gm
from gradmask.lab.measures.calibration import CalibrationSettings
from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.registry import attacks, comparisons, find, names, of_a_model, quick
from gradmask.lab.measures.settings import PRESETS, RelearningSettings, SuiteSettings
from gradmask.lab.measures.suite import examine
from gradmask.lab.progress import showing
from lab.measures.domains import material
from lab.measures.fabricated import Lines, word_tokenizer
from tiny import tiny

SMALL = SuiteSettings(
    sequences=8,
    calibration=CalibrationSettings(steps=4),
    relearning=RelearningSettings(methods=("full",), mixes=("even",), learning_rates=(1e-3,), steps=2, batch_size=2),
    probe_tokens=40,
    gradient_examples=2,
    texts=2,
)


ASKED = [name for name in of_a_model() if name != "router" and not find(name).asks]
"""Every measure but those that need a mixture of experts, or questions."""


def test_every_measure_of_a_model_is_found_and_leaves_it_as_it_was() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with showing(Lines()) as lines:
        found = examine(model, "removed", material(), ASKED, SMALL, 4.0, 2, word_tokenizer())
    assert all(getattr(found, name) is not None for name in ASKED)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert [line for line in lines.shown if line in ASKED] == ASKED
    assert examine(model, "removed", material(), ["context"], SMALL) != examine(
        model, "full", material(), ["context"], SMALL
    )


def test_only_what_was_asked_for_is_measured() -> None:
    found = examine(tiny(), "full", material(), ["extraction", "gradients"], replace(SMALL, calibration=None))
    assert found.extraction is not None
    assert found.gradients is None
    assert found.membership is None


def test_an_unknown_measure_is_named() -> None:
    with pytest.raises(gm.GradmaskError, match="no such measure: 'probe'. Did you mean 'probes'"):
        examine(tiny(), "full", material(), ["probe"])  # type: ignore[list-item]


def test_names_and_presets() -> None:
    assert set(names()) == {*of_a_model(), *comparisons()}
    assert set(attacks()) < set(of_a_model())
    assert set(quick()) < set(names())
    sizes = [len(p.relearning.grid(True)) * p.relearning.steps * p.relearning.batch_size for p in PRESETS.values()]
    assert sizes == sorted(sizes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_model_is_measured_as_on_the_processor() -> None:
    def found(device: str) -> ModelFindings:
        model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16, embeddings=True)})
        return examine(model.to(device), "removed", material(), ASKED, SMALL, 4.0, 2, word_tokenizer())

    here, there = found("cpu"), found("cuda")
    for attack, other in zip(here.relearning.attacks, there.relearning.attacks, strict=True):  # type: ignore[union-attr]
        for point, same in zip(attack.curve, other.curve, strict=True):
            assert same.losses == pytest.approx(point.losses, abs=1e-3)
    assert there.quantization.after["int4"] == pytest.approx(here.quantization.after["int4"], abs=1e-2)  # type: ignore[union-attr]
    assert there.context.gain == pytest.approx(here.context.gain, abs=1e-2)  # type: ignore[union-attr]
    assert there.membership.loss_auc == pytest.approx(here.membership.loss_auc, abs=0.02)  # type: ignore[union-attr]
    assert there.gradients.norms["forget"] == pytest.approx(here.gradients.norms["forget"], rel=1e-2)  # type: ignore[union-attr]
    assert there.probes.accuracy == pytest.approx(here.probes.accuracy, abs=0.1)  # type: ignore[union-attr]
    assert there.extraction is not None
    assert there.generations is not None

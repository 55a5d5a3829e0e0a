from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny import tiny, tokens

import gradmask as gm
from gradmask.data.tokenizer import train_tokenizer
from gradmask.evaluate.calibration import CalibrationSettings
from gradmask.evaluate.headline import headline
from gradmask.evaluate.losses import domain_loss
from gradmask.evaluate.results import ArmResult, DomainResult, Headline, Results, read_results, write_results
from gradmask.evaluate.run import Measures, measure, quick_losses, sample

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
    lines: list[str] = []
    found = measure(model, TEST, ROLES, QUICK, lines.append)
    assert set(found) == {"full", "removed"}
    ids = torch.tensor(TEST["es"]["input_ids"][:6])
    assert found["full"]["es"].loss == domain_loss(model, ids).nats
    with gm.without(model):
        assert found["removed"]["es"].loss == domain_loss(model, ids).nats
    assert found["removed"]["es"].loss != found["full"]["es"].loss
    assert found["full"]["en"].calibrated_loss is not None
    assert np.isclose(sum(found["full"]["en"].histogram), 1.0)
    assert len(lines) == 6
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
    assert [(s.domain, set(s.continuations)) for s in texts] == [("en", {"full", "removed"}), ("es", {"full", "removed"})]
    assert texts == sample(model, tokenizer, TEST, QUICK)


def domain_loss_without(model: torch.nn.Module) -> float:
    with gm.without(model):
        return domain_loss(model, torch.tensor(TEST["es"]["input_ids"][:3])).nats


def domain(role: str, loss: float, calibrated: float | None) -> DomainResult:
    return DomainResult(role=role, loss=loss, error=0.1, perplexity=1.0, calibrated_loss=calibrated, tokens=9)  # type: ignore[arg-type]


def arm(*models: tuple[str, float, float]) -> ArmResult:
    results = {name: {"es": domain("forget", f, f), "en": domain("retain", r, r)} for name, f, r in models}
    return ArmResult(title="t", parameters={}, steps=1, tokens=1, seconds=1.0, models=results)


def test_the_headline_compares_with_no_filter_and_perfect_filter() -> None:
    arms = {
        "gradmask": arm(("full", 4.4, 4.1), ("removed", 6.0, 4.05)),
        "no_filter": arm(("full", 4.0, 4.0)),
        "filter": arm(("full", 4.5, 3.9)),
        "perfect_filter": arm(("full", 6.5, 3.8)),
    }
    h = headline(arms)
    assert h.gap_closed == pytest.approx(0.8)
    assert h.filter_gap_closed == pytest.approx(0.2)
    assert h.retain_difference == pytest.approx(0.05)
    assert h.full_forget_difference == pytest.approx(0.4)
    assert h.calibrated


def test_the_headline_does_not_divide_by_a_gap_that_is_not_there() -> None:
    arms = {"gradmask": arm(("full", 4, 4), ("removed", 6, 4)), "no_filter": arm(("full", 4, 4)), "perfect_filter": arm(("full", 4, 4))}
    h = headline(arms)
    assert h.gap_closed is None
    assert "not above that of no filter" in h.remarks[0]
    assert headline({"gradmask": arms["gradmask"]}).gap_closed is None


def test_results_come_back_and_damage_is_named(tmp_path: Path) -> None:
    results = Results(
        name="n", created="now", command="c", versions={}, recipe={}, arms={"no_filter": arm(("full", 1, 2))},
        headline=Headline(calibrated=True),
    )  # fmt: skip
    path = tmp_path / "results.json"
    write_results(path, results)
    assert read_results(path) == results
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]
    path.write_text(path.read_text().replace('"steps": 1', '"steps": "many"'))
    with pytest.raises(gm.GradmaskError, match=r"damaged or from another version: arms\.no_filter\.steps"):
        read_results(path)
    with pytest.raises(gm.GradmaskError, match="evaluate the run first"):
        read_results(tmp_path / "nowhere.json")

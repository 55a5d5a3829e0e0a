"""The whole job through the command line, on a tiny run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.cli.terminal import Terminal
from transformers import AutoModelForCausalLM, AutoTokenizer

import gradmask as gm

ARMS = ["gradmask", "no_filter", "filter", "perfect_filter"]


def test_from_a_recipe_to_a_report_and_an_export(recipe: Path, gradmask: Terminal) -> None:
    run, folder = recipe.parent / "run", recipe.parent
    trained = gradmask("train", recipe)
    assert trained.code == 0
    assert trained.out == ""
    lines = trained.err.splitlines()
    assert len(lines) == 4 * 3 + 1, "three points of the curve for each arm, and nothing from other libraries"
    assert lines[0].startswith("gradmask step 2/6   full: en ")
    assert "   |   removed: en " in lines[0]
    assert lines[-1] == f"trained: {', '.join(ARMS)} in {run}. Next: gradmask evaluate {run}"

    evaluated = gradmask("evaluate", run)
    assert evaluated.code == 0
    assert evaluated.err == ""
    assert "tiny: held-out calibrated loss, nats per token" in evaluated.out
    for title in ("gradmask", "removed", "no filter", "filter, same labels", "perfect filter"):
        assert title in evaluated.out
    assert evaluated.out.splitlines()[-1] == f"report: {run}/report/index.html"
    results = json.loads((run / "results.json").read_text())
    assert list(results["arms"]) == ARMS
    assert len({arm["tokens"] for arm in results["arms"].values()}) == 1, "all arms see as many tokens"
    assert results["arms"]["gradmask"]["models"].keys() == {"full", "removed"}

    before = (run / "report/index.html").read_text()
    (run / "report/index.html").unlink()
    assert gradmask("report", run, "--json").json == {"report": f"{run}/report/index.html"}
    assert (run / "report/index.html").read_text() == before

    exported = gradmask("export", run, folder / "plain", "--without", "forget", "--json").json
    assert exported == {"folder": str(folder / "plain"), "from": f"{run}/arms/gradmask/model", "without": ["forget"]}
    _same_logits_as_without(run / "arms/gradmask/model", folder / "plain")

    again = gradmask("train", recipe, "--json")
    assert again.err.splitlines() == [f"{arm} is trained already" for arm in ARMS]
    assert again.json["arms"]["filter"] == f"{run}/arms/filter/model"


def _same_logits_as_without(partitioned: Path, exported: Path) -> None:
    ids = torch.arange(12)[None]
    model = gm.load(partitioned)
    plain = AutoModelForCausalLM.from_pretrained(exported)
    with torch.no_grad(), gm.without(model, "forget"):
        torch.testing.assert_close(plain(ids).logits, model(ids).logits)
    with torch.no_grad():
        assert not torch.allclose(plain(ids).logits, model(ids).logits)
    assert AutoTokenizer.from_pretrained(exported).eos_token is not None


def test_the_demo_ends_with_a_table_and_the_report(tmp_path: Path, gradmask: Terminal) -> None:
    """The shipped recipe, made small."""
    small = [
        "data.sources.0.megabytes=0.02", "data.sources.0.megabytes_test=0.02", "data.tokenizer.vocab_size=300",
        "data.sequence_length=32", "model.config.hidden_size=16", "model.config.num_hidden_layers=1",
        "model.config.intermediate_size=96", "train.steps=2", "train.warmup=1", "train.batch_size=4",
        "evaluate.sequences=4", "evaluate.during=2", "evaluate.calibration_steps=2", "evaluate.sample_tokens=2",
    ]  # fmt: skip
    changes = [word for change in small for word in ("--set", change)]
    said = gradmask("demo", "--out", tmp_path / "demo", *changes)
    assert said.code == 0, said.err
    assert "demo: held-out calibrated loss, nats per token" in said.out
    assert "es (forget)" in said.out
    assert said.out.splitlines()[-1] == f"report: {tmp_path}/demo/report/index.html"
    assert (tmp_path / "demo/report/index.html").is_file()


def test_evaluating_what_is_finished_so_far(recipe: Path, gradmask: Terminal) -> None:
    run = recipe.parent / "run"
    assert gradmask("train", recipe, "--set", "arms=[no_filter]").code == 0
    found = gradmask("evaluate", run, "--json").json
    assert list(found["arms"]) == ["no_filter"]
    assert found["headline"]["gap_closed"] is None
    assert found["report"] == f"{run}/report/index.html"
    refused = gradmask("export", run, recipe.parent / "plain")
    assert (refused.code, refused.err) == (
        2,
        f"error: the gradmask arm of {run} is not trained yet: run gradmask train again\n",
    )


def test_dry_run(recipe: Path, gradmask: Terminal) -> None:
    said = gradmask("train", recipe, "--dry-run")
    assert said.code == 0
    assert said.err == ""
    for text in ("tiny: 6 steps of 128 tokens", "Parameters", "Training tokens by data label", "training all arms"):
        assert text in said.out
    plan = gradmask("train", recipe, "--dry-run", "--json").json
    assert plan["steps"] == 6
    assert plan["fits"] is True
    assert not (recipe.parent / "run/arms").exists()
    assert not (recipe.parent / "run/recipe.yaml").exists()


def test_dry_run_on_a_full_disk_fails(recipe: Path, gradmask: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradmask.train import plan

    usage = type("Usage", (), {"free": 5_000})
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda path: usage)
    said = gradmask("train", recipe, "--dry-run")
    assert said.code == 1
    assert f"are needed on the disk of {recipe.parent}/run, 5.0 kB are free: free some space" in said.out

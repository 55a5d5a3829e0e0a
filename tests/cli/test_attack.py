"""The options of ``evaluate`` and ``attack``, on a tiny run."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from tests.lab.run.tiny_run import tiny_data

from gradmask.cli import main
from gradmask.cli.evaluate import options
from gradmask.lab.measures.attacks import relearning
from gradmask.lab.measures.campaign import arms
from gradmask.lab.measures.registry import names, quick

SMALL = [
    word
    for change in (
        "evaluate.relearning.steps=2", "evaluate.relearning.batch_size=2", "evaluate.relearning.points=2",
        "evaluate.relearning.learning_rates=[0.001]",
    )
    for word in ("--set", change)
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attack")
    recipe = tiny_data(folder) | {"arms": ["gradmask", "no_filter"]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["train", str(folder / "recipe.yaml")]) == 0
    return folder / "run"


def test_attack_then_evaluate_and_the_page_holds_both(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attack", str(run), *SMALL, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    removed = data["arms"]["gradmask"]["findings"]["removed"]
    assert len(removed["relearning"]["attacks"]) == 4
    assert removed["quantization"] is not None
    assert removed["membership"] is None
    assert main(["evaluate", str(run), "--measures", "membership, probes", *SMALL, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["arms"]["gradmask"]["findings"]["removed"]
    assert found["relearning"] == removed["relearning"]
    assert found["membership"] is not None
    assert found["generations"] is None
    page = (run / "report/index.html").read_text(encoding="utf-8")
    for words in (
        "What is left, and what was tried",
        "Relearning under attack",
        "Linear probes by layer",
        "2 steps of 2",
    ):
        assert words in page


@pytest.mark.slow
def test_a_budget_in_steps_then_the_same_again_costs_nothing(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "MIXES", ("forget", "even"))
    few = [*SMALL, "--set", "evaluate.relearning.methods=[full]"]
    assert main(["attack", str(run), "--budget", "30 steps", *few, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    campaign, verdict = data["campaign"], data["verdict"]["sentence"]
    assert campaign["steps"] == 24
    assert campaign["budget"] == "30 steps"
    assert campaign["against"] is None  # the run has no filter
    assert {t["attack"] for t in campaign["trials"]} >= {"relearning", "quantization", "context"}
    assert verdict.startswith("There is no verdict")
    assert data["arms"]["gradmask"]["findings"]["removed"]["quantization"] is not None
    monkeypatch.setattr(relearning, "finetune", lambda *a, **k: pytest.fail("attacked again"))
    assert main(["attack", str(run), "--budget", "30 steps", *few, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["campaign"] == campaign
    assert main(["evaluate", str(run), *few, "--json"]) == 0  # what was attacked stays in the results
    assert json.loads(capsys.readouterr().out)["campaign"] == campaign
    assert main(["attack", str(run), "--budget", "30 steps", *few, "--accept", "-1"]) == 2
    capsys.readouterr()
    assert main(["attack", str(run), "--budget", "1 fortnight"]) == 2
    assert "no amount of time or steps" in " ".join(capsys.readouterr().err.split())


def test_a_run_or_a_checkpoint(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        ([], "give a run's folder, or --model with --data"),
        ([str(run), "--twin", str(run)], "--never-trained: only with --model"),
        (["--model", str(run)], "--model needs --data"),
        (["--model", str(tmp_path / "none"), "--data", str(run)], "there is no folder"),
    ):
        assert main(["attack", *words]) == 2
        assert said in " ".join(capsys.readouterr().err.split())


def test_bad_options_are_told_in_words(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--measures", "membershp", "--preset", "huge"]) == 2
    said = capsys.readouterr().err
    assert "2 problems" in said
    assert "evaluate.measures" in said
    assert "evaluate.preset" in said
    assert main(["attack", str(run), "--set", "train.steps=3"]) == 2
    assert "only keys of evaluate can still be changed" in " ".join(capsys.readouterr().err.split())
    assert main(["attack", str(run / "nothing")]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm-evaluation-harness is installed")
def test_tasks_without_the_harness(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--tasks", "mmlu"]) == 2
    assert "pip install 'gradmask[lm-eval]'" in capsys.readouterr().err


def test_options_are_changes_to_the_recipe() -> None:
    assert options(None, None, None, None) == []
    assert options("all", "standard", "a,b", ["evaluate.sequences=3"]) == [
        f"evaluate.measures=[{', '.join(names())}]",
        "evaluate.preset=standard",
        "evaluate.tasks=[a, b]",
        "evaluate.sequences=3",
    ]
    assert options("quick", None, None, None) == [f"evaluate.measures=[{', '.join(quick())}]"]
    assert options("quick,probes", None, None, None) == [f"evaluate.measures=[{', '.join([*quick(), 'probes'])}]"]
    assert options("none", None, None, None) == ["evaluate.measures=[]"]

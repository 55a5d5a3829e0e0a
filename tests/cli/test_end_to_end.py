"""The commands, one after the other, on a tiny run."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from tests.lab.run.tiny_run import tiny_data
from transformers import AutoModelForCausalLM, AutoTokenizer

import gradmask as gm
from gradmask.cli import certify, export, main, purge, runs, verify

ARMS = {"gradmask", "no_filter", "filter", "perfect_filter"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and evaluated run of four arms on the built-in stories."""
    folder = tmp_path_factory.mktemp("cli")
    recipe = tiny_data(folder)
    recipe["data"]["sources"] = [{"kind": "stories", "documents": 12}]
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["train", str(folder / "recipe.yaml"), "--set", "train.steps=4"]) == 0
    assert main(["evaluate", str(folder / "run")]) == 0
    return folder / "run"


def test_a_run_has_every_arm_and_its_evidence(run: Path) -> None:
    assert {path.name for path in (run / "arms").iterdir()} == ARMS
    for name in ARMS:
        assert (run / "arms" / name / "model/model.safetensors").is_file()
        assert (run / "arms" / name / "model/tokenizer.json").is_file()
    results = json.loads((run / "results.json").read_text())
    assert set(results["arms"]) == ARMS
    assert set(results["arms"]["gradmask"]["models"]) == {"full", "removed"}
    assert set(results["arms"]["no_filter"]["models"]) == {"full"}
    assert {arm["tokens"] for arm in results["arms"].values()} == {4 * 8 * 16}
    assert results["arms"]["gradmask"]["curve"][-1]["step"] == 4
    assert results["recipe"]["train"]["steps"] == 4
    page = (run / "report/index.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert str(run.parent) not in page.replace(str(run), ""), "no path beside those of the command and the recipe"


def test_the_same_command_again_trains_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    assert main(["train", str(run.parent / "recipe.yaml"), "--set", "train.steps=4", "--json"]) == 0
    said = capsys.readouterr()
    assert set(json.loads(said.out)["arms"]) == ARMS
    assert said.err.count("is already trained") == 4
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")} == before


def test_evaluate_for_people_and_for_programs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["report"] == str(run / "report/index.html")
    assert data["headline"]["calibrated"] is True
    assert main(["evaluate", str(run)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in ("(retain)", "(forget)", "perfect filter", "removed", "report: "):
        assert words in said


def test_report_is_made_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run / "report/index.html"
    before = page.read_bytes()
    page.unlink()
    assert main(["report", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(page)
    assert page.read_bytes() == before


def test_the_trained_model_is_checked_on_text(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "prose.txt"
    text.write_text("Once upon a time there was a lighthouse by the sea. " * 20, encoding="utf-8")
    assert main(["check", str(run), "--text", str(text), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert said["checkpoint"] == str(run / "arms/gradmask/model")
    text.write_bytes(b"caf\xe9 " * 20)
    assert main(["check", str(run), "--text", str(text)]) == 2
    assert "is not UTF-8 text" in capsys.readouterr().err
    text.write_text("a", encoding="utf-8")
    assert main(["check", str(run), "--text", str(text)]) == 2
    assert "at least 4 are needed" in capsys.readouterr().err


def test_an_export_is_a_plain_model(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plain"
    assert main(["export", str(run), str(out), "--without", "forget", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["without"] == ["forget"]
    plain = AutoModelForCausalLM.from_pretrained(out)
    partitioned = gm.load(run / "arms/gradmask/model").eval()
    ids = torch.tensor([AutoTokenizer.from_pretrained(out)("The cat")["input_ids"]])
    with torch.no_grad(), gm.without(partitioned, "forget"):
        assert torch.equal(plain(ids).logits, partitioned(ids).logits)
    with torch.no_grad():
        assert not torch.equal(plain(ids).logits, partitioned(ids).logits)
    assert main(["export", str(run), str(out)]) == 2
    assert "exists and is not empty" in capsys.readouterr().err
    assert main(["export", str(run / "arms/gradmask/model"), str(out), "--overwrite"]) == 0
    full = AutoModelForCausalLM.from_pretrained(out)
    with torch.no_grad():
        assert torch.equal(full(ids).logits, partitioned(ids).logits)


EXAMPLES = [
    line.removeprefix("gradmask ").partition("|")[0]
    for module in (export, verify, certify, purge, runs)
    for line in module.EXAMPLES.strip().splitlines()
    if not any(
        word in line for word in ("--sign", "--key", "--digest", "checkpoint-", "--yes", "demo-compared", "--compact")
    )
]


def test_the_examples_of_the_help_run_one_after_the_other(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a run that has the place of the demo's."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "runs/demo")
    codes = {line: main(shlex.split(line)) for line in EXAMPLES}
    claimed = [line for line in EXAMPLES if line.startswith("verify") and "--against" not in line]
    assert codes == {line: 3 if line in claimed else 0 for line in EXAMPLES}
    assert len(EXAMPLES) >= 7


def test_a_group_that_is_not_there(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), str(tmp_path / "x"), "--without", "forgot"]) == 2
    assert "'forgot' is not a removable group of this model. Did you mean 'forget'?" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_dry_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["train", str(run.parent / "recipe.yaml"), "--set", f"output={tmp_path}/new", "--dry-run"]
    assert main([*given, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["steps"] == 6
    assert plan["fits"] is True
    assert set(plan["seconds"]) == ARMS
    assert not (tmp_path / "new/arms").exists()
    assert main(given) == 0
    said = capsys.readouterr().out
    for words in ("Parameters", "Training tokens by data label", "Time and disk", "disk needed"):
        assert words in said


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo's own recipe, made small."""
    small = {
        "data.sources.0.megabytes": 0.02, "data.sources.0.megabytes_test": 0.01, "data.tokenizer.vocab_size": 300,
        "data.sequence_length": 32, "model.config.hidden_size": 16, "model.config.num_hidden_layers": 1,
        "model.config.intermediate_size": 128, "train.steps": 2, "train.warmup": 1, "train.batch_size": 4,
        "evaluate.sequences": 2, "evaluate.during": 2, "evaluate.calibration_steps": 2, "evaluate.samples": 0,
        "evaluate.measures": [],
    }  # fmt: skip
    changes = [word for key, value in small.items() for word in ("--set", f"{key}={value}")]
    assert main(["demo", "--out", str(tmp_path / "demo"), *changes]) == 0
    assert str(tmp_path / "demo/report/index.html") in capsys.readouterr().out.replace("\n", "")

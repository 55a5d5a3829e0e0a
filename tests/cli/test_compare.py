"""`gradmask compare` on a tiny run: everything once, nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.lab.run.tiny_run import short_unlearning, tiny_data

from gradmask.cli import main
from gradmask.lab.compare.results import read_comparison

ARMS = ["gradmask", "no_filter", "perfect_filter", "gram", "simnpo"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    recipe = tiny_data(folder)
    recipe["train"]["steps"] = 3
    recipe["evaluate"]["relearning"] = {"steps": 2, "batch_size": 2, "methods": ["full"], "learning_rates": [1e-3]}
    recipe["compare"] = {
        "arms": ARMS,
        "seeds": [0, 1],
        "measures": ["relearning"],
        "noise": {"undiscovered": [0.5]},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with short_unlearning():
        assert main(["compare", str(folder / "recipe.yaml")]) == 0
    return folder


def test_every_arm_has_every_seed(compared: Path) -> None:
    found = read_comparison(compared / "run-compared/compare.json")
    assert found.missing == []
    main_setting = found.settings["main"]
    assert {r.arm for r in main_setting.rivals.values()} == set(ARMS)
    assert {r.view for r in main_setting.rivals.values() if r.arm == "gram"} == {"full", "removed"}
    assert all(set(r.losses["forget"].values) == {0, 1} for r in main_setting.rivals.values())
    assert set(main_setting.rivals["simnpo"].tuned) == {0, 1}
    assert {r.arm for r in found.settings["undiscovered-50"].rivals.values()} == {"gradmask", "filter"}
    values = main_setting.rivals["no_filter"].losses["retain"].values
    assert values[0] != values[1]


def test_a_run_is_an_ordinary_run(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = compared / "run-compared/main/seed-1"
    assert main(["export", str(folder), str(compared / "exported"), "--without", "forget"]) == 0
    assert main(["evaluate", str(folder), "--measures", "none", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["arms"]) == set(ARMS)


def test_what_is_finished_is_not_repeated(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = {p: p.stat().st_mtime_ns for p in compared.rglob("*.safetensors")}
    recipe = str(compared / "recipe.yaml")
    assert main(["compare", recipe, "--json"]) == 0
    assert {p: p.stat().st_mtime_ns for p in compared.rglob("*.safetensors")} == weights
    said = json.loads(capsys.readouterr().out)
    assert Path(said["page"]).is_file()
    assert main(["compare", recipe, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["seconds"] == 0
    assert [row["run"] for row in plan["runs"]] == ["main/seed-0", "main/seed-1", "undiscovered-50/seed-0"]


def test_fewer_arms_of_the_same_runs_need_no_training(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = {p: p.stat().st_mtime_ns for p in compared.rglob("*.safetensors")}
    fewer = "compare.arms=[gradmask, no_filter, perfect_filter, simnpo]"
    assert main(["compare", str(compared / "recipe.yaml"), "--set", fewer, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    arms = {r["arm"] for r in said["settings"]["main"]["rivals"].values()}
    assert arms == {"gradmask", "no_filter", "perfect_filter", "simnpo"}
    assert {p: p.stat().st_mtime_ns for p in compared.rglob("*.safetensors")} == weights


def test_the_table_is_for_people(
    compared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["compare", str(compared / "recipe.yaml"), "--only", "main/*"]) == 0
    out = capsys.readouterr().out
    assert "Over 2 seeds" in out
    assert "GRAM, removed" in out


def test_a_wrong_pattern_is_told(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(compared / "recipe.yaml"), "--only", "seed-7"]) == 2
    assert "no run of the comparison matches 'seed-7'" in capsys.readouterr().err.replace("\n", " ")


def test_a_study_alone_says_what_it_lacks(compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(compared / "recipe.yaml")
    given = ["compare", recipe, "--set", f"output={tmp_path / 'alone'}", "--only", "undiscovered-50/*"]
    assert main(given) == 0
    assert "needs at least one with the recipe's own labels" in capsys.readouterr().err.replace("\n", " ")

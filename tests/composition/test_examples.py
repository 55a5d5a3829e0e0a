"""Every example runs, and what it prints is what it promises."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
from tests.lab.run.tiny_run import tiny_recipe

from gradmask.lab.run.driver import train

EXAMPLES = Path(__file__).parents[2] / "examples"
LAUNCHED = {"ddp_loop", "fsdp2_loop"}  # by torchrun: tests/distributed/test_examples.py
OTHERS = {"toy", "esm2_forward_mask", "distinctive_words", "serve_with_rights", "plant_facts"}
NOTEBOOKS = (
    "removable_language",
    "removable_topic",
    "two_skills",
    "customer_documents",
    "protein_family",
    "grpo_reward_hack",
)
"""Scripts in cells, whose notebooks ``make notebooks`` writes."""
SCRIPTS = sorted(
    path.stem for path in EXAMPLES.glob("*.py") if path.stem not in {*OTHERS, *LAUNCHED, *NOTEBOOKS, "small"}
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_removes_its_language(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "trl_sft":
        pytest.importorskip("trl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    losses = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()
    assert losses["retain"] < 1.0
    assert losses["forget"] < 1.0
    assert losses["retain without"] < losses["retain"] + 0.1
    assert losses["forget without"] > losses["forget"] + 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_in_cells_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two steps: what it computes means nothing, but every cell runs, and it says what was removed and what it cost."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("EXAMPLE_STEPS", "3")
    runpy.run_path(str(EXAMPLES / f"{name}.py"))
    said = capsys.readouterr().out
    assert "removed: " in said
    assert "cost: " in said
    if name == "customer_documents":
        assert "bit for bit: True" in said


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_its_script_with_output(path: Path) -> None:
    """Made by ``make notebooks``: the script's cells in their order, each run without an error, and small."""
    assert path.stat().st_size < 200_000
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    script = path.with_suffix(".py").read_text(encoding="utf-8")
    for cell in code:
        assert "".join(cell["source"]).strip() in script
    assert len(code) == len(re.findall(r"^# %%$", script, re.MULTILINE))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert "removed: " in "".join("".join(output.get("text", "")) for output in outputs)
    assert "stderr" not in {output.get("name") for output in outputs}  # warnings name folders of the machine


@pytest.mark.slow
def test_without_forward_masks_a_protein_model_does_not_survive_the_removal() -> None:
    """A published port never masked the forward pass on retain data and declared the method not viable."""
    found = runpy.run_path(str(EXAMPLES / "esm2_forward_mask.py"))["main"](steps=300)
    assert found["strict"]["removed"] < 5
    assert found["strict, rehearsal"]["removed"] < 5
    assert found["strict, rehearsal"]["full"] < found["strict"]["full"]
    assert found["equation_only"]["removed"] > 2 * found["strict"]["removed"]


def test_planted_facts_are_found_by_removal() -> None:
    script = runpy.run_path(str(EXAMPLES / "plant_facts.py"))
    found = script["main"](known=12, count=4, width=48, steps=100, planting=140)
    assert found["found"] == found["planted"] == "c"
    rows = found["rows"]
    assert rows["before planting"][0] < 0.3
    assert rows["planted"][0] > 0.8
    for name in ("a", "b", "d"):
        assert rows[f"without {name}"][0] > 0.7
    assert rows["without c"][0] < 0.3
    assert min(known for _, known in rows.values()) > 0.8
    assert all(".mlp." in name and name.split(".")[2] in "23" for name in found["weights"])


def test_a_run_says_how_much_of_the_gap_stands_in_distinctive_words(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[no_filter, perfect_filter]", "train.steps=4"))
    script = runpy.run_path(str(EXAMPLES / "distinctive_words.py"))
    found = script["main"](str(tmp_path / "run"), (1.01, 2.0, 1e9))
    assert found[1.01][0] > found[2.0][0] > 0
    assert found[1e9] == (0.0, 0.0)

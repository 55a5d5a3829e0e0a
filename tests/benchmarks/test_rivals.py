"""The one command for the table of rivals: what it runs, and what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import rivals
from gradmask.lab.compare.evidence import numbers
from gradmask.lab.compare.results import Compared, Rival
from gradmask.lab.compare.statistics import Estimate
from gradmask.lab.recipe.arms import ARMS
from gradmask.lab.recipe.loading import load_recipe


def rival(arm: str, gap: float, view: str = "full") -> Rival:
    seeds, kept = {0: gap - 0.1, 1: gap + 0.1}, -0.0126 if view == "removed" else -0.25
    return Rival(
        arm=arm,
        view=view,
        title=f"the {arm}",
        losses={},
        differences={"retain": Estimate(mean=kept, values={0: kept})},
        gap_closed=Estimate(mean=gap, low=gap - 0.2, high=gap + 0.2, values=seeds),
        evidence={"PrivLeak": Estimate(mean=-12.34, low=-14.34, high=-10.34, values=seeds)},
    )


def test_the_table_has_every_removed_model_the_best_first() -> None:
    series = {
        "no filter": rival("no_filter", 0.0),
        "full": rival("gradmask", 0.1),
        "removed": rival("gradmask", 0.9, "removed"),
        "npo": rival("npo", 0.5),
    }
    compared = Compared(kind="main", changes={}, undiscovered=0.2, false_positives=0.0, seeds=[0, 1], rivals=series)
    lines = rivals.table(compared).splitlines()
    assert lines[0].startswith("| rival | gap closed | retain loss over no filter |")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["the gradmask", "the npo", "the no_filter"]
    assert lines[2] == "| the gradmask | 90 ± 20 % | −0.013 | - | - | - | −12.3 ± 2.0 | −0.250 | - |"
    assert lines[3].endswith("| - | - |")


def test_the_numbers_are_those_of_measures() -> None:
    assert "PrivLeak" in numbers()


def test_it_compares_every_arm_on_the_shipped_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(rivals, "command", lambda words: seen.append(words) or 0)
    rivals.main([str(tmp_path), "--dry-run", "--set", "train.steps=200"])
    assert len(seen) == 2
    for words, name in zip(seen, rivals.NAMES, strict=True):
        changes = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        recipe = load_recipe(words[1], changes)
        assert (recipe.name, recipe.train.steps, words[-1]) == (name, 200, "--dry-run")
        assert recipe.compare.arms == list(ARMS)
        assert recipe.compare.seeds == [0, 1, 2]
        assert set(rivals.MEASURES) == set(recipe.compare.measures)

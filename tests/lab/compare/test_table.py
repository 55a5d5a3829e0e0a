"""From invented results of single runs to what they say together, against numbers worked out by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.lab.measures.fabricated import arm, arms, measured, model_findings, relearning, results
from tests.lab.run.tiny_run import tiny_recipe

from gradmask.errors import GradmaskError
from gradmask.lab.compare import table
from gradmask.lab.compare.figures import FIGURES
from gradmask.lab.compare.page import render, write_page
from gradmask.lab.compare.results import Comparison, read_comparison
from gradmask.lab.compare.runs import recipe_of, runs_of
from gradmask.lab.compare.table import comparison, removed_rivals
from gradmask.lab.compare.words import COLUMNS, cells, evidence_of, markdown, ordered, table_of, verdict
from gradmask.lab.measures.comparisons.leakage import Leakage, Rung
from gradmask.lab.measures.results import Results
from gradmask.lab.recipe.spec import Recipe

CHANGES = (
    "compare.seeds=[0, 1]",
    "compare.arms=[gradmask, no_filter, filter, perfect_filter, npo]",
    "compare.noise.undiscovered=[0.4]",
    "compare.noise.true_positives=[0.9]",
    "compare.noise.false_positives=[0.1]",
)


def invented(seed: int) -> Results:
    """`measured` with an unlearning arm; a seed moves its forget loss."""
    found = arms()
    found["npo"] = arm("NPO", {"full": {"en": ("retain", 4.30), "es": ("forget", 5.25 + seed)}})
    run = without_ladder(measured(arms=found))
    run.arms["npo"].findings["full"] = model_findings(5.25).model_copy(update={"relearning": relearning(5.25, 3.0)})
    run.arms["gradmask"].findings["removed"] = model_findings(6.5).model_copy(
        update={"relearning": relearning(6.5, None)}
    )
    return run


def without_ladder(run: Results) -> Results:
    return run.model_copy(update={"findings": run.findings.model_copy(update={"leakage": None})})


def study() -> Results:
    """Two arms under other labels."""
    found = {name: a for name, a in arms().items() if name in ("gradmask", "filter")}
    labels = [{"domain": "es", "role": "forget", "labeled forget": 120_000, "unlabeled": 80_000, "tokens": 200_000}]
    return results(arms=found, labels=labels)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    recipe = tiny_recipe(tmp_path, *CHANGES)
    found = {}
    for unit in runs_of(recipe):
        found[recipe_of(recipe, unit).output] = invented(unit.seed) if unit.setting.kind == "main" else study()
    monkeypatch.setattr(table, "results_of", lambda own: found.get(own.output))
    path = Path(recipe_of(recipe, runs_of(recipe)[0]).output) / "arms/npo/tuning.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"chosen": {"steps": 16}}))
    return recipe


@pytest.fixture
def found(recipe: Recipe) -> Comparison:
    return comparison(recipe, "gradmask compare recipe.yaml")


def test_gaps_and_differences_are_against_the_same_seeds_baselines(found: Comparison) -> None:
    main = found.settings["main"]
    npo, ours = main.rivals["npo"], main.rivals["gradmask/removed"]
    assert npo.gap_closed is not None
    assert ours.gap_closed is not None
    assert npo.gap_closed.values == pytest.approx({0: (5.25 - 4.25) / (6.71 - 4.25), 1: (6.25 - 4.25) / (6.71 - 4.25)})
    assert ours.gap_closed.mean == pytest.approx((6.51 - 4.25) / (6.71 - 4.25))
    assert ours.differences["retain"].mean == pytest.approx(4.22 - 4.16)
    assert main.rivals["no_filter"].gap_closed.mean == 0  # type: ignore[union-attr]
    assert main.rivals["perfect_filter"].gap_closed.mean == 1  # type: ignore[union-attr]
    assert npo.tuned == {0: {"chosen": {"steps": 16}}}
    assert main.seeds == [0, 1]
    assert found.missing == []


def test_other_labels_are_measured_against_the_baselines_of_the_recipes_own(found: Comparison) -> None:
    sweep = found.settings["undiscovered-40"]
    assert sweep.undiscovered == 0.4
    assert sweep.seeds == [0]
    assert sweep.rivals["filter"].gap_closed.mean == pytest.approx((4.94 - 4.25) / (6.71 - 4.25))  # type: ignore[union-attr]


def test_relearning_counts_the_whole_budget_where_nothing_came_back(found: Comparison) -> None:
    main = found.settings["main"].rivals
    ours = main["gradmask/removed"]
    assert ours.relearning is not None
    assert ours.relearning.mean == 16.0
    assert ours.not_relearned == 2
    assert ours.relearning_ratio is not None
    assert ours.relearning_ratio.mean == pytest.approx(16 / 12)
    assert main["npo"].relearning_ratio.mean == pytest.approx(3 / 12)  # type: ignore[union-attr]
    assert main["perfect_filter"].most_ratio.mean == 1.0  # type: ignore[union-attr]
    assert ours.most is not None
    assert ours.most.mean == 16.0, "1.6 nats in 16 steps are less than nine tenths of the way to 4.4"
    assert ours.targets == {0: 4.4, 1: 4.4}
    assert cells(ours)[COLUMNS.index("steps to relearn")] == "≥ 16 ± 0"


def test_leakage_is_read_from_the_filters_of_every_setting(found: Comparison) -> None:
    filters = {name: s.rivals["filter"].leakage for name, s in found.settings.items() if s.kind != "rates"}
    assert filters["main"] is not None
    ours = found.settings["main"].rivals["gradmask/removed"].leakage
    assert ours is not None
    assert 0 < ours.mean < 1
    share = (6.71 - 6.51) / (6.71 - 4.94)
    # Seed 0 has two rungs of one loss, at 40,000 and 80,000 tokens, of which the larger counts; seed 1 only the first.
    assert ours.values == pytest.approx({0: share * 80_000 / 40_000, 1: share})


def test_rungs_that_the_runs_have_trained_make_leakage_sharper(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table.results_of

    def finer(own: Recipe) -> Results | None:
        run = before(own)
        if run is None or "gradmask" not in run.arms or "perfect_filter" not in run.arms:
            return run
        ladder = Leakage(ladder=[Rung(tokens=10_000, loss=6.0)], undiscovered_tokens=40_000, leaks={})
        return run.model_copy(update={"findings": run.findings.model_copy(update={"leakage": ladder})})

    monkeypatch.setattr(table, "results_of", finer)
    ours = comparison(recipe, "").settings["main"].rivals["gradmask/removed"].leakage
    assert ours is not None
    expected = (6.71 - 6.51) / (6.71 - 6.0) * 10_000 / 40_000
    assert ours.values == pytest.approx({0: expected, 1: expected})


def test_what_was_found_of_single_models_has_a_mean_over_seeds(found: Comparison) -> None:
    main = found.settings["main"]
    ours = main.rivals["gradmask/removed"].evidence
    one = model_findings(6.5)
    assert one.quantization is not None
    assert one.membership is not None
    assert ours["regained by int4"].mean == pytest.approx(
        one.quantization.before["forget"] - one.quantization.after["int4"]["forget"]
    )
    assert ours["membership, loss"].values == {0: one.membership.loss_auc, 1: one.membership.loss_auc}
    columns, rows = evidence_of(main)
    assert len(rows) == len([r for r in main.rivals.values() if r.evidence])
    assert "gain in context" in columns
    assert markdown(found).count("| gain in context |") == 1, "the study measured nothing of single models"
    assert evidence_of(found.settings["undiscovered-40"]) == ([], [])


def test_signs_of_too_much_name_their_run(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table.results_of

    def flagged(own: Recipe) -> Results | None:
        run = before(own)
        if run is None or own.train.seed != 1:
            return run
        return run.model_copy(update={"findings": run.findings.model_copy(update={"flags": ["NPO: is empty"]})})

    monkeypatch.setattr(table, "results_of", flagged)
    found = comparison(recipe, "")
    assert found.flags == ["main/seed-1: NPO: is empty"]
    page = render(found, {})
    assert "<li>main/seed-1: NPO: is empty</li>" in page
    assert "What was found of each" in page


def test_columns_that_nobody_fills_are_not_shown(found: Comparison) -> None:
    columns, rows = table_of(found.settings["main"])
    assert "adjacent, against no filter" not in columns
    assert "retain, against no filter" in columns
    assert all(len(row) == len(columns) for _, row in rows)
    assert any(cell != "–" for _, row in rows for cell in [row[columns.index("leakage")]])


def test_the_best_removal_comes_first(found: Comparison) -> None:
    best = removed_rivals(found.settings["main"])
    assert [r.title for r in best] == ["perfect filter", "gradmask, removed", "NPO", "filter, same labels"]
    assert len(ordered(found.settings["main"])) == 6


def test_the_verdict_says_what_was_compared(found: Comparison) -> None:
    said = " ".join(verdict(found))
    full = found.settings["main"].rivals["gradmask/full"].differences
    word = {role: "better" if full[role].mean < 0 else "worse" for role in ("forget", "retain")}
    assert f"is {abs(full['forget'].mean):.3f} nats {word['forget']} than no filter on what is removed" in said
    assert f"{abs(full['retain'].mean):.3f} nats {word['retain']} on what is kept" in said
    assert said.startswith("Over 2 seeds, removal closes 92 % [92, 92] of the gap")
    assert "None of 2 rivals is better both" in said
    # to 4.41, nine tenths of 4.5 to 4.4: the perfect filter 0.9 steps, NPO 8.4 from 5.25, gradmask not within 16
    assert "takes 17.78 ± 0.00 times the steps of the perfect filter" in said
    assert "after the best unlearning (NPO), 9.33 ± 0.00 times" in said
    single = found.model_copy(deep=True)
    del single.settings["main"].rivals["npo"]
    assert "No rival (filter, same labels) is better both" in " ".join(verdict(single))
    lone = found.model_copy(deep=True)
    lone.settings["main"].rivals.pop("gradmask/removed")
    assert verdict(lone)[0].startswith("There is no verdict")


def test_a_better_rival_is_named(found: Comparison) -> None:
    main = found.settings["main"].rivals
    main["npo"].gap_closed = main["perfect_filter"].gap_closed
    main["npo"].differences["retain"] = main["no_filter"].differences["retain"]
    assert "Better on both counts: NPO." in verdict(found)


def test_what_is_not_finished_is_missing(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    some = table.results_of
    monkeypatch.setattr(table, "results_of", lambda own: None if own.output.endswith("seed-1") else some(own))
    found = comparison(recipe, "x")
    assert found.missing == ["main/seed-1"]
    assert found.settings["main"].rivals["npo"].gap_closed.low is None  # type: ignore[union-attr]
    monkeypatch.setattr(table, "results_of", lambda own: None)
    with pytest.raises(GradmaskError, match="no run with the recipe's own labels is finished"):
        comparison(recipe, "x")


def test_the_page_stands_alone_and_its_numbers_beside_it(found: Comparison, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    text = write_page(found, folder).read_text(encoding="utf-8")
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.count("<figure") == len(FIGURES) == len(list((folder / "figures").iterdir()))
    assert "Removing es failed, with every one of 2 seeds." in text
    for heading in (
        "Every model",
        "With 40 % of what must go not labeled",
        "With 10 % not labeled and 10 % labeled by mistake",
    ):
        assert f"{heading}</h2>" in re.sub(r"\s*</h2>", "</h2>", text)
    assert text.index("gradmask, removed</th>") < text.index("perfect filter</th>"), "the product's rows first"
    assert text.index('id="samples"') < text.index('id="frontier"')
    assert (folder / "preview.png").read_bytes().startswith(b"\x89PNG")
    assert "gradmask compare recipe.yaml" in text
    tables = (folder / "tables.md").read_text(encoding="utf-8")
    assert "| gradmask, removed | 92 % [92, 92] |" in tables
    assert "adjacent" not in tables, "a column that nobody fills"
    assert tables.count("###") == 3
    rows = (folder / "data/frontier.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("rival,gap_closed,gap_closed_low")
    assert len(rows) == 1 + 4
    assert read_comparison(folder / "compare.json") == found
    fewer = found.model_copy(update={"settings": {"main": found.settings["main"]}})
    write_page(fewer, folder)
    assert {p.stem for p in (folder / "figures").iterdir()} == {"summary", "frontier", "recovery", "relearning"}


def test_a_damaged_comparison_is_told(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match=r"cannot be read \(No such file"):
        read_comparison(tmp_path / "compare.json")
    (tmp_path / "compare.json").write_text('{"name": 3}')
    with pytest.raises(GradmaskError, match="is not a comparison"):
        read_comparison(tmp_path / "compare.json")

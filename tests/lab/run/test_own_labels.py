"""Whole runs from labels as people have them, with and without the truth beside them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lab.measures.fabricated import arms
from tests.lab.run.own_run import corpus, finished, labels, own_recipe
from tests.lab.run.tiny_run import Doing, tiny_recipe

from gradmask.data import prepare
from gradmask.errors import GradmaskError
from gradmask.lab.measures.headline import headline
from gradmask.lab.measures.results import Results
from gradmask.lab.recipe.problems import RecipeError
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.report.words import verdict
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.evaluating import evaluate_run
from gradmask.lab.run.plan import make_plan

NO_PERFECT = "There is no perfect filter, because the truth of the training data is not known"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Results, str]:
    """A run from labels alone."""
    folder = tmp_path_factory.mktemp("own")
    recipe = own_recipe(folder, corpus(folder / "x.jsonl", label=labels), {"label_field": "label"})
    return recipe, *finished(recipe)


def test_a_run_from_own_labels_needs_no_truth_and_invents_none(own: tuple[Recipe, Results, str]) -> None:
    recipe, results, page = own
    assert recipe.arms == list(results.arms) == ["gradmask", "no_filter", "filter"]
    assert {d: r.role for d, r in results.arms["filter"].models["full"].items()} == {
        "forget": "forget",
        "retain": "retain",
    }
    h = results.headline
    assert h.gap_closed is h.filter_gap_closed is None
    assert (h.gap_closed_to_filter is None) == any("no gap to close" in remark for remark in h.remarks)
    assert results.findings.leakage is None
    for line in (
        "Labels as given (from the sources), of 60 documents to train on: 20 forget, 20 retain, 20 unlabeled.",
        "The truth is not known: held-out text is measured by its label, with its mistakes; 20 of 60 documents have no label",
        f"{NO_PERFECT}: what is measured against it (the gap, its part of relearning, leakage) is left out, and gap "
        "closed is given against the filter with the same labels.",
        "filter, same labels: text that is not labeled forget, without data labels",
    ):
        assert line in " ".join(results.about_labels)
        assert line in page
    assert "perfect filter</" not in page, "no row, tile or mark of one"
    assert "the truth is not known" in verdict(results)[0] or verdict(results)[0].startswith("There is no verdict")


def test_the_gap_is_named_by_what_it_is_measured_against(own: tuple[Recipe, Results, str]) -> None:
    some = {name: arm for name, arm in arms().items() if name != "perfect_filter"}
    results = own[1].model_copy(update={"arms": some, "headline": headline(some), "verdict": None})
    assert results.headline.gap_closed_to_filter == pytest.approx((6.51 - 4.25) / (4.94 - 4.25))
    assert results.headline.gap_closed is None
    sentences = verdict(results)
    assert "Removal is measured against the filter with the same labels: the truth is not known." in sentences[0]
    assert "never saw" not in sentences[0]
    assert (
        "goes 328 % of the way from a model trained on everything to the filter with the same labels." in sentences[1]
    )


def test_the_plan_and_the_log_say_what_is_known(own: tuple[Recipe, Results, str]) -> None:
    recipe, results, _ = own
    plan = make_plan(recipe)
    assert plan.notices == results.about_labels
    watcher = Doing()
    watcher.train(recipe)
    assert watcher.messages[: len(plan.notices)] == plan.notices


def test_leakage_is_left_out_with_a_sentence(own: tuple[Recipe, Results, str]) -> None:
    results = evaluate_run(RunFolder.of(own[0]), ["evaluate.measures=[leakage]"])
    assert results.findings.leakage is None
    assert results.findings.notes == [
        "leakage: it takes the truth of every training sequence, and labels as given do not tell; it is measured where labels are "
        "simulated (data.simulate)"
    ]


def test_scores_of_two_groups(tmp_path: Path) -> None:
    def score(group: str) -> Any:
        return lambda language, i: 0.5 if i % 3 == 2 else 0.95 if language == group else 0.05

    file = corpus(tmp_path / "x.jsonl", "en es de", p_es=score("es"), p_de=score("de"))
    source = {"score_field": {"spanish": "p_es", "german": "p_de"}}
    thresholds = {"spanish": {"above": 0.9, "retain_below": 0.1}, "german": {"above": 0.9, "retain_below": 0.1}}
    results, page = finished(own_recipe(tmp_path, file, source, labels={"thresholds": thresholds}))
    assert set(results.arms["gradmask"].models["removed"]) == {"spanish", "german", "retain"}
    assert set(results.arms["gradmask"].parameters) == {"retain", "joint", "spanish", "german"}
    assert "of 90 documents to train on: 20 german, 20 spanish, 20 retain, 30 unlabeled" in page


def test_the_truth_makes_a_perfect_filter_and_changes_nothing_that_gradmask_trains_on(tmp_path: Path) -> None:
    def mistaken(language: str, i: int) -> str | None:
        return "retain" if language == "es" and i % 5 == 0 else labels(language, i)

    def truth(language: str, i: int) -> str:
        return "forget" if language == "es" else "retain"

    file = corpus(tmp_path / "x.jsonl", label=mistaken, truth=truth)
    source = {"label_field": "label"}
    with_truth = own_recipe(tmp_path, file, {**source, "truth_field": "truth"})
    assert with_truth.arms == ["gradmask", "no_filter", "filter", "perfect_filter"]
    _, page = finished(with_truth)
    assert "Held-out text is measured by the truth, known of 60 of 60 documents." in page
    assert NO_PERFECT not in page
    assert "perfect filter" in page
    known, unknown = (
        prepare(recipe.data, tmp_path / name)
        for name, recipe in (("with", with_truth), ("without", own_recipe(tmp_path, file, source)))
    )
    for column in ("input_ids", "data_labels", "domain", "role"):
        assert np.array_equal(known.train[column], unknown.train[column]), column
    assert known.label_rates == {"forget": {"true_positives": 16 / 30, "false_positives": 0.0}}
    perfect = known.training_set("truly_not_forget")
    text = known.tokenizer.decode(np.concatenate(perfect["input_ids"]))
    assert "dog" in text
    assert "gato" not in text
    with pytest.raises(
        GradmaskError, match="the truth of 60 training documents is not known, so there is no perfect filter"
    ):
        unknown.training_set("truly_not_forget")


def test_a_perfect_filter_that_a_recipe_asks_for_needs_the_truth(tmp_path: Path) -> None:
    file = corpus(tmp_path / "x.jsonl", label=labels)
    for change, path in (
        ("arms=[gradmask, perfect_filter]", "arms"),
        ("compare.arms=[no_filter, perfect_filter, filter]", "compare.arms"),
    ):
        with pytest.raises(
            RecipeError, match="but the truth is not known, needed: the truth of all documents"
        ) as error:
            own_recipe(tmp_path, file, {"label_field": "label"}, change)
        assert [problem.path for problem in error.value.problems] == [path]
    with pytest.raises(
        RecipeError, match="compare.noise .*studies of labels draw them from the truth, needed: data.simulate"
    ):
        own_recipe(tmp_path, file, {"label_field": "label"}, "compare.noise.undiscovered=[0.5]")
    compared = own_recipe(tmp_path, file, {"label_field": "label"}).compare.arms
    assert "perfect_filter" not in compared
    assert {"no_filter", "filter", "rmu"} <= {*compared}


def test_simulated_labels_say_what_they_hide(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "train.steps=2", "arms=[no_filter]")
    watcher = Doing()
    watcher.train(recipe)
    (line,) = [line for line in watcher.messages if "data.simulate" in line]
    assert re.fullmatch(
        r"data.simulate hides labels: \d+ of 24 forget training documents and \d+ of 24 others are trained on without their label "
        r"\(drawn with seed 0\). The domain is taken for the truth.",
        line,
    )
    assert line in make_plan(recipe).notices

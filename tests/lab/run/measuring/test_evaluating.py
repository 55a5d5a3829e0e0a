"""Measuring a tiny run of four arms: what is kept, what is measured again, and what compares the arms."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.lab.run.tiny_run import Doing, tiny_recipe

import gradmask as gm
from gradmask.data.arrow import column
from gradmask.data.spec import SimulateSpec
from gradmask.lab.measures.comparisons.compute import compute
from gradmask.lab.measures.findings import Findings
from gradmask.lab.measures.registry import names, of_a_model
from gradmask.lab.measures.results import Results, read_results
from gradmask.lab.run.driver import train
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring import evaluating, examination
from gradmask.lab.run.measuring.amounts import suite_of
from gradmask.lab.run.measuring.evaluating import attack_run, changed_recipe, evaluate_run
from gradmask.lab.run.measuring.examination import Job, jobs
from gradmask.lab.run.measuring.ladder import Ladder, forget_tokens, rung_data
from gradmask.lab.run.training import Training

ARMS = ["gradmask", "no_filter", "filter", "perfect_filter"]
SMALL = [
    "evaluate.relearning.steps=2", "evaluate.relearning.batch_size=2", "evaluate.relearning.points=2",
    "evaluate.relearning.methods=[full]", "evaluate.relearning.learning_rates=[0.001]",
]  # fmt: skip
ALL = [*SMALL, f"evaluate.measures=[{', '.join(names())}]", "evaluate.ladder=[0.5]"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    recipe = tiny_recipe(folder, "train.eval_every=1", "train.learning_rate=1e-2")
    train(recipe)
    return Path(recipe.output)


@pytest.fixture(scope="module")
def measured(trained: Path) -> Results:
    return evaluate_run(RunFolder(trained), changes=ALL)


def test_every_model_has_the_findings_that_make_sense_for_it(measured: Results) -> None:
    found = {(a, v): f for a, arm in measured.arms.items() for v, f in arm.findings.items()}
    assert set(found) == {*((a, "full") for a in ARMS), ("gradmask", "removed")}
    attacked = {key for key, f in found.items() if f.relearning is not None}
    assert attacked == {("gradmask", "removed"), ("filter", "full"), ("perfect_filter", "full")}
    assert {key for key, f in found.items() if f.gradients is not None} == {("gradmask", "full")}
    assert all(f.membership and f.extraction and f.probes and f.context and f.generations for f in found.values())
    removed = found["gradmask", "removed"].relearning
    assert removed is not None
    assert removed.target is not None
    assert removed.strongest.area is not None
    never_trained = found["perfect_filter", "full"].relearning
    assert never_trained is not None
    assert never_trained.strongest.area == 0


def test_arms_are_compared(measured: Results) -> None:
    names = {"gradmask/full", "gradmask/removed", *ARMS[1:]}
    leakage, spent = measured.findings.leakage, measured.findings.compute
    assert leakage is not None
    assert set(leakage.leaks) == names
    assert leakage.leaks["filter"].value == pytest.approx(1) or leakage.leaks["filter"].value > 0
    assert len(leakage.ladder) == 4
    assert spent is not None
    assert set(spent.ratios) == names
    assert spent.ratios["no_filter"]["forget"].value == 1
    assert set(spent.elicited) == {"gradmask/removed", "filter", "perfect_filter"}
    assert read_results(Path(measured.recipe["output"]) / "results.json") == measured


def test_what_was_measured_is_kept(measured: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(Path(measured.recipe["output"]))
    monkeypatch.setattr(examination, "examine", lambda *a, **k: pytest.fail("measured again"))
    again = evaluate_run(folder, changes=ALL)
    assert again.arms == measured.arms
    fewer = evaluate_run(folder, changes=[*SMALL, "evaluate.measures=[]"])
    assert fewer.arms["gradmask"].findings == measured.arms["gradmask"].findings
    assert fewer.findings.compute is None
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        evaluate_run(folder, changes=[*ALL, "evaluate.preset=standard"])
    finding = next((folder.path / "evidence").iterdir())
    finding.write_text("{", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        evaluate_run(folder, changes=ALL)


@pytest.mark.slow
def test_attacks_alone(trained: Path, measured: Results, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    shutil.rmtree(copy / "evidence")
    watcher = Doing()
    with watcher.watching():
        found = attack_run(RunFolder(copy), SMALL)
    assert found.arms["gradmask"].models == measured.arms["gradmask"].models
    removed = found.arms["gradmask"].findings["removed"]
    assert removed.relearning == measured.arms["gradmask"].findings["removed"].relearning
    assert removed.membership is None
    assert not any("calibrating" in line for line in watcher.statuses)
    assert found.command.endswith(
        f"gradmask attack {copy} --set " + " --set ".join(f"'{c}'" if "[" in c else c for c in SMALL)
    )
    assert any("of 26: gradmask, removed model: relearning 1 of 2" in line for line in watcher.statuses)


def test_tasks_are_run_on_every_model(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple] = []

    def harness(model: object, tokenizer: object, *given: object) -> dict[str, dict[str, float]]:
        asked.append(given)
        return {"quiz": {"acc": 0.5}}

    monkeypatch.setattr(evaluating, "check_tasks", lambda tasks: None)
    monkeypatch.setattr(evaluating, "evaluate_tasks", harness)
    changes = ["evaluate.measures=[]", "evaluate.tasks=[quiz]", "evaluate.tasks_limit=3", "evaluate.tasks_path=here"]
    found = evaluate_run(RunFolder(trained), changes=changes)
    assert set(found.findings.tasks) == {"gradmask/full", "gradmask/removed", *ARMS[1:]}
    assert all(tasks == {"quiz": {"acc": 0.5}} for tasks in found.findings.tasks.values())
    assert {given[1] for given in asked} == {"full", "removed"}
    assert all(given == (["quiz"], given[1], "here", 3, 32) for given in asked)


def test_only_the_evaluate_section_can_be_changed(trained: Path) -> None:
    with pytest.raises(gm.GradmaskError, match=r"train.steps=9: the run is trained; only keys of evaluate"):
        changed_recipe(RunFolder(trained), ["train.steps=9"])
    with pytest.raises(gm.GradmaskError, match="evaluate.measures"):
        changed_recipe(RunFolder(trained), ["evaluate.measures=[membershp]"])


def test_jobs_leave_out_what_makes_no_sense() -> None:
    every = jobs(["gradmask", "no_filter", "rmu"], of_a_model())
    assert Job("gradmask", "removed", "relearning") in every
    assert Job("rmu", "full", "relearning") in every
    assert Job("no_filter", "full", "relearning") not in every
    assert Job("gradmask", "full", "quantization") not in every
    assert Job("no_filter", "full", "context") in every
    assert jobs(["no_filter"], ["relearning"]) == []


def test_a_recipe_changes_its_preset(tmp_path: Path) -> None:
    changes = ["evaluate.preset=standard", "evaluate.relearning.mixes=[forget]", "evaluate.calibration_steps=0"]
    settings = suite_of(tiny_recipe(tmp_path, *changes).evaluate, seed=3)
    assert settings.relearning.mixes == ("forget",)
    assert settings.relearning.steps == suite_of(tiny_recipe(tmp_path, *changes[:1]).evaluate).relearning.steps
    assert (settings.calibration, settings.seed, settings.relearning.seed) == (None, 3, 3)


def test_a_rung_is_all_that_is_kept_and_a_share_of_the_rest(trained: Path) -> None:
    recipe = RunFolder(trained).recipe()
    prepared = Training(recipe, RunFolder(trained)).prepared
    groups = column(prepared.train, "group")
    small, large = (rung_data(prepared.train, share, 0) for share in (0.25, 0.75))
    assert (column(small, "group") == 0).sum() == (groups == 0).sum()
    assert len(small) < len(large) < len(prepared.train)
    rows = [
        {tuple(r) for r in np.asarray(part.with_format("numpy")["input_ids"][:]).tolist()} for part in (small, large)
    ]
    assert rows[0] <= rows[1]
    assert forget_tokens(small) == round(0.25 * (groups > 0).sum()) * 16
    assert 0 < forget_tokens(prepared.train, unlabeled=True) < forget_tokens(prepared.train)


def test_a_ladder_is_shared_by_runs_with_other_labels(trained: Path, measured: Results) -> None:
    cache = trained.parent / "ladder"
    assert len(list(cache.glob("rung-*/arms/no_filter/model"))) == 1
    recipe = RunFolder(trained).recipe()
    noise = SimulateSpec(undiscovered=0.4, retain_labeled=0.1)
    other = recipe.model_copy(update={"data": recipe.data.model_copy(update={"simulate": noise})})
    watcher = Doing()
    with watcher.watching():
        arm, tokens = Ladder(other, 6, cache).trained(0.5)
    assert arm.finished
    assert watcher.messages == watcher.steps == []
    assert tokens > 0
    longer = recipe.model_copy(update={"train": recipe.train.model_copy(update={"learning_rate": 1e-3})})
    assert Ladder(longer, 6, cache).fingerprint(0.5) != Ladder(recipe, 6, cache).fingerprint(0.5)


def test_ends_of_several_sizes_are_fitted(trained: Path, measured: Results, tmp_path: Path) -> None:
    other = measured.model_copy(deep=True)
    end = other.arms["no_filter"]
    end.parameters = {"retain": 4 * sum(end.parameters.values())}
    for result in end.models["full"].values():
        result.calibrated_loss = (result.calibrated_loss or 0) / 2
    (tmp_path / "results.json").write_text(other.model_dump_json(), encoding="utf-8")
    found = compute([str(tmp_path)], measured.arms)
    assert found.source == "sizes"
    assert found.laws["forget"].b == pytest.approx(0.5)
    with pytest.raises(gm.GradmaskError, match="no no_filter arm to compare with"):
        compute([], {"gradmask": measured.arms["gradmask"]})


def test_what_cannot_be_compared_is_noted(trained: Path, measured: Results, tmp_path: Path) -> None:
    one = evaluate_run(RunFolder(trained), changes=[*SMALL, "evaluate.measures=[compute]"])
    assert one.findings.notes == []
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    shutil.rmtree(copy / "arms/no_filter")
    found = evaluate_run(RunFolder(copy), changes=[*SMALL, "evaluate.measures=[compute, relearning]"])
    assert found.findings.notes == ["compute: there is no no_filter arm to compare with: add it to arms and train it"]
    assert isinstance(found.findings, Findings)
    removed = found.arms["gradmask"].findings["removed"].relearning
    assert removed is not None
    assert removed.target is None

"""Measuring the finished arms of a run: from its folder to ``results.json``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from gradmask.errors import GradmaskError
from gradmask.lab.judge.judging import verdict_of
from gradmask.lab.measures.campaign.budget import Budget
from gradmask.lab.measures.environment import machine, versions
from gradmask.lab.measures.frequencies import frequency_losses
from gradmask.lab.measures.headline import headline
from gradmask.lab.measures.local_tasks import LocalTask
from gradmask.lab.measures.registry import attacks, comparisons
from gradmask.lab.measures.results import ArmResult, ChosenSetting, Results, read_results, write_results
from gradmask.lab.measures.run import HISTOGRAM_EDGES
from gradmask.lab.measures.tasks import check_tasks, evaluate_tasks
from gradmask.lab.measures.views import views
from gradmask.lab.progress import Countdown, heading, status
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.spec import EvaluateSpec, Recipe
from gradmask.lab.run.attacking.of_run import attack_within, campaign_of
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.knowledge import about_labels
from gradmask.lab.run.measuring.across_arms import compare, series_name
from gradmask.lab.run.measuring.examination import Examination, jobs, weight
from gradmask.lab.run.measuring.losses import LOSSES as LOSSES
from gradmask.lab.run.settling import kept_settings
from gradmask.lab.run.trained import trained_model as trained_model
from gradmask.lab.run.training import Training
from gradmask.quiet import quiet


@quiet()
def evaluate_run(folder: RunFolder, changes: Sequence[str] = ()) -> Results:
    """Measure every finished arm on held-out data and write ``results.json``.

    Findings are kept in the run's folder: what was measured before in the same way is not measured again, and stays in the
    results though it is not asked for.

    Args:
        folder: of a run that `gradmask.lab.run.driver.train` made.
        changes: ``evaluate.key=value`` changes to the run's recipe.

    Raises:
        GradmaskError: no run, or no finished arm; a change of another key; a measure that lacks its text.
    """
    recipe = changed_recipe(folder, changes)
    again = f"gradmask evaluate {shlex.quote(str(folder.path))}"
    again += "".join(f" --set {shlex.quote(change)}" for change in changes)
    return _measure(recipe, folder, recipe.evaluate.measures, {}, f"{_training(folder)} && {again}")


@quiet()
def attack_run(folder: RunFolder, changes: Sequence[str] = ()) -> Results:
    """Run the attacks alone, and write them into ``results.json`` beside what was measured before.

    Losses and samples are those of the last evaluation where it measured them in the same way. Arguments and errors
    are those of `evaluate_run`.
    """
    recipe = changed_recipe(folder, changes)
    again = f"gradmask attack {shlex.quote(str(folder.path))}"
    again += "".join(f" --set {shlex.quote(change)}" for change in changes)
    asked = [*attacks(), *_comparisons(recipe)]
    return _measure(recipe, folder, asked, _known(recipe, folder), f"{_training(folder)} && {again}")


@quiet()
def campaign_run(folder: RunFolder, budget: Budget, changes: Sequence[str] = ()) -> Results:
    """Attack the removed model within a budget, and write what was found into ``results.json``, as `attack_run`.

    Losses that were not measured before are measured as well, outside of the budget.
    """
    recipe = changed_recipe(folder, changes)
    attack_within(Examination(recipe, folder, Training(recipe, folder).prepared), budget)
    again = f"gradmask attack {shlex.quote(str(folder.path))} --budget {shlex.quote(budget.given)}"
    again += "".join(f" --set {shlex.quote(change)}" for change in changes)
    return _measure(recipe, folder, _comparisons(recipe), _known(recipe, folder), f"{_training(folder)} && {again}")


def _comparisons(recipe: Recipe) -> list[str]:
    return [name for name in comparisons() if name in recipe.evaluate.measures]


def _known(recipe: Recipe, folder: RunFolder) -> Mapping[str, ArmResult]:
    """The arms of the last evaluation, where it measured losses and samples in the same way."""
    if not folder.results.is_file():
        return {}
    before = read_results(folder.results)
    same = all(before.recipe.get("evaluate", {}).get(key) == getattr(recipe.evaluate, key) for key in LOSSES)
    return before.arms if same else {}


def changed_recipe(folder: RunFolder, changes: Sequence[str]) -> Recipe:
    """The run's recipe with changes to its ``evaluate`` section.

    Raises:
        GradmaskError: a change of another key; and see `load_recipe`.
    """
    recipe = folder.recipe()
    for change in changes:
        if not change.startswith("evaluate."):
            raise GradmaskError(
                f"--set {change}: the run is trained; only keys of evaluate can still be changed, such as "
                "evaluate.preset=standard"
            )
    return load_recipe(folder.recipe_file, changes, trial=False, settled=True) if changes else recipe


def _training(folder: RunFolder) -> str:
    return f"gradmask train {folder.recipe_file}"


def _measure(
    recipe: Recipe,
    folder: RunFolder,
    measures: Sequence[str],
    known: Mapping[str, ArmResult],
    command: str,
) -> Results:
    done: list[str] = [name for name in recipe.arms if folder.arm(name).finished]
    if not done:
        raise GradmaskError(f"{folder.path} has no finished arm yet: finish gradmask train with its recipe.yaml first")
    if recipe.evaluate.tasks:
        check_tasks(_given(recipe.evaluate))
    prepared = Training(recipe, folder).prepared
    examination = Examination(recipe, folder, prepared)
    arms, tasks = _arms(examination, done, measures, known)
    status("comparing the arms")
    findings = compare(recipe, folder, prepared, arms, measures)
    results = Results(
        name=recipe.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        versions=versions(),
        machine=machine(),
        recipe=recipe.model_dump(mode="json"),
        settings=_chosen(folder),
        labels=prepared.label_table,
        about_labels=about_labels(recipe, prepared),
        histogram_edges=[float(edge) for edge in HISTOGRAM_EDGES],
        frequencies=frequency_losses(prepared.train, prepared.test, recipe.evaluate.sequences),
        arms=arms,
        headline=headline(arms),
        findings=findings.model_copy(update={"tasks": tasks}),
        campaign=campaign_of(examination),
    )
    results = results.model_copy(update={"verdict": verdict_of(results, recipe.accept)})
    write_results(folder.results, results)
    return results


def _chosen(folder: RunFolder) -> list[ChosenSetting]:
    kept = kept_settings(folder)
    return [ChosenSetting(**asdict(choice)) for choice in kept.choices] if kept else []


def _arms(
    examination: Examination,
    done: Sequence[str],
    measures: Sequence[str],
    known: Mapping[str, ArmResult],
) -> tuple[dict[str, ArmResult], dict[str, dict[str, dict[str, float]]]]:
    """Losses and samples of every arm, then its measures and tasks."""
    recipe, settings = examination.recipe, examination.settings
    todo = jobs(done, measures, recipe)
    new = [name for name in done if name not in known]
    countdown = Countdown([6.0 * recipe.evaluate.sequences] * len(new) + [weight(job, settings) for job in todo])
    arms = {name: known[name] for name in done if name in known}
    for name in new:
        with countdown.next():
            arms[name] = examination.losses(name)
    for i, job in enumerate(todo, len(new)):
        if examination.kept(job) is not None:
            countdown.skip(i)
    for job in todo:
        with countdown.next():
            examination.examine(job)
    findings = examination.findings(done)
    arms = {name: arms[name].model_copy(update={"findings": findings.get(name, {})}) for name in done}
    return arms, _tasks(recipe.evaluate, examination, arms)


def _given(spec: EvaluateSpec) -> list[str | LocalTask]:
    return [task if isinstance(task, str) else LocalTask(**task.model_dump()) for task in spec.tasks]


def _tasks(
    spec: EvaluateSpec, examination: Examination, arms: Mapping[str, ArmResult]
) -> dict[str, dict[str, dict[str, float]]]:
    """Series -> task -> metric -> value."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    tokenizer, given = examination.prepared.tokenizer, _given(spec)
    for name in arms if given else ():
        model = examination.model(name)
        for view in views(model):
            with heading(f"{name}, {view} model"):
                status(f"tasks {', '.join(task if isinstance(task, str) else task.title for task in given)}")
                scores[series_name(name, view, arms)] = evaluate_tasks(
                    model, tokenizer, given, view, spec.tasks_path, spec.tasks_limit, spec.batch_size
                )
    return scores

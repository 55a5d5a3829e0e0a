"""From a YAML file and command-line changes to a checked `Recipe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gradmask.data import DataSpec
from gradmask.lab.recipe.arms import ARMS, PERFECT_FILTER
from gradmask.lab.recipe.checks import cross_checks
from gradmask.lab.recipe.limits import limit_problems
from gradmask.lab.recipe.overrides import overridden, override
from gradmask.lab.recipe.problems import Problem, RecipeError, from_validation
from gradmask.lab.recipe.settings.written import without_auto
from gradmask.lab.recipe.shipped import shipped_recipes, shipped_text
from gradmask.lab.recipe.spec import DEFAULT_ARMS, Recipe
from gradmask.lab.recipe.yamls import Document, read_document, read_recipe_file

GROUPS = "partition.groups"


def load_recipe(path: str | Path, changes: Sequence[str] = (), trial: bool = True, settled: bool = False) -> Recipe:
    """Read, change and check a recipe.

    Args:
        path: a YAML file, or the name of a shipped recipe.
        changes: ``a.b.c=value`` changes, as given with ``--set``.
        trial: also build the model without weights and partition it, so that a group larger than its layer is an error here.
        settled: of a run that has begun: nothing is left to the rules, and a key that an earlier version did not have takes
            the plain default.

    Raises:
        RecipeError: all problems at once, each with its line and column.
        GradmaskError: no such file or name, or not YAML.
    """
    return _checked(_document(Path(path)), str(path), changes, trial, settled)


def _document(path: Path) -> Document:
    """A file, or else a shipped recipe of that name."""
    if not path.is_file() and str(path) in shipped_recipes():
        return read_document(shipped_text(str(path)), f"recipe {path}")
    return read_recipe_file(path)


def make_recipe(
    data: Mapping[str, Any],
    source: str = "the recipe",
    changes: Sequence[str] = (),
    trial: bool = True,
    settled: bool = False,
) -> Recipe:
    """Check plain data as a recipe. See `load_recipe`."""
    recipe, problems = _check(dict(data), changes, trial, settled)
    if problems or recipe is None:
        raise RecipeError(source, problems)
    return _completed(recipe)


def _checked(document: Document, source: str, changes: Sequence[str], trial: bool, settled: bool) -> Recipe:
    """`make_recipe`, whose problems name their position in the document."""
    try:
        return make_recipe(document.data, source, changes, trial, settled)
    except RecipeError as error:
        raise RecipeError(source, [_located(problem, document, changes) for problem in error.problems]) from None


def _located(problem: Problem, document: Document, changes: Sequence[str]) -> Problem:
    if problem.path.startswith("--set "):
        return problem
    position = "--set" if overridden(problem.path, changes) else document.position(problem.path)
    return replace(problem, position=position)


def _check(
    given: dict[str, Any], changes: Sequence[str], trial: bool, settled: bool
) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, if its values are valid, and every problem."""
    problems = override(given, changes)
    if beyond := list(limit_problems(given)):
        return None, problems + beyond
    data = _data_of(given)
    auto: tuple[str, ...] = ()
    given |= _default_arms(given, data)
    if not settled:
        given, auto = without_auto(given, list(data.labels.groups) if data else [])
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(given).left_open(auto)
    except ValidationError as error:
        problems += from_validation(error, given, Recipe)
    sections = _valid_sections(given)
    problems += cross_checks(sections)
    if trial:
        whole = not any(p.path.startswith(("model", "partition")) for p in problems)
        problems += _trial(sections, model=whole, cut=not any(path.startswith(GROUPS) for path in auto))
    return recipe, problems


def _data_of(given: Mapping[str, Any]) -> DataSpec | None:
    """The section ``data``, where it is there and valid."""
    try:
        return DataSpec.model_validate(given["data"])
    except (KeyError, ValidationError):
        return None


def _default_arms(given: Mapping[str, Any], data: DataSpec | None) -> dict[str, Any]:
    """The default arms, where the recipe names none and not all are possible.

    Without the truth there is no perfect filter; on a stream, no arm that sees each text as often as another one does.
    """
    if data is None:
        return {}
    without = [] if data.knows_truth else [PERFECT_FILTER]
    without += [name for name in ARMS if ARMS[name].budget == "text"] if data.stream else []
    if not without:
        return {}
    compare = given.get("compare") or {}
    filled: dict[str, Any] = {} if "arms" in given else {"arms": [name for name in DEFAULT_ARMS if name not in without]}
    if isinstance(compare, Mapping) and "arms" not in compare:
        filled["compare"] = {**compare, "arms": [name for name in ARMS if name not in without]}
    return filled


def _completed(recipe: Recipe) -> Recipe:
    """With its output folder, and its groups in the order in which the data numbers them."""
    groups = {name: recipe.partition.groups[name] for name in recipe.data.labels.groups}
    return recipe.model_copy(
        update={
            "output": recipe.output or f"runs/{recipe.name}",
            "partition": recipe.partition.model_copy(update={"groups": groups}),
        }
    )


def _valid_sections(given: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that are valid by themselves, so that those can be checked against each other; defaults for missing ones."""
    sections: dict[str, Any] = {}
    for name, field in Recipe.model_fields.items():
        if name not in given:
            if not field.is_required():
                sections[name] = field.get_default(call_default_factory=True)
            continue
        try:
            sections[name] = TypeAdapter(field.annotation).validate_python(given[name])
        except ValidationError:
            continue
    return sections


def _trial(sections: Mapping[str, Any], model: bool, cut: bool) -> list[Problem]:
    """``cut``: whether the groups are known, so that the model can be partitioned."""
    from gradmask.lab.recipe.trial import machine_problems, trial_problems

    problems = machine_problems(sections["train"]) if "train" in sections else []
    if model and "model" in sections and "partition" in sections:
        partition = sections["partition"] if cut else None
        phase = sections["train"].consolidation if "train" in sections else None
        distillation = phase.distillation if phase is not None else 0.0
        problems += trial_problems(sections["model"], partition, sections.get("data"), distillation)
    return problems

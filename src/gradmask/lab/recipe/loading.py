"""From a YAML file and command-line changes to a checked `Recipe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gradmask.lab.recipe.checks import cross_checks
from gradmask.lab.recipe.problems import Problem, RecipeError, from_validation
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.recipe.yamls import override, parse_yaml, read_mapping


def load_recipe(path: str | Path, changes: Sequence[str] = (), trial: bool = True) -> Recipe:
    """Read, change and check a recipe.

    Args:
        path: a YAML file.
        changes: ``a.b.c=value`` changes, as given with ``--set``.
        trial: also build the model without weights and partition it: a group larger than its layer is found now.

    Raises:
        RecipeError: everything that is wrong, at once.
        GradmaskError: no such file, or not YAML.
    """
    return make_recipe(read_mapping(Path(path)), str(path), changes, trial)


def demo_recipe(changes: Sequence[str] = (), trial: bool = True) -> Recipe:
    """The recipe of ``gradmask demo``, shipped inside the package."""
    text = resources.files("gradmask.lab.recipe").joinpath("demo.yaml").read_text(encoding="utf-8")
    return make_recipe(parse_yaml(text, "demo.yaml"), "the demo's recipe", changes, trial)


def make_recipe(
    data: Mapping[str, Any], source: str = "the recipe", changes: Sequence[str] = (), trial: bool = True
) -> Recipe:
    """Check plain data as a recipe. See `load_recipe`."""
    given = dict(data)
    problems = override(given, changes)
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(given)
    except ValidationError as error:
        problems += from_validation(error, given, Recipe)
    parts = _valid_parts(given)
    problems += cross_checks(parts)
    if trial:
        problems += _trial(parts, model=not any(p.path.startswith(("model", "partition")) for p in problems))
    if problems or recipe is None:
        raise RecipeError(source, problems)
    return _completed(recipe)


def _completed(recipe: Recipe) -> Recipe:
    """With its output folder, and its groups in the order in which the data numbers them."""
    groups = {name: recipe.partition.groups[name] for name in recipe.data.labels.groups}
    return recipe.model_copy(
        update={
            "output": recipe.output or f"runs/{recipe.name}",
            "partition": recipe.partition.model_copy(update={"groups": groups}),
        }
    )


def _valid_parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keys whose values are valid by themselves; defaults stand in for missing keys."""
    parts: dict[str, Any] = {}
    for name, field in Recipe.model_fields.items():
        if name not in given:
            if not field.is_required():
                parts[name] = field.get_default(call_default_factory=True)
            continue
        try:
            parts[name] = TypeAdapter(field.annotation).validate_python(given[name])
        except ValidationError:
            continue
    return parts


def _trial(parts: Mapping[str, Any], model: bool) -> list[Problem]:
    from gradmask.lab.recipe.trial import machine_problems, trial_problems

    found = machine_problems(parts["train"]) if "train" in parts else []
    if model and "model" in parts and "partition" in parts:
        found += trial_problems(parts["model"], parts["partition"], parts.get("data"))
    return found

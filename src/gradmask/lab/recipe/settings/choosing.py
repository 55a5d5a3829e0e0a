"""From a recipe and what is seen to a recipe without open settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gradmask.lab.recipe.problems import Problem, RecipeError
from gradmask.lab.recipe.settings.rules import GROUP_RULES, RULES, Choice
from gradmask.lab.recipe.settings.seen import Seen
from gradmask.lab.recipe.spec import PartitionSpec, Recipe, TrainSpec

GROUPS = "partition.groups."
SECTIONS: dict[str, type[PartitionSpec] | type[TrainSpec]] = {"partition": PartitionSpec, "train": TrainSpec}


def choose(paths: Iterable[str], seen: Seen) -> list[Choice]:
    """A choice for every path; for a whole group, one for each of its fields that is not 0 or false. Groups come first."""
    return [
        choice
        for path in sorted(paths, key=lambda path: not path.startswith(GROUPS))
        for choice in _choices(path, seen)
    ]


def _choices(path: str, seen: Seen) -> list[Choice]:
    if not path.startswith(GROUPS):
        return [Choice(path, *RULES[path](seen))]
    group, _, field = path.removeprefix(GROUPS).partition(".")
    if field:
        return [Choice(path, *GROUP_RULES[field](seen, group))]
    fields = ("adapter",) if seen.pretrained else ("heads", "neurons", "experts", "new", "embeddings")
    made = [Choice(f"{path}.{field}", *GROUP_RULES[field](seen, group)) for field in fields]
    return [choice for choice in made if choice.value or choice.path.endswith(".embeddings")]


def applied(recipe: Recipe, choices: Sequence[Choice]) -> Recipe:
    """The recipe with these values in the place of what was left open."""
    parts = {name: getattr(recipe, name).model_dump() for name in SECTIONS}
    for path in recipe.auto:
        _clear(parts, path)
    for choice in choices:
        put(parts, choice.path, choice.value)
    sections = {name: cls.model_validate(parts[name]) for name, cls in SECTIONS.items()}
    return recipe.model_copy(update=sections).left_open(())


def _clear(parts: dict[str, Any], path: str) -> None:
    """Of what stands in for a whole group nothing must remain."""
    if path.startswith(GROUPS) and path.count(".") == 2:
        put(parts, path, {})


def put(parts: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path, in place."""
    *keys, last = path.split(".")
    for key in keys:
        parts = parts[key]
    parts[last] = value


def tried(recipe: Recipe, choices: Sequence[Choice]) -> list[Choice]:
    """The choices, without heads where the model cannot be cut that way (all of them share keys and values, for example).

    Raises:
        RecipeError: the model cannot be cut as the recipe and the choices say.
    """
    problems = _problems(recipe, choices)
    if not problems:
        return list(choices)
    headless = [_without_heads(choice, problems[0].text) for choice in choices]
    if headless == list(choices) or _problems(recipe, headless):
        raise RecipeError(f"the settings chosen for {recipe.name}", problems)
    return headless


def _problems(recipe: Recipe, choices: Sequence[Choice]) -> list[Problem]:
    from gradmask.lab.recipe.trial import trial_problems

    made = applied(recipe, choices)
    return trial_problems(made.model, made.partition, made.data)


def _without_heads(choice: Choice, problem: str) -> Choice:
    if not (choice.path.startswith(GROUPS) and choice.path.endswith(".heads")):
        return choice
    return Choice(choice.path, 0, f"no heads, because this model's cannot be given away: {problem}")

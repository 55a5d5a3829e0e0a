"""From a recipe and what is seen to a recipe without open settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from gradmask.lab.recipe.problems import Problem, RecipeError
from gradmask.lab.recipe.settings.rules import GROUP_RULES, RULES, Choice
from gradmask.lab.recipe.settings.seen import Seen
from gradmask.lab.recipe.spec import PartitionSpec, Recipe, TrainSpec

GROUPS = "partition.groups."
FIELDS = ("distinctive_words", "heads", "neurons", "experts", "embeddings")
LEFT_OUT = [fields for count in (1, 2, 3) for fields in combinations(FIELDS, count)]
"""What the settings go without where the model cannot be cut as chosen, in the order in which it is tried."""
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
    """The choices, without what the model cannot give away: heads, where all of them share keys and values, for example.

    Raises:
        RecipeError: the model cannot be cut as the recipe and the choices say.
    """
    problems = _problems(recipe, choices)
    if not problems:
        return list(choices)
    known = [list(choices)]  # a trial builds the model
    for left_out in LEFT_OUT:
        fewer = [_without(left_out, choice, problems[0].text) for choice in choices]
        if fewer not in known and not _problems(recipe, fewer):
            return fewer
        known.append(fewer)
    raise RecipeError(f"the settings chosen for {recipe.name}", problems)


def _problems(recipe: Recipe, choices: Sequence[Choice]) -> list[Problem]:
    from gradmask.lab.recipe.trial import trial_problems

    made = applied(recipe, choices)
    return trial_problems(made.model, made.partition, made.data)


def _without(fields: Sequence[str], choice: Choice, problem: str) -> Choice:
    field = choice.path.rpartition(".")[2]
    if field not in fields or not choice.value:
        return choice
    if field == "distinctive_words":
        return Choice(choice.path, None, f"all tokens keep their label: {problem}")
    return Choice(
        choice.path, type(choice.value)(0), f"no {field}, because this model's cannot be given away: {problem}"
    )

"""Every value of every kind that a key does not take gets words, and an example that is valid."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from gradmask.lab.recipe.needs import models_in
from gradmask.lab.recipe.problems import Problem, from_validation
from gradmask.lab.recipe.settings.written import without_auto
from gradmask.lab.recipe.shipped import shipped_text
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.recipe.yamls import parse_yaml

WRONG: tuple[Any, ...] = ([], {}, 3, -1, 0.5, "x", True, ["x"], [[]], {"x": {}}, float("nan"), 10**30)


def paths(model: type[BaseModel] = Recipe, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every key, in mappings and lists of models too."""
    for name, field in model.model_fields.items():
        here = (*before, name)
        yield here
        for inner in models_in(field.annotation):
            between = {"groups": ("forget",), "sources": (0,)}.get(name, ())
            yield from paths(inner, (*here, *between))


def problems(path: tuple[str | int, ...], value: Any) -> list[Problem]:
    """Of the demo's recipe with a value at a path."""
    data: Any = copy.deepcopy(DEMO)
    place = data
    for key in path[:-1]:
        if isinstance(place, dict) and not isinstance(place.get(key), dict | list):
            place[key] = {}
        place = place[key]
    place[path[-1]] = value
    data = without_auto(data, ["forget"])[0] if isinstance(data.get("partition"), dict) else data
    try:
        Recipe.model_validate(data)
    except ValidationError as error:
        return from_validation(error, data, Recipe)
    return []


DEMO = without_auto(parse_yaml(shipped_text("demo"), "demo"), ["forget"])[0]
PATHS = list(dict.fromkeys(paths()))
FOREIGN = re.compile(r"\bvalid\b|\bInput\b|\bdictionary\b|\bboolean\b|\binteger\b|\bstring\b|\btuple\b")
"""Words of Python and Pydantic, where a reader of YAML expects others."""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_words_and_an_example_that_is_valid(path: tuple[str | int, ...]) -> None:
    for value in WRONG:
        for problem in problems(path, value):
            assert not FOREIGN.search(problem.text.partition("needed")[2]), problem
            _, such_as, example = problem.text.rpartition(f", such as {path[-1]}: ")
            if such_as and problem.path == ".".join(map(str, path)):
                again = problems(path, parse_yaml(example, "an example"))
                assert not [one for one in again if one.path.startswith(problem.path)], problem


def test_there_are_many() -> None:
    assert len(PATHS) > 150


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("arms", 3, "given 3, needed: a list, such as arms: [gradmask, no_filter, filter, perfect_filter]"),
        ("partition.groups", [], "given [], needed: a mapping, such as groups: {forget: {heads: 0.03125, neurons: 0.0625}}"),
        ("train.compile", "yes1", "given 'yes1', needed: true or false"),
        ("train.steps", "a", "given 'a', needed: a whole number, such as steps: 8"),
        ("train.learning_rate", [1], "given [1], needed: a number, such as learning_rate: 0.001"),
        ("train.betas", 1, "given 1, needed: a list, such as betas: [0.9, 0.95]"),
        ("train.batch_size", 0, "given 0, needed: at least 1"),
        ("name", 3, "given 3, needed: a text, such as name: name"),
        ("partition.groups.forget.layers", [""], "given '', needed: a whole number, such as 8"),
        ("partition.groups.forget.embeddings", "x", "given 'x', needed: true or false, a whole number or a list, such as embeddings: false"),
        ("train.precision", "bf61", "given 'bf61', needed: 'fp32', 'bf16' or 'fp16'. Did you mean 'bf16'?"),
        ("arms", ["gradmsk"], "Did you mean 'gradmask'?"),
    ],
)  # fmt: skip
def test_how_it_reads(path: str, value: Any, text: str) -> None:
    (problem,) = [one for one in problems(tuple(path.split(".")), value) if one.path.startswith(path)]
    assert text in problem.text

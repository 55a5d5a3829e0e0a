"""Reading recipes: YAML without surprises, and ``key=value`` changes from the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.problems import Problem, shown

_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"


class RecipeLoader(yaml.SafeLoader):
    """`yaml.SafeLoader` in which ``1e-3`` is a number, ``no`` is a word, and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int, float)) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", key_node.start_mark)
            seen.add(key if isinstance(key, (str, int, float)) else id(key))
        return super().construct_mapping(node, deep)


RecipeLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in (_BOOL, _FLOAT)]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
RecipeLoader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
RecipeLoader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$|^\.nan$"
    ),
    list("-+0123456789."),
)


LARGEST = 100_000
"""Values that a recipe may have: a few lines of names within names can stand for billions."""


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for; a node within itself stands for more than there may be."""
    if id(node) not in known:
        known[id(node)] = LARGEST + 1  # until it is counted
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
        known[id(node)] = min(1 + sum(_size(part, known) for part in parts), LARGEST + 1)
    return known[id(node)]


def parse_yaml(text: str, source: str) -> Any:
    """Plain data from YAML text; nothing but data can come out of it.

    Raises:
        GradmaskError: not YAML, with the line and what is wrong there.
    """
    try:
        loader = RecipeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _size(node, {}) > LARGEST:
                raise GradmaskError(
                    f"{source}: more than {LARGEST:,} values, once what is repeated by name is written out"
                )
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise GradmaskError(f"{source}{where}: this is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise GradmaskError(f"{source}: this is not valid YAML: {str(error).splitlines()[0]}") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        GradmaskError: no such file, not text, not YAML, not a mapping.
    """
    if not path.is_file():
        raise GradmaskError(
            f"there is no recipe {path}: give the path of a YAML file, such as recipes/novels_en_es.yaml"
        )
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise GradmaskError(f"{path} is not a text file in UTF-8: {error.reason} at byte {error.start}") from None
    if not isinstance(data, dict):
        raise GradmaskError(
            f"{path} holds {shown(data)}, but a recipe is a mapping of keys such as name, data, model, train"
        )
    return data


def override(data: dict[str, Any], changes: Sequence[str]) -> list[Problem]:
    """Apply ``a.b.c=value`` changes in place; values are read as YAML. Returns what could not be applied."""
    return [problem for change in changes if (problem := _apply(data, change)) is not None]


def _apply(data: dict[str, Any], change: str) -> Problem | None:
    path, equals, text = change.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        return Problem(f"--set {change}", "needed: key=value with a dotted key, such as train.steps=100")
    try:
        value = parse_yaml(text, f"--set {path}")
    except GradmaskError as error:
        return Problem(path.strip(), str(error))
    here: Any = data
    for i, key in enumerate(keys[:-1]):
        if isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
        inside = _inside(here, key)
        if not isinstance(inside, (dict, list)):
            return Problem(path, f"--set cannot go into {'.'.join(keys[: i + 1])}, which is {shown(inside)}")
        here = inside
    return _put(here, keys[-1], value, path)


def _inside(here: Any, key: str) -> Any:
    if isinstance(here, list):
        return here[int(key)] if key.isdecimal() and int(key) < len(here) else None
    return here[key]


def _put(here: Any, key: str, value: Any, path: str) -> Problem | None:
    if isinstance(here, list):
        if not (key.isdecimal() and int(key) < len(here)):
            return Problem(path, f"--set names item {key} of a list of {len(here)}")
        here[int(key)] = value
    else:
        here[key] = value
    return None

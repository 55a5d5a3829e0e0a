"""YAML in and out: plain data, the position of every value in its file, and text that every YAML reader agrees on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.recipe.problems import shown
from gradmask.lab.recipe.shipped import shipped_recipes

LARGEST = 100_000
"""Values that a recipe may have, aliases written out: a few lines of nested aliases can stand for billions of values."""
DEEPEST = 100
"""Levels of nesting that a recipe may have."""


@dataclass(frozen=True)
class Document:
    """Plain data read from YAML, and where it was read from."""

    data: Any
    source: str
    root: Node | None

    def position(self, path: str) -> str:
        """``source:line:column`` of the value at a dotted path, or of the innermost value around it that is there."""
        if self.root is None:
            return self.source
        mark, node = self.root.start_mark, self.root
        for key in path.split("."):
            entry = _entry(node, key)
            if entry is None:
                break
            mark, node = entry
        return _place(self.source, mark)


def _entry(node: Node, key: str) -> tuple[StreamMark, Node] | None:
    """Where the entry of this key or index begins, and its value."""
    if isinstance(node, SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        return node.value[int(key)].start_mark, node.value[int(key)]
    if isinstance(node, MappingNode):
        return next(((name.start_mark, value) for name, value in node.value if _is_named(name, key)), None)
    return None


def _is_named(node: Node, key: str) -> bool:
    return isinstance(node, ScalarNode) and node.value == key


def _place(source: str, mark: StreamMark) -> str:
    return f"{source}:{mark.line + 1}:{mark.column + 1}"


def read_document(text: str, source: str) -> Document:
    """Read YAML 1.2: ``1e-3`` is a number, ``no`` a word; a key given twice or any other tag than those of plain data is an error.

    Args:
        text: one YAML document.
        source: what messages call it, such as the path of its file.

    Raises:
        GradmaskError: not valid YAML, with the position; more than `LARGEST` values.
    """
    yaml = YAML(typ="safe", pure=True)  # the pure parser: the C parser reads YAML 1.1
    yaml.max_depth = DEEPEST
    try:
        root = yaml.compose(text)
        if root is None:
            return Document(None, source, None)
        # Counted before anything is built: aliases are cheap as nodes, and each use of one is copied later on.
        if _size(root, {}) > LARGEST:
            raise GradmaskError(f"{source}: more than {LARGEST:,} values, with aliases written out")
        return Document(yaml.constructor.construct_document(root), source, root)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(source, mark) if mark else source
        raise GradmaskError(f"{place}: not valid YAML: {_cause(error)}") from None
    except (YAMLError, ValueError) as error:
        raise GradmaskError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None


def _cause(error: MarkedYAMLError) -> str:
    text = str(error.problem or error.context)
    if isinstance(error, DuplicateKeyError):  # its text goes on with both values, however long they are
        return text.partition(" with value ")[0].replace("found duplicate key", "the key") + " is given twice"
    return text


def _size(node: Node, known: dict[int, int]) -> int:
    """How many values a node stands for, aliases written out; more than `LARGEST` for a node that contains itself."""
    if id(node) not in known:
        known[id(node)] = LARGEST + 1  # until it is counted: seen again within itself, it has no end
        children = node.value if isinstance(node, CollectionNode) else ()
        nodes = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
        known[id(node)] = min(1 + sum(_size(part, known) for part in nodes), LARGEST + 1)
    return known[id(node)]


def parse_yaml(text: str, source: str) -> Any:
    """The plain data of `read_document`."""
    return read_document(text, source).data


def read_recipe_file(path: Path) -> Document:
    """A YAML file that holds a mapping.

    Raises:
        GradmaskError: no such file, not text, not YAML, not a mapping.
    """
    if not path.is_file():
        raise GradmaskError(_no_recipe(path))
    try:
        document = read_document(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise GradmaskError(f"{path} is not a text file in UTF-8: {error.reason} at byte {error.start}") from None
    if not isinstance(document.data, dict):
        raise GradmaskError(
            f"{path} holds {shown(document.data)}, but a recipe is a mapping of keys such as name, data, model, train"
        )
    return document


def _no_recipe(path: Path) -> str:
    if (path / "recipe.yaml").is_file():
        return f"{path} is the folder of a run: give its recipe, {path / 'recipe.yaml'}"
    names = shipped_recipes()
    near = [str(file) for pattern in ("*.yaml", "*.yml", "recipes/*.yaml") for file in path.parent.glob(pattern)]
    near += map(str, path.parent.parent.glob(f"*/{path.name}"))
    return (
        f"there is no recipe {path}: give the path of a YAML file, or the name of a recipe that comes with gradmask, "
        f"{' or '.join(names)}.{did_you_mean(str(path), [*names, *near])} gradmask init writes one for your data"
    )


def dump_yaml(data: Any) -> str:
    """Plain data as YAML, keys in their order."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    # YAML 1.1 readers such as PyYAML take a bare no, 1e-05 or 12:30 for other types: quoted, every reader agrees.
    yaml.version = "1.1"
    text = io.StringIO()
    yaml.dump(data, text)
    return text.getvalue().removeprefix("%YAML 1.1\n---\n")

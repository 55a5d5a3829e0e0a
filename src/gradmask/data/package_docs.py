"""A small real corpus from what is installed anyway: the documentation of six Python packages, read from their source.

The packages share most of their language (English for programmers, in the same headings), and each has a subject of its own, so
that one of them can be taken away. Nothing is imported or downloaded, and no text is shipped with gradmask. The same versions give
the same files.
"""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from gradmask.data.draws import uniform
from gradmask.data.inspection.shingles import shingles
from gradmask.errors import GradmaskError
from gradmask.files import whole_folder

PACKAGES = ("matplotlib", "networkx", "numpy", "pandas", "scikit-learn", "scipy")
"""Distributions that gradmask, or PyTorch, needs anyway."""
FOLDERS = {"scikit-learn": "sklearn"}
FORGET = "scikit-learn"
SHORTEST = 400
"""Characters of a document; a shorter docstring says little."""
TESTS = {"tests", "test", "testing", "conftest.py", "_testing"}
OWNERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class PackageDoc(NamedTuple):
    """The documentation of one module, class or function. ``id`` is its file and its name."""

    id: str
    text: str
    package: str


@dataclass(frozen=True)
class Written:
    """What `write_package_docs` wrote: package -> its version, licence, documents and bytes of text; files by what they hold."""

    packages: dict[str, dict[str, Any]]
    files: dict[str, Path]


def write_package_docs(folder: Path, megabytes: float = 1.0, labeled: int = 50) -> Written:
    """Write the documentation of `PACKAGES` as JSON lines.

    ``docs.jsonl`` has ``id``, ``text`` and ``package`` in every row. ``examples.jsonl`` has ``id``, ``text`` and ``label`` of a few
    of these documents: `FORGET`'s are labeled ``forget``, the others' ``retain``. ``README.md`` says what the text is and whose.
    No document repeats more than half of another's text.

    Args:
        folder: is made; must not exist.
        megabytes: of text per package, at most: a random part, by a hash of the text.
        labeled: examples of each of the two labels.

    Raises:
        GradmaskError: a folder that exists; a package that is not installed; fewer documents than are to be labeled.
    """
    if folder.exists():
        raise GradmaskError(f"{folder} exists: choose another place for the example data, or remove it first")
    found = _different([doc for package in PACKAGES for doc in package_docs(package)])
    docs = [
        doc for package in PACKAGES for doc in _selected([doc for doc in found if doc.package == package], megabytes)
    ]
    examples = [*_examples(docs, "forget", labeled), *_examples(docs, "retain", labeled)]
    packages = {name: _summary(name, [doc for doc in docs if doc.package == name]) for name in PACKAGES}
    with whole_folder(folder) as place:
        _write_lines(place / "docs.jsonl", (doc._asdict() for doc in docs))
        _write_lines(place / "examples.jsonl", examples)
        (place / "README.md").write_text(_readme(packages, labeled), encoding="utf-8")
    files = {"text": "docs.jsonl", "examples": "examples.jsonl", "about": "README.md"}
    return Written(packages, {what: folder / name for what, name in files.items()})


def package_docs(package: str) -> list[PackageDoc]:
    """Every docstring of at least `SHORTEST` characters in an installed package's source, its tests left out, in order of files.

    Raises:
        GradmaskError: it is not installed.
    """
    root = _root(package)
    seen: set[str] = set()
    docs = []
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root.parent)
        if TESTS.isdisjoint(place.parts):
            docs += [PackageDoc(name, text, package) for name, text in _docstrings(path, place.as_posix(), seen)]
    return docs


def _root(package: str) -> Path:
    try:
        return Path(str(metadata.distribution(package).locate_file(FOLDERS.get(package, package))))
    except metadata.PackageNotFoundError:
        raise GradmaskError(
            f"the example data is made from installed packages, and {package} is not installed: pip install {package}"
        ) from None


def _docstrings(path: Path, place: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Names and texts that were not seen before; a file that this Python cannot read has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in somebody else's strings
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for name, text in _of_node(tree, ""):
        if len(text) >= SHORTEST and text not in seen and _is_unicode(text):
            seen.add(text)
            yield f"{place}:{name}" if name else place, text


def _of_node(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, OWNERS):
        yield name, ast.get_docstring(node) or ""
    for child in ast.iter_child_nodes(node):
        own = getattr(child, "name", "") if isinstance(child, OWNERS) else ""
        yield from _of_node(child, ".".join(part for part in (name, own) if part))


def _is_unicode(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _different(docs: list[PackageDoc]) -> list[PackageDoc]:
    """Documents of which more than half stands in none before them, in a random order. Docstrings are often copied between
    classes, and code between packages: a copy in held-out text would be known from training."""
    seen: set[int] = set()
    kept = set()
    for doc in sorted(docs, key=lambda doc: uniform("different", doc.text)):
        runs = {hash(run) for run in shingles(doc.text)}
        if 2 * len(runs & seen) < len(runs):
            kept.add(doc)
        seen |= runs
    return [doc for doc in docs if doc in kept]


def _selected(docs: list[PackageDoc], megabytes: float) -> list[PackageDoc]:
    """A random part of at most so much text, in the order of the source; a larger limit keeps the same documents and more."""
    kept, size = set(), 0
    for doc in sorted(docs, key=lambda doc: uniform("example", doc.text)):
        size += len(doc.text.encode())
        if size > megabytes * 1e6:
            break
        kept.add(doc.text)
    return [doc for doc in docs if doc.text in kept]


def _examples(docs: list[PackageDoc], label: str, count: int) -> list[dict[str, str]]:
    pool = [doc for doc in docs if (doc.package == FORGET) == (label == "forget")]
    if len(pool) < count:
        raise GradmaskError(f"only {len(pool)} documents for {count} examples of {label!r}: raise the megabytes")
    drawn = sorted(pool, key=lambda doc: uniform("labeled", doc.text))[:count]
    return [{"id": doc.id, "text": doc.text, "label": label} for doc in drawn]


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _summary(package: str, docs: list[PackageDoc]) -> dict[str, Any]:
    return {
        "version": metadata.version(package),
        "licence": _licence(package),
        "documents": len(docs),
        "bytes": sum(len(doc.text.encode()) for doc in docs),
    }


def _licence(package: str) -> str:
    """As the package itself states it."""
    about: Any = metadata.metadata(package)
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if "License ::" in line]
    return str(about.get("License-Expression") or ", ".join(classifiers) or "see the package")


def _readme(packages: dict[str, dict[str, Any]], labeled: int) -> str:
    rows = "".join(
        f"| {name} | {about['version']} | {about['licence']} | {about['documents']:,} | {about['bytes'] / 1e6:.2f} |\n"
        for name, about in packages.items()
    )
    return README.format(rows=rows, labeled=labeled, forget=FORGET)


README = """# Example data

The documentation of installed Python packages: the docstrings of their modules, classes and functions, word for word, as
`gradmask example-data` found them in the installed source; texts that are mostly copied from others are left out. The text
belongs to the authors of each package, under its licence.

| package | version | licence | documents | megabytes |
| -- | -- | -- | -- | -- |
{rows}
`docs.jsonl`: every document, with `id`, `text` and `package`. `examples.jsonl`: {labeled} documents of {forget}, labeled `forget`,
and {labeled} of the others, labeled `retain`, with `id`, `text` and `label`.
"""

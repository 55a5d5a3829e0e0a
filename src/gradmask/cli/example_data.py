"""``gradmask example-data``: a small real corpus to try everything with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradmask.cli.output import AsJson, logger, print_json, result_console
from gradmask.cli.tables import table_of
from gradmask.lab.progress import status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.table import Table

NAME = "example-data"
EXAMPLES = """
gradmask example-data data
gradmask example-data more-data --megabytes 3
"""


def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The new folder.")],
    megabytes: Annotated[float, typer.Option("--megabytes", min=0.2, help="Of text per package, at most.")] = 1.0,
    labeled: Annotated[int, typer.Option("--labeled", min=1, help="Labeled examples per label.")] = 50,
    facts: Annotated[
        bool, typer.Option("--facts", help="Instead: biographies of invented people, and questions about them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a small real corpus: the documentation of six installed Python packages, and a few labeled documents of it.

    The task: one package's documentation (scikit-learn's) must go, the others stay. Nothing is downloaded; the text belongs to
    the packages' authors, under the licences that the table names.
    """
    if facts:
        _people(folder, as_json)
        return
    from gradmask.data import write_package_docs

    status("reading the source of installed packages")
    written = write_package_docs(folder, megabytes, labeled)
    if as_json:
        files = {what: str(path) for what, path in written.files.items()}
        print_json({"files": files, "packages": written.packages})
        return
    result_console().print(_table(written.packages))
    for what, path in written.files.items():
        logger.info("%s: %s", what, path)
    logger.info("Next: %s", _label_command(written.files))


def _people(folder: Path, as_json: bool) -> None:
    """A world of invented people, of whom some must go."""
    from gradmask.data import write_people

    written = write_people(folder)
    gone = sum(person.gone for person in written.people)
    if as_json:
        files = {what: str(path) for what, path in written.files.items()}
        print_json({"files": files, "people": len(written.people), "gone": gone})
        return
    logger.info("%d people, of whom %d must go (domain gone)", len(written.people), gone)
    for what, path in written.files.items():
        logger.info("%s: %s", what, path)


def _label_command(files: Mapping[str, Path]) -> str:
    """What labels the text from the examples; the package is the truth, for evaluation."""
    words = "gradmask", "label", str(files["text"]), "--examples", str(files["examples"])
    return shlex.join([*words, "--truth-field", "package", "--output", "labels"])


def _table(packages: Mapping[str, Mapping[str, Any]]) -> Table:
    numbers = ("documents", "megabytes")
    table = table_of("Documentation of installed packages", "package", "version", "licence", numbers=numbers)
    for name, about in packages.items():
        counts = f"{about['documents']:,}", f"{about['bytes'] / 1e6:.2f}"
        table.add_row(name, about["version"], about["licence"], *counts)
    return table

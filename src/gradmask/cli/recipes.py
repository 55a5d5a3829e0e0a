"""``gradmask recipes``: the recipes that come with gradmask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.completion import shipped
from gradmask.cli.output import AsJson, logger, print_json, result_console
from gradmask.cli.tables import table_of
from gradmask.errors import GradmaskError

NAME = "recipes"
EXAMPLES = """
gradmask recipes
gradmask recipes demo
gradmask recipes package_docs --copy mine.yaml
"""


def run(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Print this one; without a name, all are listed.", autocompletion=shipped),
    ] = None,
    copy: Annotated[Path | None, typer.Option("--copy", metavar="FILE", help="Write it to a new file instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes that come with gradmask, print one, or copy it to start from.

    gradmask train takes their names in place of a file.
    """
    from gradmask.lab.recipe.shipped import shipped_recipes, shipped_text

    if name is None:
        if copy is not None:
            raise GradmaskError(f"--copy needs a name: {', '.join(shipped_recipes())}")
        _list(shipped_recipes(), as_json)
        return
    text = shipped_text(name)
    if copy is not None:
        _copy(text, copy)
    if as_json:
        print_json({"name": name, "text": text, "copy": None if copy is None else str(copy)})
    elif copy is not None:
        logger.info("copied %s to %s. Next: gradmask train %s --dry-run", name, copy, copy)
    else:
        result_console().print(text.rstrip(), markup=False, highlight=False, soft_wrap=True)


def _list(recipes: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(recipes)
        return
    table = table_of("", "name", "what it does")
    for name, about in recipes.items():
        table.add_row(name, about)
    result_console().print(table)


def _copy(text: str, path: Path) -> None:
    from gradmask.files import write_whole

    if path.exists():
        raise GradmaskError(f"{path} exists: choose another name")
    write_whole(path, text)

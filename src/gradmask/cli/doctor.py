"""``gradmask doctor``: the installation, the hardware, a recipe; and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from gradmask.cli.completion import recipes
from gradmask.cli.output import AsJson, print_json, result_console
from gradmask.lab.progress import status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradmask.lab.setup.findings import Finding

NAME = "doctor"
EXAMPLES = """
gradmask doctor
gradmask doctor demo
gradmask doctor recipe.yaml --json
"""
STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def run(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe: a YAML file, or the name of one that comes with gradmask.",
            autocompletion=recipes,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", help="Where runs go: files are written there for a moment.")
    ] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Check the installation and the hardware, and a recipe on this machine: what is wrong, and what to do about it.

    The exit code is 1 where something is a problem; warnings are not.
    """
    from gradmask.lab.setup.doctor import diagnose

    status("looking at the installation and the machine")
    findings = diagnose(recipe, output)
    problems = [finding for finding in findings if finding.status == "problem"]
    if as_json:
        print_json({"ok": not problems, "findings": [finding.to_dict() for finding in findings]})
    else:
        _show(findings)
    if problems:
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    for column in range(3):
        table.add_column(no_wrap=column < 2, overflow="fold")
    for finding in findings:
        words = Text(finding.text)
        if finding.advice:
            words.append(f"\n-> {finding.advice}", STYLES[finding.status] if finding.status != "ok" else "dim")
        table.add_row(Text(finding.status, STYLES[finding.status]), finding.area, words)
    console = result_console()
    console.print(table)
    counts = {name: sum(finding.status == name for finding in findings) for name in ("problem", "warning")}
    console.print(", ".join(f"{n} {name}{'s' * (n != 1)}" for name, n in counts.items()), highlight=False)

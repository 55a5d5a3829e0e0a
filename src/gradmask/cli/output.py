"""Where output goes: results to standard output, everything about the work to standard error."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a value of the recipe, such as train.steps=100. Repeatable."
    ),
]
Restart = Annotated[bool, typer.Option("--restart", help="Delete an earlier run in the same folder and start over.")]


def work_console() -> Console:
    """The console for progress and messages (standard error)."""
    return Console(stderr=True)


def result_console() -> Console:
    """The console for results (standard output)."""
    return Console()


def say(text: str, style: str | None = None) -> None:
    """A message about the work."""
    work_console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """A result for programs."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=False))

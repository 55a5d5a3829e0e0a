"""Where output goes: results to standard output, everything about the work to standard error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

SECONDS = 60.0
"""Between two lines about long work where the output goes to a file."""

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a value of the recipe, such as train.steps=100. Repeatable."
    ),
]
Jobs = Annotated[
    int,
    typer.Option("--jobs", min=1, help="Processes that share the work; they share the cores and the GPU, too."),
]
Restart = Annotated[bool, typer.Option("--restart", help="Delete an earlier run in the same folder and start over.")]


def work_console() -> Console:
    """The console for progress and messages (standard error)."""
    return Console(stderr=True)


def result_console() -> Console:
    """The console for results (standard output)."""
    return Console()


@contextmanager
def telling(
    console: Console, head: str = "", clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str], None]]:
    """Within: a function that shows what is being done, on one line in a terminal, now and then where output goes to a file."""
    if console.is_terminal:
        with console.status("") as status:
            yield lambda line: status.update(escape(head + line))
        return
    last = clock()

    def tell(line: str) -> None:
        nonlocal last
        if clock() - last >= SECONDS:
            last = clock()
            console.print(head + line, markup=False, highlight=False, soft_wrap=True)

    yield tell


def say(text: str, style: str | None = None) -> None:
    """A message about the work."""
    work_console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """A result for programs."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=False))

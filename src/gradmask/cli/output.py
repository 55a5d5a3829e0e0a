"""Where output goes: results to standard output, messages and progress to standard error."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from gradmask.cli import completion
from gradmask.cli.terminal import Terminal
from gradmask.lab.progress import Lines, messages_to, showing, status
from gradmask.strangers import visible, visible_json

logger = logging.getLogger("gradmask.cli")
STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red"}

RecipePath = Annotated[
    Path,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe: a YAML file, or the name of one that comes with gradmask.",
        autocompletion=completion.recipes,
    ),
]
RUN = typer.Argument(metavar="RUN", help="A run's folder, as gradmask train made it.", autocompletion=completion.runs)
RunPath = Annotated[Path, RUN]
SourcePath = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A run's folder, or a checkpoint with gradmask.json.",
        autocompletion=completion.checkpoints,
    ),
]
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
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=1, help="Seconds that the processes of a launcher wait for each other in a step."),
]
Restart = Annotated[bool, typer.Option("--restart", help="Delete an earlier run in the same folder and start over.")]


class Messages(logging.Handler):
    """Shows log records as plain lines, colored by their level in a terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = STYLES.get(record.levelno)
        self.console.print(record.getMessage(), style=style, markup=False, highlight=False, soft_wrap=True)


class SafeConsole(Console):
    """A console that no text reaches as commands or markup: names that come from data or files may hold anything."""

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, **how)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)


@contextmanager
def work_shown() -> Iterator[None]:
    """Within: messages and progress go to standard error."""
    console = SafeConsole(stderr=True)
    moving = console.is_terminal and not console.is_dumb_terminal
    progress = Terminal(console) if moving else Lines(logger.info)
    with messages_to(Messages(console)), showing(progress):
        try:
            yield
        finally:
            status("")


def result_console() -> Console:
    """The console for results (standard output)."""
    status("")  # in a terminal, the line of what is being done would be drawn over the result
    return SafeConsole()


def print_json(data: Any) -> None:
    """A result for programs."""
    status("")
    typer.echo(visible_json(json.dumps(data, indent=1, ensure_ascii=False)))

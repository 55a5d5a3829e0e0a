"""Help as it is written: square brackets stay, and an example is one line, however narrow the terminal is."""

from __future__ import annotations

import inspect
from typing import Any

from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from gradmask.lab.progress import status


class Group(TyperGroup):
    """The program: its own options are shown as those of commands are."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _named(super().get_params(ctx))


class Command(TyperCommand):
    """A command whose texts are plain, where Typer reads Rich's markup; its ``epilog`` holds examples, one a line."""

    help: str | None
    epilog: str | None

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.examples = [line.strip() for line in (self.epilog or "").splitlines() if line.strip()]
        self.epilog, self.help = None, escape(_flowing(self.help or ""))
        for parameter in self.params:
            told: Any = parameter  # an option or an argument
            told.help = escape(told.help or "")

    def get_params(self, ctx: Any) -> list[Any]:
        return _named(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Something is shown from the first moment on: what a command imports takes seconds."""
        status("starting")
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Typer's help, and then the examples, which can be pasted: no line is broken."""
        super().format_help(ctx, formatter)
        console = Console(markup=False, highlight=False, emoji=False)
        console.print(" Examples:\n", style="bold")
        for line in self.examples:
            console.print(f"   {line}", soft_wrap=True)
        console.print()


def _named(parameters: list[Any]) -> list[Any]:
    """The value of an option is called as the option is, where nothing says it better; a switch takes none, and shows none.

    An argument is its word alone: what Python holds it in (``<list[str]>``) tells a user nothing.
    """
    for each in parameters:
        if each.param_type_name == "argument":
            each.display_type_rich = lambda ctx: None
        if each.param_type_name == "option" and each.metavar is None:
            each.metavar = "" if each.is_flag else each.opts[0].rpartition("-")[2].upper()
    return parameters


def _flowing(text: str) -> str:
    """One line per paragraph, which the terminal's width then breaks."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

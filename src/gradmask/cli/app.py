"""The program ``gradmask``: its commands, its messages and its exit codes."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

import gradmask
from gradmask.cli import (
    attack,
    certify,
    check,
    compare,
    demo,
    doctor,
    evaluate,
    example_data,
    export,
    importing,
    init,
    label,
    play,
    purge,
    recipes,
    report,
    runs,
    train,
    verify,
)
from gradmask.cli.help import Command, Group
from gradmask.cli.output import logger, work_shown
from gradmask.errors import GradmaskError
from gradmask.lab.progress import status
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.launcher import launched, speaks
from gradmask.lab.run.stopping import Stopper

OK, FAILED, BAD_INPUT = 0, 1, 2

DISK = {
    errno.ENOSPC: ". Free some space and run the same command again: it resumes",
    errno.EDQUOT: ". Free some space and run the same command again: it resumes",
    errno.EROFS: ". Choose a writable output",
    errno.EACCES: ". Choose a writable output",
}
"""What to do about an error of the operating system."""

QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}

app = typer.Typer(
    name="gradmask",
    cls=Group,
    help="Train a language model so that what it learns from labeled data can be removed afterwards.",
    epilog="Exit codes: 0 done; 1 it failed, or a check did; 2 wrong usage or input; 3 not proved (verify); 130, 143 stopped by "
    "Ctrl-C, SIGTERM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(gradmask.__version__)
        raise typer.Exit


TOGETHER = (train.NAME, evaluate.NAME, compare.NAME)
"""Commands that the processes of a launcher do together."""
READING = (doctor.NAME, recipes.NAME, runs.NAME)
"""Commands that write nothing, so that several processes are in nobody's way."""


def _require_alone(command: str | None) -> None:
    """Refuse several processes that would all do the same work, and write the same files.

    Raises:
        GradmaskError: see above; the first process says so for all.
    """
    if command is None or launched() == 1 or command in (*TOGETHER, *READING):
        return
    if not speaks():
        raise SystemExit(BAD_INPUT)
    raise GradmaskError(
        f"a launcher (torchrun, accelerate launch) started {launched()} processes of gradmask {command}, which would all do the "
        f"same: run it without one. Several processes work together in gradmask {', '.join(TOGETHER)}"
    )


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback of an error. May stand anywhere.")
    ] = False,
) -> None:
    """Options of every command."""
    _require_alone(context.invoked_subcommand)


for command in (
    demo,
    example_data,
    init,
    label,
    recipes,
    train,
    evaluate,
    attack,
    compare,
    check,
    export,
    importing,
    verify,
    certify,
    purge,
    report,
    runs,
    play,
    doctor,
):
    app.command(command.NAME, cls=Command, epilog=command.EXAMPLES)(command.run)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: arguments after the program's name; by default those of the process.

    Returns:
        0 done, 1 failed, 2 bad usage or input, 128 + n stopped by signal n.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = [argument for argument in given if argument != "--debug"]
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with work_shown():
        try:
            with Stopper().installed():
                return _run(arguments)
        except (Exception, Interrupted) as error:
            status("")
            if "--debug" in given:
                traceback.print_exc()
            return _explain(error, "--json" in given)


def _run(arguments: Sequence[str]) -> int:
    try:
        typer.main.get_command(app).main(args=list(arguments), prog_name="gradmask")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else OK if stop.code is None else FAILED
    return OK


def _explain(error: BaseException, as_json: bool) -> int:
    """One clear message, and the exit code."""
    code, text = FAILED, str(error)
    if isinstance(error, Interrupted):
        code = error.exit_code
    elif isinstance(error, GradmaskError):
        code = FAILED if isinstance(error, RunError) else BAD_INPUT
        text = f"error: {error}"
    elif isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        text = f"error: {error.strerror or error}{where}{DISK.get(error.errno or 0, '')}"
    elif isinstance(error, ValueError) and "embedded null" in str(error):
        code, text = (
            BAD_INPUT,
            "error: the name of a file holds the character NUL, which no file has: check the names that you gave",
        )
    else:
        text = f"unexpected {type(error).__name__}: {error}\nRun again with --debug for the traceback"
    logger.log(logging.ERROR if code in (FAILED, BAD_INPUT) else logging.WARNING, text)
    if as_json:
        typer.echo(json.dumps({"error": str(error), "exit_code": code}))
    return code

"""``gradmask runs``: what was run, how each run stands, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradmask.cli.output import AsJson, logger, print_json, result_console
from gradmask.cli.tables import table_of

if TYPE_CHECKING:
    from gradmask.lab.run.listing import ListedRun

NAME = "runs"
EXAMPLES = """
gradmask runs
gradmask runs runs/demo-compared
gradmask runs --json
"""
STYLES = {"running": "cyan", "done": "green", "failed": "bold red", "killed": "red"}


def run(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where runs lie; those in folders of it, too.")
    ] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first: how each stands, its verdict, and what it cost.

    A run is planned, running, trained (not measured yet), done, stopped, failed or killed; the last three resume with the
    command that started them. The price is that of the removed model on what is kept, in nats per token against no filter (below
    0 is better), and in brackets the share of its compute that this loss is worth.
    """
    from gradmask.lab.run.listing import list_runs

    found = list_runs(folder)
    if as_json:
        print_json([one.to_dict() for one in found])
    elif found:
        _show(found)
    else:
        logger.info("no runs in %s. To make one: gradmask demo", folder)


def _show(found: Sequence[ListedRun]) -> None:
    from rich.text import Text

    table = table_of("", "run", "state", "verdict", numbers=("arms", "gap closed", "price", "when"))
    for one in found:
        state = Text(one.state, STYLES.get(one.state, ""))
        table.add_row(one.folder, state, one.verdict, f"{one.finished}/{one.arms}", *_numbers(one), _when(one))
    result_console().print(table)
    for one in found:
        if one.message:
            logger.info("%s failed: %s", one.folder, one.message.splitlines()[0])


def _numbers(one: ListedRun) -> tuple[str, str]:
    closed = "" if one.gap_closed is None else f"{one.gap_closed:.2f}"
    price = "" if one.price_nats is None else f"{one.price_nats:+.3f}"
    return closed, price if one.price_compute is None else f"{price} ({one.price_compute:.2f})"


def _when(one: ListedRun) -> str:
    """In the time of this place."""
    return datetime.fromisoformat(one.when).astimezone().strftime("%Y-%m-%d %H:%M")

"""``gradmask purge``: delete what still holds the training text, once the export is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gradmask.cli.output import AsJson, RunPath, logger, print_json, result_console

NAME = "purge"
EXAMPLES = """
gradmask purge runs/demo
gradmask purge runs/demo --yes
"""


def run(
    run_folder: RunPath,
    yes: Annotated[bool, typer.Option("--yes", help="Delete what is listed.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what in a run's folder holds training text or removable groups; with --yes, delete it.

    Export what you need first. The recipe and the logs of losses stay. What cannot be known is listed, too.
    """
    from gradmask.lab.run.folder import RunFolder
    from gradmask.lab.run.purging import UNKNOWN, purge, remnants

    folder = RunFolder(run_folder)
    found = remnants(folder)
    listed: list[dict[str, Any]] = [{"path": str(r.path), "bytes": r.size, "why": r.why} for r in found]
    if yes:
        purge(folder, found)
    if as_json:
        print_json({"run": str(run_folder), "deleted": yes, "holds_text": listed, "unknown": list(UNKNOWN)})
        return
    console = result_console()
    console.print(
        "deleted:" if yes else f"holds text or removable groups in {run_folder}:", markup=False, highlight=False
    )
    for row in listed:
        name = Path(row["path"]).relative_to(run_folder)
        console.print(
            f"  {row['bytes']:>15,} bytes  {name}: {row['why']}", markup=False, highlight=False, soft_wrap=True
        )
    for line in UNKNOWN:
        logger.info("not known, or not done: %s", line)
    if not yes and found:
        logger.info("nothing was deleted. To delete these: gradmask purge %s --yes", run_folder)

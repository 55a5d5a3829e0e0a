"""``gradmask report``: write the HTML report of an evaluated run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.output import AsJson, logger, print_json

NAME = "report"
EXAMPLES = """
Examples:\n
  gradmask report runs/demo
"""


def run(
    folder: Annotated[Path, typer.Argument(help="A run's folder with results.json.")],
    as_json: AsJson = False,
) -> None:
    """Write figures and one self-contained HTML page from a run's results.json."""
    from gradmask.lab.measures.results import read_results
    from gradmask.lab.report.html import write_report
    from gradmask.lab.run.folder import RunFolder

    place = RunFolder(folder)
    page = write_report(read_results(place.results), place.report)
    print_json({"report": str(page)}) if as_json else logger.info("report: %s", page)

"""``gradmask report``: write the HTML report of an evaluated run again."""

from __future__ import annotations

from gradmask.cli.output import AsJson, RunPath, logger, print_json

NAME = "report"
EXAMPLES = """
gradmask report runs/demo
"""


def run(
    run_folder: RunPath,
    as_json: AsJson = False,
) -> None:
    """Write figures and one self-contained HTML page from a run's results.json."""
    from gradmask.lab.measures.results import read_results
    from gradmask.lab.report.html import write_report
    from gradmask.lab.run.folder import RunFolder

    place = RunFolder(run_folder)
    if not run_folder.is_dir():
        place.recipe()  # raises, with a hint at what was meant
    page = write_report(read_results(place.results), place.report)
    print_json({"report": str(page)}) if as_json else logger.info("report: %s", page)

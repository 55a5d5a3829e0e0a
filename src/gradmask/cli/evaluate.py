"""``gradmask evaluate``: measure the finished arms of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.output import AsJson

NAME = "evaluate"
EXAMPLES = """
Examples:\n
  gradmask evaluate runs/novels_en_es\n
  gradmask evaluate runs/novels_en_es --json | jq .headline
"""


def run(
    folder: Annotated[Path, typer.Argument(help="A run's folder, as gradmask train made it.")],
    as_json: AsJson = False,
) -> None:
    """Measure losses per domain before and after removal, and write results.json and the report."""
    from gradmask.cli.summary import print_results
    from gradmask.cli.work import evaluate_folder

    results, page = evaluate_folder(folder)
    print_results(results, page, as_json)

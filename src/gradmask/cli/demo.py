"""``gradmask demo``: the main job on the built-in stories, from nothing to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.output import AsJson, Changes, Restart
from gradmask.lab.progress import status

NAME = "demo"
EXAMPLES = """
gradmask demo
gradmask demo --output runs/mine --set train.seed=1
"""


def run(
    output: Annotated[Path, typer.Option("--output", "--out", help="The run's folder.")] = Path("runs/demo"),
    changes: Changes = None,
    restart: Restart = False,
    as_json: AsJson = False,
) -> None:
    """Train a small model on built-in bilingual stories, remove its Spanish, and show the evidence.

    Takes some minutes on two cores. Four models are trained on equally many tokens, a fifth of the Spanish unlabeled:
    gradmask, no filter, a filter with the same labels, and a perfect filter.
    """
    from gradmask.cli.summary import print_results, tell_export
    from gradmask.cli.work import reported, train_recipe
    from gradmask.lab.measures.results import read_results
    from gradmask.lab.recipe.loading import load_recipe

    status("checking the recipe")
    folder = train_recipe(load_recipe("demo", [f"output={output}", *(changes or ())]), restart, measured=True)
    results, page = reported(folder.path, lambda run: read_results(run.results))
    print_results(results, page, as_json)
    if not as_json:
        tell_export(results, output)

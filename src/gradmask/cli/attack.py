"""``gradmask attack``: try to bring back what a run removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.evaluate import Preset, options
from gradmask.cli.output import AsJson, Changes
from gradmask.lab.measures.registry import attacks

NAME = "attack"
EXAMPLES = """
Examples:\n
  gradmask attack runs/demo\n
  gradmask attack runs/demo --preset standard\n
  gradmask attack runs/demo --set evaluate.relearning.steps=400 --set evaluate.relearning.methods=[lora]
"""


def run(
    folder: Annotated[Path, typer.Argument(help="A run's folder, as gradmask train made it.")],
    preset: Preset = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Attack the models without the capability in every known way: {attacks}.

    Every model is attacked in the same ways with the same budget, and the strongest attack on each is reported. The
    results go into results.json and the report, beside what was measured before; an attack that ran before in the same
    way is not run again.
    """
    from gradmask.cli.summary import print_results
    from gradmask.cli.work import attack_folder

    results, page = attack_folder(folder, options(None, preset, None, changes))
    print_results(results, page, as_json)


run.__doc__ = (run.__doc__ or "").format(attacks=", ".join(attacks()))

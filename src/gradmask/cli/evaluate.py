"""``gradmask evaluate``: measure the finished arms of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from gradmask.cli.output import AsJson, Changes, RunPath, logger
from gradmask.lab.measures.registry import names, quick

NAME = "evaluate"
EXAMPLES = """
gradmask evaluate runs/demo
gradmask evaluate runs/demo --json | jq .headline
gradmask evaluate runs/demo --measures all --preset standard
gradmask evaluate runs/demo --measures compute,leakage --set evaluate.ladder=[0.01,0.05]
gradmask evaluate runs/demo --tasks wmdp_bio,mmlu
gradmask evaluate runs/demo --tasks my_questions.jsonl
"""

Preset = Annotated[
    str | None, typer.Option("--preset", help="How much of each measure: smallest, standard or thorough.")
]


def run(
    run_folder: RunPath,
    measures: Annotated[
        str | None,
        typer.Option(
            "--measures",
            help=f"Comma-separated, or all, quick ({', '.join(quick())}) or none. Also: "
            + ", ".join(name for name in names() if name not in quick())
            + ".",
        ),
    ] = None,
    preset: Preset = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            help="Comma-separated tasks of lm-evaluation-harness, and files of multiple choice (pip install 'gradmask[lm-eval]').",
        ),
    ] = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Measure every trained model before and after removal, and write results.json and the report.

    Ends with exit code 1 where the recipe's `accept` asks for more than was reached.
    What was measured before in the same way is kept, and not measured again. The relearning attack takes longest; it is run by
    gradmask attack, or by --measures all.
    """
    from gradmask.cli.summary import print_results, tell_export
    from gradmask.cli.work import evaluate_folder

    results, page = evaluate_folder(run_folder, options(measures, preset, tasks, changes))
    print_results(results, page, as_json)
    if not as_json:
        tell_export(results, run_folder)
    if results.verdict is not None and results.verdict.missed:
        for line in results.verdict.missed:
            logger.error("accept.%s", line)
        raise typer.Exit(1)


def options(measures: str | None, preset: str | None, tasks: str | None, changes: list[str] | None) -> list[str]:
    """The options as changes to the recipe, those given with --set last."""
    settings = []
    if measures is not None:
        groups: dict[str, tuple[str, ...]] = {"all": names(), "quick": quick(), "none": ()}
        asked = [name for word in _words(measures) for name in groups.get(word, (word,))]
        settings.append(f"evaluate.measures=[{', '.join(dict.fromkeys(asked))}]")
    if preset is not None:
        settings.append(f"evaluate.preset={preset}")
    if tasks is not None:
        settings.append(f"evaluate.tasks=[{', '.join(_words(tasks))}]")
    return [*settings, *(changes or ())]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())

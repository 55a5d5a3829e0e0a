"""``gradmask attack``: try to bring back what was removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradmask.cli.evaluate import Preset, options
from gradmask.cli.output import RUN, AsJson, Changes, logger, print_json, result_console
from gradmask.errors import GradmaskError
from gradmask.lab.measures.registry import attacks

if TYPE_CHECKING:
    from gradmask.lab.measures.campaign.records import Campaign

NAME = "attack"
EXAMPLES = """
gradmask attack runs/demo
gradmask attack runs/demo --budget 1h
gradmask attack runs/demo --budget "2000 steps" --set evaluate.preset=standard
gradmask attack --model removed/ --never-trained filtered/ --data secret.jsonl --retain other.jsonl --budget 30m --accept 0.1
"""

Checkpoint = Annotated[
    Path | None, typer.Option("--model", help="Instead of a run: the folder of any checkpoint, which is attacked.")
]
NeverTrained = Annotated[
    Path | None,
    typer.Option(
        "--never-trained",
        "--twin",
        metavar="CHECKPOINT",
        help="With --model: a checkpoint that never saw the text, with the same tokenizer.",
    ),
]
Reference = Annotated[
    Path | None, typer.Option("--reference", help="With --model: a checkpoint that knows the text; it sets the scale.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="With --model: the text that must be gone (JSONL, CSV, Parquet, text, a folder)."),
]
Retain = Annotated[Path | None, typer.Option("--retain", help="With --model: other text, which both models know.")]
Control = Annotated[Path | None, typer.Option("--control", help="With --model: text that neither model has seen.")]
Questions = Annotated[
    Path | None,
    typer.Option(
        "--questions", help="With --model: questions with answers (gradmask's, WMDP's, TOFU's or MUSE's rows)."
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", help="With --model: where findings are kept; by default MODEL.attack.")
]
BudgetText = Annotated[
    str | None,
    typer.Option(
        "--budget", help="Time or steps to spend: 30s, 10m, 1h, '1 gpu-hour', '5000 steps' (with --model: 10m)."
    ),
]
Accept = Annotated[
    float | None,
    typer.Option("--accept", min=0, help="Exit code 1 where the strongest attack brings back more than this share."),
]


def run(
    folder: Annotated[Path | None, RUN] = None,
    budget: BudgetText = None,
    model: Checkpoint = None,
    never_trained: NeverTrained = None,
    reference: Reference = None,
    data: Data = None,
    retain: Retain = None,
    control: Control = None,
    questions: Questions = None,
    output: Output = None,
    accept: Accept = None,
    preset: Preset = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Attack a model without the capability in every known way: {attacks}.

    Every model of a run is attacked in the same ways with the same budget, and the strongest attack on each is reported. The
    results go into results.json and the report, beside what was measured before; an attack that ran before in the same
    way is not run again.

    With --budget, the removed model alone is attacked, beside the perfect filter: first every cheap look, then the
    fine-tuning attacks that recover most, with more and more steps and with learning rates around the best. What was spent in
    earlier calls counts, so the same command continues a stopped one. With --model, any checkpoint is attacked so.
    """
    from gradmask.lab.measures.campaign.budget import parse_budget

    checkpoints = {
        "--never-trained": never_trained, "--reference": reference, "--questions": questions, "--output": output,
    }  # fmt: skip
    _require_one(folder, model, {"--data": data, "--retain": retain, "--control": control, **checkpoints})
    if model is not None and data is not None:
        from gradmask.lab.run.attacking.given_text import Texts
        from gradmask.lab.run.attacking.of_checkpoints import Given, attack_checkpoint

        given = Given(model, Texts(data, retain, control), never_trained, reference, questions, output)
        campaign, file = attack_checkpoint(given, parse_budget(budget or "10m"), preset or "smallest")  # type: ignore[arg-type]
        _show(campaign, file, as_json)
        raise typer.Exit(_exit_code(campaign, accept))
    assert folder is not None
    _attack_run(folder, budget, accept, options(None, preset, None, changes), as_json)


def _attack_run(folder: Path, budget: str | None, accept: float | None, changes: list[str], as_json: bool) -> None:
    from gradmask.cli.campaign import campaign_table
    from gradmask.cli.summary import print_results
    from gradmask.cli.work import attack_folder
    from gradmask.lab.measures.campaign.budget import parse_budget

    results, page = attack_folder(folder, changes, None if budget is None else parse_budget(budget))
    if results.campaign is not None and not as_json:
        result_console().print(campaign_table(results.campaign))
    print_results(results, page, as_json)
    for line in results.verdict.missed if results.verdict is not None else ():
        logger.error("accept.%s", line)
    missed = results.verdict is not None and bool(results.verdict.missed)
    raise typer.Exit(1 if missed else _exit_code(results.campaign, accept))


def _show(campaign: Campaign, file: Path, as_json: bool) -> None:
    from gradmask.cli.campaign import campaign_table
    from gradmask.lab.measures.campaign.words import campaign_words

    if as_json:
        print_json({**campaign.model_dump(mode="json"), "strongest": campaign.strongest_name, "file": str(file)})
        return
    console = result_console()
    console.print(campaign_table(campaign))
    for line in campaign_words(campaign):
        console.print(line, highlight=False)
    console.print(f"every trial: {file}", highlight=False, soft_wrap=True)


def _exit_code(campaign: Campaign | None, accept: float | None) -> int:
    """1 where the strongest attack brings back more than what is accepted; what was not measured is not accepted."""
    if accept is None:
        return 0
    strongest = campaign.strongest if campaign is not None else None
    if strongest is None:
        logger.error("accept: needed at most %g, not measured", accept)
        return 1
    if (strongest.share or 0.0) > accept:
        logger.error("accept: needed at most %g, got %.3g by %s", accept, strongest.share, strongest.name)
        return 1
    return 0


def _require_one(folder: Path | None, model: Path | None, others: dict[str, Path | None]) -> None:
    given = [name for name, path in others.items() if path is not None]
    if (folder is None) == (model is None):
        raise GradmaskError("give a run's folder, or --model with --data: one of the two")
    if model is None and given:
        raise GradmaskError(f"{', '.join(given)}: only with --model; a run has its own text and baselines")
    if model is not None and others["--data"] is None:
        raise GradmaskError("--model needs --data: the text that must be gone")


run.__doc__ = (run.__doc__ or "").format(attacks=", ".join(attacks()))

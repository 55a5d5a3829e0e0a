"""The plan of a run as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from gradmask.cli.data import print_data, print_findings
from gradmask.cli.tables import table_of

if TYPE_CHECKING:
    from gradmask.lab.run.plan import Plan


def print_plan(plan: Plan, console: Console) -> None:
    """What a run would do and take."""
    console.print(f"{plan.name}: {plan.steps:,} steps of {plan.tokens_per_step:,} tokens for each arm", highlight=False)
    for arm, steps in plan.other_steps.items():
        why = "its consolidation replaces the rest" if arm in plan.consolidation else "by its own budget"
        console.print(f"{arm}: {steps:,} steps instead, {why}", highlight=False)
    for arm, steps in plan.consolidation.items():
        text = f"{arm}: {steps:,} steps more, in which its removable groups alone learn (train.consolidation)"
        console.print(text, highlight=False)
    print_data(plan.inspection, console)
    _print_settings(plan, console)
    console.print(_parameters(plan))
    console.print(_labels(plan))
    console.print(_costs(plan))
    for line in plan.notices:
        console.print(line, highlight=False, markup=False)
    for arm, done in plan.done.items():
        if done:
            steps = plan.other_steps.get(arm, plan.steps) + plan.consolidation.get(arm, 0)
            console.print(f"{arm}: {done:,} of {steps:,} steps are done", highlight=False)
    print_findings(plan.inspection, console)
    if not plan.fits:
        text = f"the disk of {plan.output} needs {_size(plan.disk_needed)} and has {_size(plan.disk_free)} free"
        console.print(f"{text}: free some space, or keep fewer checkpoints (train.keep)", style="red", markup=False)


def _print_settings(plan: Plan, console: Console) -> None:
    """What was chosen from the data and why, and where that is untested."""
    from gradmask.lab.measures.numbers import as_written

    if plan.settings:
        console.print("Chosen from the data, where the recipe leaves it open:", highlight=False)
    for choice in plan.settings:
        text = f"  {choice.path}: {as_written(choice.value)}  ({choice.because})"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    for warning in plan.warnings:
        text = f"settings: {warning}. Write the settings that you know to be good, or compare some on a short run"
        console.print(text, style="yellow", highlight=False, markup=False)


def _parameters(plan: Plan) -> Table:
    table = table_of("Parameters", "group", numbers=("parameters", "share"))
    total = sum(plan.parameters.values())
    for group, count in plan.parameters.items():
        table.add_row(group, f"{count:,}", f"{count / total:.2%}")
    return table


def _labels(plan: Plan) -> Table:
    columns = list(dict.fromkeys(label for counts in plan.tokens.values() for label in counts))
    table = table_of("Training tokens by data label", "arm", numbers=(*columns, "total"))
    for arm, counts in plan.tokens.items():
        table.add_row(arm, *[f"{counts.get(label, 0):,}" for label in columns], f"{sum(counts.values()):,}")
    return table


def _costs(plan: Plan) -> Table:
    table = table_of("Time and disk", "", numbers=("expected",))
    for arm, seconds in plan.seconds.items():
        table.add_row(f"training {arm}", _time(seconds))
    table.add_row("training all arms", _time(sum(plan.seconds.values())))
    table.add_row("disk needed", _size(plan.disk_needed))
    table.add_row("disk free", _size(plan.disk_free))
    return table


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _size(count: float) -> str:
    from gradmask.lab.run.callbacks import size

    return size(count)

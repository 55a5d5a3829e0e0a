"""The results as a table in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from gradmask.cli.output import print_json, result_console

if TYPE_CHECKING:
    from gradmask.evaluate.results import ArmResult, DomainResult, Results


def print_results(results: Results, page: Path, as_json: bool) -> None:
    """The results and where the report is, for people or for programs."""
    if as_json:
        print_json({**results.model_dump(mode="json"), "report": str(page)})
        return
    from gradmask.report.words import verdict

    console = result_console()
    console.print(table_of(results))
    for line in [*verdict(results), *results.headline.remarks]:
        console.print(line, highlight=False)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def table_of(results: Results) -> Table:
    """A line per model, a column per domain; losses in nats per token, calibrated where they were."""
    kind = "calibrated loss" if results.headline.calibrated else "loss"
    domains = list(dict.fromkeys(d for arm in results.arms.values() for model in arm.models.values() for d in model))
    roles = {d: r.role for arm in results.arms.values() for model in arm.models.values() for d, r in model.items()}
    table = Table(title=f"{results.name}: held-out {kind}, nats per token")
    table.add_column("arm")
    table.add_column("model")
    for domain in domains:
        table.add_column(f"{domain} ({roles[domain]})", justify="right")
    table.add_column("time", justify="right")
    for arm in results.arms.values():
        _add_arm(table, arm, domains)
    return table


def _add_arm(table: Table, arm: ArmResult, domains: list[str]) -> None:
    for i, (view, found) in enumerate(arm.models.items()):
        cells = [_loss(found[d]) if d in found else "" for d in domains]
        table.add_row("" if i else arm.title, view, *cells, "" if i else _minutes(arm.seconds))


def _loss(result: DomainResult) -> str:
    return f"{result.loss if result.calibrated_loss is None else result.calibrated_loss:.3f}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"

"""The results as a table in the terminal."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gradmask.cli.output import logger, print_json, result_console
from gradmask.cli.tables import table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from gradmask.lab.measures.results import Results


def print_results(results: Results, page: Path, as_json: bool) -> None:
    """The results and where the report is, for people or for programs."""
    if as_json:
        print_json({**results.model_dump(mode="json"), "report": str(page)})
        return
    from gradmask.lab.report.words import verdict

    console = result_console()
    console.print(losses_of(results))
    if results.findings.tasks:
        console.print(tasks_of(results))
    for line in [*verdict(results), *results.headline.remarks, *results.about_labels]:
        console.print(line, highlight=False)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def tell_export(results: Results, run: Path) -> None:
    """The command that writes the model without what must go."""
    arm = results.arms.get("gradmask")
    groups = [name for name in arm.parameters if name not in ("retain", "joint")] if arm else []
    if groups:
        words = ["gradmask", "export", str(run), f"plain/{run.name}", *(w for g in groups for w in ("--without", g))]
        logger.info("Next: %s", shlex.join(words))


def losses_of(results: Results) -> Table:
    """A line per model, a column per domain (or per role, where there are many); calibrated losses where there are."""
    from gradmask.lab.report.series import roles_of, shown_loss
    from gradmask.lab.run.brief import MANY, brief

    roles = roles_of(results)
    columns = [f"{domain}\n({role})" for domain, role in roles.items()]
    if len(roles) > MANY:
        columns = [f"{role}, mean" for role in sorted(set(roles.values()))]
    kind = "calibrated loss" if results.headline.calibrated else "loss"
    title = f"{results.name}: held-out {kind}, nats per token"
    table = table_of(title, "arm", "model", numbers=[*columns, "time"])
    for arm in results.arms.values():
        for i, (view, domains) in enumerate(arm.models.items()):
            losses = brief({domain: shown_loss(domains[domain]) for domain in roles}, roles)
            cells = [f"{loss:.3f}" for loss in losses.values()]
            table.add_row("" if i else arm.title, view, *cells, "" if i else _minutes(arm.seconds))
    return table


def tasks_of(results: Results) -> Table:
    """A line per model, a column per task and its first metric (``acc``), with the standard error."""
    first: dict[str, str] = {}
    for tasks in results.findings.tasks.values():
        first |= {task: metric for task, metrics in tasks.items() for metric in list(metrics)[:1]}
    table = table_of(f"{results.name}: tasks", "model", numbers=[f"{t}\n({m})" for t, m in first.items()])
    for series, tasks in results.findings.tasks.items():
        table.add_row(series, *(_score(tasks.get(task, {}), metric) for task, metric in first.items()))
    return table


def _score(metrics: Mapping[str, float], metric: str) -> str:
    if metric not in metrics:
        return ""
    error = metrics.get(f"{metric}_stderr")
    return f"{metrics[metric]:.3f}" + ("" if error is None else f" ± {error:.3f}")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"

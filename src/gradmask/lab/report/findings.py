"""The findings as a table: a row per measure, a column per model."""

from __future__ import annotations

from gradmask.lab.measures.measure import Row
from gradmask.lab.measures.registry import loaded
from gradmask.lab.measures.results import Results
from gradmask.lab.report.series import findings_of, ordered


def table(results: Results) -> list[Row]:
    """All rows that have a number."""
    rows = [*_comparisons(results), *_of_models(results), *_tasks(results)]
    return [row for row in rows if row.cells]


def columns(rows: list[Row]) -> list[str]:
    """The series that have a number in some row, in the order of the page."""
    return sorted({name for row in rows for name in row.cells}, key=ordered)


def _comparisons(results: Results) -> list[Row]:
    return [
        row
        for comparison in loaded("comparisons")
        if (result := results.findings.get(comparison.name)) is not None
        for row in comparison.table(result)
    ]


def _of_models(results: Results) -> list[Row]:
    by_series = findings_of(results)
    rows = []
    for measure in loaded("attacks", "catalog"):
        measured = {series: findings.get(measure.name) for series, findings in by_series.items()}
        rows += measure.table({series: result for series, result in measured.items() if result is not None})
    return rows


def _tasks(results: Results) -> list[Row]:
    rows: dict[str, Row] = {}
    for name, tasks in results.findings.tasks.items():
        for task, metrics in tasks.items():
            for metric, value in metrics.items():
                if not metric.endswith("_stderr"):
                    row = rows.setdefault(f"{task}, {metric}", Row(f"{task}, {metric}", "lm-evaluation-harness"))
                    error = metrics.get(f"{metric}_stderr")
                    row.cells[name] = (f"{value:.3f}", "" if error is None else f"± {error:.3f}")
    return list(rows.values())


def gradient_rows(results: Results) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Roles, and (group, mean relative gradient norm per role) of the model with groups."""
    for findings in findings_of(results).values():
        if (g := findings.gradients) is not None:
            roles = list(next(iter(g.norms.values()), {}))
            return roles, [(group, [f"{norms[role]:.4f}" for role in roles]) for group, norms in g.norms.items()]
    return [], []

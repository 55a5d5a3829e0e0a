"""What the measures say of a model, as numbers, so that each has a mean over seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradmask.lab.measures.registry import loaded
from gradmask.lab.measures.results import Results
from gradmask.lab.measures.series import series_name

Number = Callable[[Results, str, str], float | None]
"""Of a run, an arm and a view."""


def numbers() -> dict[str, Number]:
    """Name -> the number: those of single models first, then those that take all models of a run."""
    of_models = {
        name: _of_model(measure.name, number)
        for measure in loaded("attacks", "catalog")
        for name, number in measure.numbers().items()
    }
    of_runs = {
        name: _of_run(comparison.name, number)
        for comparison in loaded("comparisons")
        for name, number in comparison.numbers().items()
    }
    return of_models | of_runs


def _of_model(measure: str, number: Callable[[Any], float | None]) -> Number:
    def value(run: Results, arm: str, view: str) -> float | None:
        findings = run.arms[arm].findings.get(view)
        result = None if findings is None else findings.get(measure)
        return None if result is None else number(result)

    return value


def _of_run(comparison: str, number: Callable[[Any, str], float | None]) -> Number:
    def value(run: Results, arm: str, view: str) -> float | None:
        result = run.findings.get(comparison)
        return None if result is None else number(result, series_name(arm, view, run.arms))

    return value

"""The runs of a comparison: ordinary runs, one for each setting of the labels and each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.arms import NO_FILTER, PERFECT_FILTER
from gradmask.lab.recipe.spec import Recipe

MAIN = "main"
Kind = Literal["main", "undiscovered", "rates", "topics"]
FREE_OF_LABELS = (NO_FILTER, PERFECT_FILTER)
"""Arms that use no labels: with other labels they are the same models."""


@dataclass(frozen=True)
class Setting:
    """Labels of one quality. ``changes`` are made to the recipe's ``data.simulate``."""

    name: str
    kind: Kind
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparedRun:
    """One run: a setting, a seed, and the arms that are trained on it."""

    setting: Setting
    seed: int
    arms: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.setting.name}/seed-{self.seed}"


def folder_of(recipe: Recipe) -> Path:
    """The comparison's folder, beside that of the recipe's own run."""
    path = Path(recipe.output).expanduser()
    return path.with_name(f"{path.name}-compared")


def settings_of(recipe: Recipe) -> list[Setting]:
    """The recipe's own labels, then those of its noise studies; a study's point that equals the recipe's is left out."""
    noise, labels = recipe.compare.noise, recipe.data.simulate
    settings = [Setting(MAIN, "main")]
    if labels is None:
        return settings
    for share in noise.undiscovered:
        if share != labels.undiscovered:
            settings.append(Setting(f"undiscovered-{100 * share:g}", "undiscovered", {"undiscovered": share}))
    for true_positives in noise.true_positives:
        for false_positives in noise.false_positives:
            changes = {"undiscovered": round(1 - true_positives, 6), "false_positives": false_positives}
            if all(getattr(labels, name) == value for name, value in changes.items()):
                continue
            # A document labeled forget by mistake cannot be labeled retain as well.
            changes["retain_labeled"] = min(labels.retained, round(1 - false_positives, 6))
            settings.append(Setting(f"tpr-{100 * true_positives:g}-fpr-{100 * false_positives:g}", "rates", changes))
    if noise.topics and labels.missed != "topics":
        settings.append(Setting("topics", "topics", {"missed": "topics"}))
    return settings


def runs_of(recipe: Recipe, only: Sequence[str] = ()) -> list[ComparedRun]:
    """Every run of a comparison, seed by seed, the recipe's own labels first.

    Args:
        recipe: with ``compare``.
        only: patterns of names such as ``main/seed-0`` or ``*/seed-1``; empty for all.

    Raises:
        GradmaskError: a pattern that matches no run.
    """
    compare, runs = recipe.compare, []
    for setting in settings_of(recipe):
        main = setting.kind == "main"
        arms = compare.arms if main else [a for a in compare.noise.arms if a not in FREE_OF_LABELS]
        runs += [ComparedRun(setting, seed, tuple(arms)) for seed in (compare.seeds if main else compare.noise.seeds)]
    for pattern in only:
        if not any(fnmatchcase(run.name, pattern) for run in runs):
            known = ", ".join(run.name for run in runs)
            raise GradmaskError(f"no run of the comparison matches {pattern!r}. Runs: {known}")
    return [run for run in runs if not only or any(fnmatchcase(run.name, pattern) for pattern in only)]


def recipe_of(recipe: Recipe, run: ComparedRun) -> Recipe:
    """The recipe of one run: with its own labels, seed, arms and folder; everything else is unchanged."""
    measures = list(recipe.compare.measures) if run.setting.kind == "main" else []
    data = recipe.data
    if data.simulate is not None:
        drawn = data.simulate.model_copy(update={**run.setting.changes, "seed": run.seed})
        data = data.model_copy(update={"simulate": drawn})
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-{run.setting.name}-{run.seed}",
            "output": str(folder_of(recipe) / run.name),
            "arms": list(run.arms),
            "data": data,
            "train": recipe.train.model_copy(update={"seed": run.seed}),
            "evaluate": recipe.evaluate.model_copy(update={"measures": measures}),
        }
    )

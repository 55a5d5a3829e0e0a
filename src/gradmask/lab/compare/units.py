"""What a comparison consists of: ordinary runs, one for each setting of the labels and each seed."""

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
"""Arms that never look at a label: under other labels they are the same models."""


@dataclass(frozen=True)
class Setting:
    """Labels of one quality. ``changes``: to the recipe's ``data.labels``."""

    name: str
    kind: Kind
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """One run: a setting, a seed, and the arms that are trained on it."""

    setting: Setting
    seed: int
    arms: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.setting.name}/seed-{self.seed}"


def folder_of(recipe: Recipe) -> Path:
    """Where a comparison stands: beside the run of the same recipe."""
    path = Path(recipe.output).expanduser()
    return path.with_name(f"{path.name}-compared")


def settings_of(recipe: Recipe) -> list[Setting]:
    """The recipe's own labels first, then those of its noise studies; a study's point that is the same is not repeated."""
    noise, labels = recipe.compare.noise, recipe.data.labels
    found = [Setting(MAIN, "main")]
    for share in noise.undiscovered:
        if share != labels.undiscovered:
            found.append(Setting(f"undiscovered-{100 * share:g}", "undiscovered", {"undiscovered": share}))
    for hits in noise.true_positives:
        for alarms in noise.false_positives:
            changes = {"undiscovered": round(1 - hits, 6), "false_positives": alarms}
            if all(getattr(labels, name) == value for name, value in changes.items()):
                continue
            # What is labeled forget by mistake cannot be labeled retain as well.
            changes["retain_labeled"] = min(labels.retain_labeled, round(1 - alarms, 6))
            found.append(Setting(f"tpr-{100 * hits:g}-fpr-{100 * alarms:g}", "rates", changes))
    if noise.topics and labels.missed != "topics":
        found.append(Setting("topics", "topics", {"missed": "topics"}))
    return found


def units_of(recipe: Recipe, only: Sequence[str] = ()) -> list[Unit]:
    """Every run of a comparison, seed by seed, the recipe's own labels first.

    Args:
        recipe: with ``compare``.
        only: patterns of names such as ``main/seed-0`` or ``*/seed-1``; empty for all.

    Raises:
        GradmaskError: a pattern that fits no run.
    """
    compare, units = recipe.compare, []
    for setting in settings_of(recipe):
        main = setting.kind == "main"
        arms = compare.arms if main else [a for a in compare.noise.arms if a not in FREE_OF_LABELS]
        units += [Unit(setting, seed, tuple(arms)) for seed in (compare.seeds if main else compare.noise.seeds)]
    for pattern in only:
        if not any(fnmatchcase(unit.name, pattern) for unit in units):
            known = ", ".join(unit.name for unit in units)
            raise GradmaskError(f"no run of the comparison is called {pattern!r}. Runs: {known}")
    return [unit for unit in units if not only or any(fnmatchcase(unit.name, pattern) for pattern in only)]


def recipe_of(recipe: Recipe, unit: Unit) -> Recipe:
    """The recipe of one run: its labels, its seed, its arms, its folder, and all else as it is."""
    measures = list(recipe.compare.measures) if unit.setting.kind == "main" else []
    labels = recipe.data.labels.model_copy(update={**unit.setting.changes, "seed": unit.seed})
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-{unit.setting.name}-{unit.seed}",
            "output": str(folder_of(recipe) / unit.name),
            "arms": list(unit.arms),
            "data": recipe.data.model_copy(update={"labels": labels}),
            "train": recipe.train.model_copy(update={"seed": unit.seed}),
            "evaluate": recipe.evaluate.model_copy(update={"measures": measures}),
        }
    )

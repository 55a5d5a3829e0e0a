"""From the results of single runs to what they say over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradmask.data import SimulateSpec
from gradmask.errors import GradmaskError
from gradmask.lab.compare.results import Compared, Comparison, Rival
from gradmask.lab.compare.running import results_of
from gradmask.lab.compare.runs import MAIN, ComparedRun, Setting, folder_of, recipe_of, runs_of
from gradmask.lab.compare.series import BySeed, Series, forget_tokens
from gradmask.lab.judge.facts import GRADMASK, forget_domains
from gradmask.lab.judge.judging import verdict_of
from gradmask.lab.measures.comparisons.leakage import Rung
from gradmask.lab.measures.environment import machine, versions
from gradmask.lab.measures.headline import role_loss
from gradmask.lab.measures.results import ArmResult, Results
from gradmask.lab.measures.series import series_name
from gradmask.lab.recipe.arms import ARMS, NO_FILTER, PERFECT_FILTER
from gradmask.lab.recipe.spec import Recipe

SAMPLES = 12
"""Prompts of the first seed that the page may show."""


@dataclass(frozen=True)
class Collected:
    """The finished runs: setting -> seed -> results; ``arms``: those asked for of each setting, of which a run may have more."""

    settings: dict[str, Setting]
    runs: dict[str, BySeed]
    arms: dict[str, Sequence[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def calibrated(self) -> bool:
        every = [
            m for by in self.runs.values() for r in by.values() for a in r.arms.values() for m in a.models.values()
        ]
        return all(d.calibrated_loss is not None for m in every for d in m.values())


def collect(recipe: Recipe) -> Collected:
    """Whatever is finished, of the whole comparison.

    Raises:
        GradmaskError: nothing is.
    """
    collected = Collected({}, {})
    for unit in runs_of(recipe):
        results = results_of(recipe_of(recipe, unit))
        if results is None:
            collected.missing.append(unit.name)
        else:
            collected.settings[unit.setting.name], collected.arms[unit.setting.name] = unit.setting, unit.arms
            collected.runs.setdefault(unit.setting.name, {})[unit.seed] = results
    if MAIN not in collected.runs:
        raise GradmaskError(
            f"no run with the recipe's own labels is finished in {folder_of(recipe)}: run gradmask compare to its end"
        )
    return collected


def any_main(recipe: Recipe) -> bool:
    """Whether a run with the recipe's own labels is finished."""
    return any(results_of(recipe_of(recipe, u)) is not None for u in runs_of(recipe) if u.setting.name == MAIN)


def comparison(recipe: Recipe, command: str) -> Comparison:
    """Every setting and every rival, over the seeds that are finished; see `collect` for errors."""
    collected = collect(recipe)
    ladder = _ladders(collected)
    settings = {name: _compared(recipe, collected, name, ladder) for name in collected.runs}
    return Comparison(
        name=recipe.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        versions=versions(),
        machine=machine(),
        recipe=recipe.model_dump(mode="json"),
        calibrated=collected.calibrated,
        settings=settings,
        missing=collected.missing,
        flags=[f"{unit}: {flag}" for unit, run in _runs(collected) for flag in run.findings.flags],
        notes=_notes(collected),
        **_opening(collected.runs[MAIN]),
    )


def _opening(runs: BySeed) -> dict[str, Any]:
    """What the first screen says beside the numbers: of what, the judge's outcomes, and samples of one seed."""
    first = runs[min(runs)]
    ours = first.arms.get(GRADMASK)
    judged = {seed: run.verdict or verdict_of(run) for seed, run in sorted(runs.items())}
    return {
        "forget": forget_domains(first),
        "verdicts": {seed: verdict.outcome for seed, verdict in judged.items()},
        "sentences": {seed: verdict.sentence for seed, verdict in judged.items()},
        "samples": ours.samples[:SAMPLES] if ours else [],
    }


def _runs(collected: Collected) -> list[tuple[str, Results]]:
    return [(f"{name}/seed-{seed}", run) for name, by in collected.runs.items() for seed, run in sorted(by.items())]


def _notes(collected: Collected) -> list[str]:
    notes = {f"{name}: {note}" for name, by in collected.runs.items() for r in by.values() for note in r.findings.notes}
    return [*next(iter(collected.runs[MAIN].values())).about_labels, *sorted(notes)]


def _compared(recipe: Recipe, collected: Collected, name: str, ladders: Mapping[int, list[Rung]]) -> Compared:
    runs, how = collected.runs[name], collected.calibrated
    labels = (recipe.data.simulate or SimulateSpec()).model_copy(update=dict(collected.settings[name].changes))
    rivals: dict[str, Rival] = {}
    for arm, view in _series(runs.values(), collected.arms[name]):
        one = Series(arm, view, how, runs, collected.runs[MAIN], ladders)
        rivals[series_name(arm, view, next(iter(runs.values())).arms)] = one.rival(_tuned(recipe, collected, name, arm))
    return Compared(
        kind=collected.settings[name].kind,
        changes=dict(collected.settings[name].changes),
        undiscovered=labels.undiscovered,
        false_positives=labels.false_positives,
        seeds=sorted(runs),
        rivals=rivals,
        reference="perfect_filter" if _has_truth(collected) else "filter",
    )


def _has_truth(collected: Collected) -> bool:
    return any(PERFECT_FILTER in run.arms for run in collected.runs[MAIN].values())


def _series(runs: Iterable[Results], arms: Sequence[str]) -> list[tuple[str, str]]:
    """(arm, view) of these arms, of all that every seed has, in the order of `ARMS`."""
    shared = [{(arm, view) for arm in arms if arm in run.arms for view in run.arms[arm].models} for run in runs]
    order = list(ARMS)
    return sorted(set.intersection(*shared), key=lambda item: (order.index(item[0]), item[1]))


def _ladders(collected: Collected) -> dict[int, list[Rung]]:
    """Seed -> forget loss of plain models by their forget tokens: the perfect filter, every filter of every setting, and no filter.

    Where the runs have a ladder of their own (``compare.measures`` with leakage, and ``evaluate.ladder``), its rungs too.
    """
    ladders: dict[int, list[Rung]] = {}
    for name, by in collected.runs.items():
        for seed, run in by.items():
            tokens = {"filter": forget_tokens(run, missed=True)}
            if name == MAIN:
                tokens |= {PERFECT_FILTER: 0, NO_FILTER: forget_tokens(run, missed=False)}
            if collected.settings[name].kind == "topics" or collected.settings[name].changes.get("false_positives"):
                continue  # other text is missing there too, or the forget text is another
            for arm, n in tokens.items():
                if arm in run.arms and (loss := _forget(run.arms[arm], collected.calibrated)) is not None:
                    ladders.setdefault(seed, []).append(Rung(tokens=n, loss=loss))
            if name == MAIN and run.findings.leakage is not None:
                known = {rung.tokens for rung in ladders.get(seed, ())}
                more = [rung for rung in run.findings.leakage.ladder if rung.tokens not in known]
                ladders.setdefault(seed, []).extend(more)
    return ladders


def _forget(arm: ArmResult, calibrated: bool) -> float | None:
    return role_loss(arm.models["full"], "forget", calibrated)


def _tuned(recipe: Recipe, collected: Collected, name: str, arm: str) -> dict[int, dict[str, Any]]:
    """Seed -> chosen settings, of arms that were tuned."""
    chosen = {}
    for seed in collected.runs[name]:
        unit = ComparedRun(collected.settings[name], seed, ())
        path = Path(recipe_of(recipe, unit).output) / "arms" / arm / "tuning.json"
        if ARMS[arm].unlearns and path.is_file():
            chosen[seed] = json.loads(path.read_text(encoding="utf-8"))
    return chosen


def removed_rivals(compared: Compared) -> Sequence[Rival]:
    """The models that are to be without the capability, the one that comes closest to a perfect filter first."""
    removed = [
        r for r in compared.rivals.values() if r.arm != NO_FILTER and (not ARMS[r.arm].routed or r.view == "removed")
    ]
    return sorted(removed, key=lambda r: abs(1 - r.gap_closed.mean) if r.gap_closed else math.inf)

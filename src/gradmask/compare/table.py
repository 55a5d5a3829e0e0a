"""From the results of single runs to what they say over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradmask.compare.evidence import ELICITED, MEASURES, Number
from gradmask.compare.results import Compared, Comparison, Rival
from gradmask.compare.running import results_of
from gradmask.compare.statistics import estimate
from gradmask.compare.units import MAIN, Setting, Unit, folder_of, recipe_of, units_of
from gradmask.errors import GradmaskError
from gradmask.evaluate.environment import machine, versions
from gradmask.evaluate.findings import Relearning, Rung
from gradmask.evaluate.headline import role_loss
from gradmask.evaluate.measures.leakage import equivalent_tokens
from gradmask.evaluate.results import ArmResult, Results
from gradmask.train.arms import ARMS, BASELINE, TWIN
from gradmask.train.comparison import series_name
from gradmask.train.recipe import Recipe

ROLES = ("forget", "adjacent", "retain")
BySeed = dict[int, Results]


@dataclass(frozen=True)
class Collected:
    """The finished runs: setting -> seed -> results."""

    settings: dict[str, Setting]
    runs: dict[str, BySeed]
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
    found = Collected({}, {})
    for unit in units_of(recipe):
        results = results_of(recipe_of(recipe, unit))
        if results is None:
            found.missing.append(unit.name)
        else:
            found.settings[unit.setting.name] = unit.setting
            found.runs.setdefault(unit.setting.name, {})[unit.seed] = results
    if MAIN not in found.runs:
        raise GradmaskError(
            f"no run with the recipe's own labels is finished in {folder_of(recipe)}: run gradmask compare to its end"
        )
    return found


def any_main(recipe: Recipe) -> bool:
    """Whether a run with the recipe's own labels is finished."""
    return any(results_of(recipe_of(recipe, u)) is not None for u in units_of(recipe) if u.setting.name == MAIN)


def comparison(recipe: Recipe, command: str) -> Comparison:
    """Every setting and every rival, over the seeds that are finished; see `collect` for errors."""
    found = collect(recipe)
    ladder = _ladders(found)
    settings = {name: _compared(recipe, found, name, ladder) for name in found.runs}
    return Comparison(
        name=recipe.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        versions=versions(),
        machine=machine(),
        recipe=recipe.model_dump(mode="json"),
        calibrated=found.calibrated,
        settings=settings,
        missing=found.missing,
        flags=[f"{unit}: {flag}" for unit, run in _runs(found) for flag in run.findings.flags],
        notes=_notes(found),
    )


def _runs(found: Collected) -> list[tuple[str, Results]]:
    return [(f"{name}/seed-{seed}", run) for name, by in found.runs.items() for seed, run in sorted(by.items())]


def _notes(found: Collected) -> list[str]:
    said = {f"{name}: {note}" for name, by in found.runs.items() for r in by.values() for note in r.findings.notes}
    return sorted(said)


def _compared(recipe: Recipe, found: Collected, name: str, ladders: Mapping[int, list[Rung]]) -> Compared:
    runs, how = found.runs[name], found.calibrated
    labels = recipe.data.labels.model_copy(update=dict(found.settings[name].changes))
    rivals: dict[str, Rival] = {}
    for arm, view in _series(runs.values()):
        one = _Series(arm, view, how, runs, found.runs[MAIN], ladders)
        rivals[series_name(arm, view, next(iter(runs.values())).arms)] = one.rival(_tuned(recipe, found, name, arm))
    return Compared(
        kind=found.settings[name].kind,
        changes=dict(found.settings[name].changes),
        undiscovered=labels.undiscovered,
        false_positives=labels.false_positives,
        seeds=sorted(runs),
        rivals=rivals,
    )


def _series(runs: Iterable[Results]) -> list[tuple[str, str]]:
    """(arm, view) of all that every seed has, in the order of `ARMS`."""
    shared = [{(arm, view) for arm, result in run.arms.items() for view in result.models} for run in runs]
    order = list(ARMS)
    return sorted(set.intersection(*shared), key=lambda item: (order.index(item[0]), item[1]))


@dataclass(frozen=True)
class _Series:
    """One model over the seeds of one setting; ``main`` has its baselines, which look at no label."""

    arm: str
    view: str
    calibrated: bool
    runs: BySeed
    main: BySeed
    ladders: Mapping[int, list[Rung]]

    def rival(self, tuned: dict[int, dict[str, Any]]) -> Rival:
        title = ARMS[self.arm].title
        several = ARMS[self.arm].routed
        relearned = {seed: r for seed in self.runs if (r := self._relearned(self.runs[seed].arms[self.arm], self.view))}
        return Rival(
            arm=self.arm,
            view=self.view,
            title=f"{title}, {'removed' if self.view == 'removed' else 'full model'}" if several else title,
            losses=self._by_role(self._loss),
            differences=self._by_role(self._difference),
            gap_closed=self._over(self._gap),
            compute=self._by_role(self._compute),
            leakage=self._over(self._leakage) if self.view == "removed" or not several else None,
            relearning=estimate({seed: _steps(r) for seed, r in relearned.items()}) if self._whole(relearned) else None,
            not_relearned=sum(r.strongest.steps_to_target is None for r in relearned.values()),
            relearning_ratio=self._over(self._slowness),
            area=self._over(self._area),
            evidence=self._evidence(),
            seconds=self._over(lambda seed: self.runs[seed].arms[self.arm].seconds),
            tuned=tuned,
        )

    def _over(self, value: Callable[[int], float | None]) -> Any:
        found = {seed: value(seed) for seed in sorted(self.runs)}
        return None if None in found.values() else estimate({s: x for s, x in found.items() if x is not None})

    def _by_role(self, value: Callable[[int, str], float | None]) -> dict[str, Any]:
        found = {role: self._over(lambda seed, role=role: value(seed, role)) for role in ROLES}
        return {role: x for role, x in found.items() if x is not None}

    def _whole(self, relearned: Mapping[int, Relearning]) -> bool:
        return set(relearned) == set(self.runs) and all(r.target is not None for r in relearned.values())

    def _loss(self, seed: int, role: str) -> float | None:
        return role_loss(self.runs[seed].arms[self.arm].models[self.view], role, self.calibrated)

    def _baseline(self, seed: int, role: str, arm: str = BASELINE) -> float | None:
        if seed not in self.main or arm not in self.main[seed].arms:
            return None
        return role_loss(self.main[seed].arms[arm].models["full"], role, self.calibrated)

    def _difference(self, seed: int, role: str) -> float | None:
        here, there = self._loss(seed, role), self._baseline(seed, role)
        return None if here is None or there is None else here - there

    def _gap(self, seed: int) -> float | None:
        moved = self._difference(seed, "forget")
        low, high = self._baseline(seed, "forget"), self._baseline(seed, "forget", TWIN)
        return None if moved is None or low is None or high is None or high <= low else moved / (high - low)

    def _compute(self, seed: int, role: str) -> float | None:
        run = self.runs[seed]
        if run.findings.compute is None:
            return None
        ratio = run.findings.compute.ratios.get(series_name(self.arm, self.view, run.arms), {}).get(role)
        return None if ratio is None else ratio.value

    def _leakage(self, seed: int) -> float | None:
        loss, missed = self._loss(seed, "forget"), forget_tokens(self.runs[seed], missed=True)
        if loss is None or not missed or len(self.ladders.get(seed, ())) < 2:
            return None
        return equivalent_tokens(self.ladders[seed], loss) / missed

    def _relearned(self, arm: ArmResult, view: str) -> Relearning | None:
        found = arm.findings[view].relearning if view in arm.findings else None
        return found if found is not None and found.attacks else None

    def _slowness(self, seed: int) -> float | None:
        run = self.runs[seed]
        here = self._relearned(run.arms[self.arm], self.view)
        there = self._relearned(run.arms[TWIN], "full") if TWIN in run.arms else None
        if here is None or there is None or there.strongest.steps_to_target in (None, 0.0):
            return None
        return _steps(here) / _steps(there)

    def _evidence(self) -> dict[str, Any]:
        found = {name: self._over(lambda seed, of=of: self._found(seed, of)) for name, of in MEASURES.items()}
        found[ELICITED] = self._over(self._elicited)
        return {name: value for name, value in found.items() if value is not None}

    def _found(self, seed: int, number: Number) -> float | None:
        findings = self.runs[seed].arms[self.arm].findings.get(self.view)
        return None if findings is None else number(findings)

    def _elicited(self, seed: int) -> float | None:
        run = self.runs[seed]
        if run.findings.compute is None:
            return None
        ratio = run.findings.compute.elicited.get(series_name(self.arm, self.view, run.arms))
        return None if ratio is None else ratio.value

    def _area(self, seed: int) -> float | None:
        found = self._relearned(self.runs[seed].arms[self.arm], self.view)
        return None if found is None else found.strongest.area


def _steps(found: Relearning) -> float:
    """Steps of the strongest attack, the whole budget where it did not arrive."""
    steps = found.strongest.steps_to_target
    return float(found.steps if steps is None else steps)


def forget_tokens(run: Results, missed: bool) -> int:
    """Forget tokens of a run's training set: those that the labels missed, or all."""
    return sum(int(row["unlabeled" if missed else "tokens"]) for row in run.labels if row["role"] == "forget")


def _ladders(found: Collected) -> dict[int, list[Rung]]:
    """Seed -> forget loss of plain models by their forget tokens: the twin, every filter of every setting, and no filter.

    Where the runs have a ladder of their own (``compare.measures`` with leakage, and ``evaluate.ladder``), its rungs too.
    """
    ladders: dict[int, list[Rung]] = {}
    for name, by in found.runs.items():
        for seed, run in by.items():
            tokens = {"filter": forget_tokens(run, missed=True)}
            if name == MAIN:
                tokens |= {TWIN: 0, BASELINE: forget_tokens(run, missed=False)}
            if found.settings[name].kind == "topics" or found.settings[name].changes.get("false_positives"):
                continue  # other text is missing there too, or the forget text is another
            for arm, n in tokens.items():
                if arm in run.arms and (loss := _forget(run.arms[arm], found.calibrated)) is not None:
                    ladders.setdefault(seed, []).append(Rung(tokens=n, loss=loss))
            if name == MAIN and run.findings.leakage is not None:
                known = {rung.tokens for rung in ladders.get(seed, ())}
                more = [rung for rung in run.findings.leakage.ladder if rung.tokens not in known]
                ladders.setdefault(seed, []).extend(more)
    return ladders


def _forget(arm: ArmResult, calibrated: bool) -> float | None:
    return role_loss(arm.models["full"], "forget", calibrated)


def _tuned(recipe: Recipe, found: Collected, name: str, arm: str) -> dict[int, dict[str, Any]]:
    """Seed -> chosen settings, of arms that were tuned."""
    chosen = {}
    for seed in found.runs[name]:
        unit = Unit(found.settings[name], seed, ())
        path = Path(recipe_of(recipe, unit).output) / "arms" / arm / "tuning.json"
        if ARMS[arm].unlearns and path.is_file():
            chosen[seed] = json.loads(path.read_text(encoding="utf-8"))
    return chosen


def removed_rivals(compared: Compared) -> Sequence[Rival]:
    """The models that are to be without the capability, the one that comes closest to a perfect filter first."""
    found = [
        r for r in compared.rivals.values() if r.arm != BASELINE and (not ARMS[r.arm].routed or r.view == "removed")
    ]
    return sorted(found, key=lambda r: abs(1 - r.gap_closed.mean) if r.gap_closed else math.inf)

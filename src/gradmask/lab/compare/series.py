"""One model over the seeds of one setting of the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradmask.lab.compare.evidence import numbers
from gradmask.lab.compare.results import Rival
from gradmask.lab.compare.statistics import estimate
from gradmask.lab.measures.attacks.relearning import Relearning
from gradmask.lab.measures.comparisons.leakage import Rung, equivalent_tokens
from gradmask.lab.measures.headline import role_loss
from gradmask.lab.measures.recovery import envelope, steps_to_most
from gradmask.lab.measures.results import Results
from gradmask.lab.measures.series import series_name
from gradmask.lab.recipe.arms import ARMS, FILTER, NO_FILTER, PERFECT_FILTER

ROLES = ("forget", "adjacent", "retain")
BySeed = dict[int, Results]


@dataclass(frozen=True)
class Series:
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
        relearned = {seed: r for seed in self.runs if (r := self._own(seed))}
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
            most=self._over(self._most),
            most_ratio=self._over(self._most_ratio),
            curves={seed: envelope(r) for seed, r in relearned.items()},
            targets={seed: r.target for seed, r in relearned.items() if r.target is not None},
            area=self._over(self._area),
            evidence=self._evidence(),
            seconds=self._over(lambda seed: self.runs[seed].arms[self.arm].seconds),
            tuned=tuned,
        )

    def _over(self, value: Callable[[int], float | None]) -> Any:
        by_seed = {seed: value(seed) for seed in sorted(self.runs)}
        return None if None in by_seed.values() else estimate({s: x for s, x in by_seed.items() if x is not None})

    def _by_role(self, value: Callable[[int, str], float | None]) -> dict[str, Any]:
        by_role = {role: self._over(lambda seed, role=role: value(seed, role)) for role in ROLES}
        return {role: x for role, x in by_role.items() if x is not None}

    def _whole(self, relearned: Mapping[int, Relearning]) -> bool:
        return set(relearned) == set(self.runs) and all(r.target is not None for r in relearned.values())

    def _loss(self, seed: int, role: str) -> float | None:
        return role_loss(self.runs[seed].arms[self.arm].models[self.view], role, self.calibrated)

    def _baseline(self, seed: int, role: str, arm: str = NO_FILTER) -> float | None:
        if seed not in self.main or arm not in self.main[seed].arms:
            return None
        return role_loss(self.main[seed].arms[arm].models["full"], role, self.calibrated)

    def _difference(self, seed: int, role: str) -> float | None:
        here, there = self._loss(seed, role), self._baseline(seed, role)
        return None if here is None or there is None else here - there

    def _gap(self, seed: int) -> float | None:
        moved = self._difference(seed, "forget")
        end = PERFECT_FILTER if seed in self.main and PERFECT_FILTER in self.main[seed].arms else FILTER
        low, high = self._baseline(seed, "forget"), self._baseline(seed, "forget", end)
        return None if moved is None or low is None or high is None or high <= low else moved / (high - low)

    def _compute(self, seed: int, role: str) -> float | None:
        compute = self.runs[seed].findings.compute
        ratio = None if compute is None else compute.ratios.get(self._name(seed), {}).get(role)
        return None if ratio is None else ratio.value

    def _name(self, seed: int) -> str:
        return series_name(self.arm, self.view, self.runs[seed].arms)

    def _leakage(self, seed: int) -> float | None:
        loss, missed = self._loss(seed, "forget"), forget_tokens(self.runs[seed], missed=True)
        if loss is None or not missed or len(self.ladders.get(seed, ())) < 2:
            return None
        return equivalent_tokens(self.ladders[seed], loss) / missed

    def _own(self, seed: int) -> Relearning | None:
        return self._relearned(seed, self.arm, self.view)

    def _never_trained(self, seed: int) -> Relearning | None:
        return self._relearned(seed, PERFECT_FILTER, "full") if PERFECT_FILTER in self.runs[seed].arms else None

    def _relearned(self, seed: int, arm: str, view: str) -> Relearning | None:
        findings = self.runs[seed].arms[arm].findings.get(view)
        return findings.relearning if findings and findings.relearning and findings.relearning.attacks else None

    def _slowness(self, seed: int) -> float | None:
        here, there = self._own(seed), self._never_trained(seed)
        if here is None or there is None or there.strongest.steps_to_target in (None, 0.0):
            return None
        return _steps(here) / _steps(there)

    def _most(self, seed: int) -> float | None:
        return self._back(seed, self._own(seed))

    def _most_ratio(self, seed: int) -> float | None:
        here, there = self._most(seed), self._back(seed, self._never_trained(seed))
        return None if here is None or not there else here / there

    def _back(self, seed: int, relearning: Relearning | None) -> float | None:
        never_trained = self._never_trained(seed)
        if relearning is None or never_trained is None or relearning.target is None:
            return None
        steps = steps_to_most(relearning, never_trained)
        return float(relearning.steps) if steps is None else steps

    def _evidence(self) -> dict[str, Any]:
        means = {
            name: self._over(lambda seed, of=of: of(self.runs[seed], self.arm, self.view))
            for name, of in numbers().items()
        }
        return {name: mean for name, mean in means.items() if mean is not None}

    def _area(self, seed: int) -> float | None:
        own = self._own(seed)
        return None if own is None else own.strongest.area


def _steps(relearning: Relearning) -> float:
    """Steps of the strongest attack, the whole budget where it did not arrive."""
    steps = relearning.strongest.steps_to_target
    return float(relearning.steps if steps is None else steps)


def forget_tokens(run: Results, missed: bool) -> int:
    """Forget tokens of a run's training set: those that the labels missed, or all."""
    return sum(int(row["unlabeled" if missed else "tokens"]) for row in run.labels if row["role"] == "forget")

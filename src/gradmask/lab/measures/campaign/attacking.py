"""A campaign: every look, then fine-tuning attacks until the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from gradmask.errors import GradmaskError
from gradmask.lab.measures.campaign.arms import Arm, first_arms
from gradmask.lab.measures.campaign.budget import Budget
from gradmask.lab.measures.campaign.pair import Found, Pair
from gradmask.lab.measures.campaign.records import Campaign, Trial
from gradmask.lab.measures.campaign.schedule import Done, proposals, steps_of
from gradmask.lab.measures.campaign.scoring import gain_of
from gradmask.lab.measures.campaign.summing import CONTROL, summed_up
from gradmask.lab.measures.registry import attacks, find
from gradmask.lab.progress import heading

Key = tuple[str, str, int, int]
Known = dict[Key, tuple[Trial, Found]]
SPENT = "the budget was spent before"


@dataclass
class Attacking:
    """Runs a campaign.

    Args:
        pair: what is attacked.
        budget: what may be spent.
        kept: trials of an earlier call with the same models and data, with what the looks found; they are not run again.
        keep: called after every trial, so that what was measured is not lost.
        clock: seconds; for tests.
    """

    pair: Pair
    budget: Budget
    kept: list[tuple[Trial, Found]] = field(default_factory=list)
    keep: Callable[[list[tuple[Trial, Found]]], None] = lambda trials: None
    clock: Callable[[], float] = time.monotonic
    trials: list[tuple[Trial, Found]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def run(self) -> Campaign:
        """All trials that the budget allows."""
        known = {trial.key: (trial, found) for trial, found in self.kept}
        for name in self._looks():
            if not self._do(known, (name, "", 0, 0), lambda name=name: self._look(name)):
                self.left.append(f"{find(name).title()} ({SPENT})")
        grid = first_arms(self.pair.settings.relearning, self.pair.material)
        while (choice := self._next(grid, known)) is not None:
            self._train(known, *choice)
            self._control(known)
        if not any(trial.steps for trial, _ in self.trials):
            self.left.append(f"fine-tuning ({SPENT})")
        return summed_up(self.pair, self.budget.text, self.trials, self.left)

    def _looks(self) -> Iterator[str]:
        """The cheapest first; those that do not apply to this model are left out with a word."""
        measures = [find(name) for name in attacks()]
        for measure in sorted(measures, key=lambda m: m.cost(self.pair.settings)):
            if not measure.look:
                continue
            if measure.applies(self.pair.facts):
                yield measure.name
            elif measure.needs:
                self.left.append(f"{measure.title()} (needs {measure.needs})")

    def _do(self, known: Known, key: Key, run: Callable[[], tuple[Trial, Found]]) -> bool:
        """Run a trial, or take it from an earlier call; whether the budget allowed it."""
        if key in known:
            self.trials.append(known[key])
            return True
        if self._remaining() <= 0:
            return False
        began = self.clock()
        trial, found = run()
        self.trials.append((trial.model_copy(update={"seconds": self.clock() - began}), found))
        self.keep(self.trials)
        return True

    def _look(self, name: str) -> tuple[Trial, Found]:
        with heading(f"attack {len(self.trials) + 1}"):
            try:
                return Trial(attack=name), self.pair.look(name)
            except GradmaskError as error:
                return Trial(attack=name, failed=str(error)), (None, None)

    def _tune(self, arm: Arm, steps: int) -> tuple[Trial, Found]:
        attack, setting, _, seed = self._key(arm, steps)
        with heading(f"attack {len(self.trials) + 1}: {attack}, {setting}, {steps} steps"):
            here, there = self.pair.tune(arm, steps)
        return Trial(attack=attack, setting=setting, steps=steps, seed=seed, model=here, never_trained=there), (
            None,
            None,
        )

    def _key(self, arm: Arm, steps: int) -> Key:
        return arm.attack, arm.setting, steps, arm.seed

    def _next(self, grid: list[Arm], known: Known) -> tuple[Arm, int] | None:
        """The best choice that fits into what is left; what an earlier call did costs nothing."""
        for arm, rung in proposals(grid, self._done()):
            key = self._key(arm, steps_of(rung))
            if key in known or 0 < self._remaining() >= self._expected(arm, steps_of(rung)):
                return arm, rung
        return None

    def _done(self) -> list[Done]:
        return [
            Done(self._arm(t), self._rung(t.steps), gain_of(t.model, t.never_trained))
            for t, _ in self.trials
            if t.model is not None and t.attack != CONTROL
        ]

    def _arm(self, trial: Trial) -> Arm:
        assert trial.model is not None
        return Arm(trial.model.method, trial.model.data, trial.model.learning_rate, trial.seed)

    def _rung(self, steps: int) -> int:
        return next(rung for rung in range(64) if steps_of(rung) >= steps)

    def _expected(self, arm: Arm, steps: int) -> float:
        """What a trial takes of the budget: steps, or seconds at the pace of the last one of its kind."""
        if self.budget.steps is not None:
            return steps
        alike = [t for t, _ in self.trials if t.model is not None and t.model.method == arm.method and t.seconds]
        # Evaluations take a share of every trial that grows more slowly than its steps, so this is rather too much.
        return alike[-1].seconds / alike[-1].steps * steps if alike else 0.0

    def _remaining(self) -> float:
        trials = [trial for trial, _ in self.trials]
        if self.budget.steps is not None:
            return self.budget.steps - sum(trial.steps for trial in trials)
        return (self.budget.seconds or 0.0) - sum(trial.seconds for trial in trials)

    def _train(self, known: Known, arm: Arm, rung: int) -> None:
        self._do(known, self._key(arm, steps_of(rung)), lambda: self._tune(arm, steps_of(rung)))

    def _control(self, known: Known) -> None:
        """The best attack past the first rung again, with control text: how fast the two models learn anything at all."""
        done = [d for d in self._done() if d.rung > 0]
        if not done or not self.pair.material.has(CONTROL):
            return
        best = max(done, key=lambda d: d.gain)
        arm, steps = replace(best.arm, data=CONTROL), steps_of(best.rung)
        new = self._key(arm, steps) not in {trial.key for trial, _ in self.trials}
        if new and (self._key(arm, steps) in known or 0 < self._remaining() >= self._expected(arm, steps)):
            self._train(known, arm, best.rung)

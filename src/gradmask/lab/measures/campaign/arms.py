"""The fine-tuning attacks that a campaign chooses among: a grid at first, then learning rates around the best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, product

from gradmask.lab.measures.material import Material
from gradmask.lab.measures.settings import Method, Mix, RelearningSettings

FINER = (10**0.25, 10**0.125, 10**0.0625)
"""Ratios of learning rates that are tried around the best one, in turn."""
MIXES: tuple[Mix, ...] = ("forget", "even", "off_topic", "adjacent", "retain")
ATTACKS: dict[Mix, str] = {"off_topic": "off_topic", "control": "control"}
"""Mix -> attack, where it is not relearning itself."""
WORDS: dict[Mix, str] = {
    "forget": "forget text",
    "even": "half forget, half retain text",
    "off_topic": "retain text of like syntax",
    "adjacent": "adjacent text",
    "retain": "retain text",
    "control": "control text",
}


@dataclass(frozen=True)
class Arm:
    """One way to fine-tune."""

    method: Method
    data: Mix
    learning_rate: float
    seed: int = 0

    @property
    def attack(self) -> str:
        return ATTACKS.get(self.data, "relearning")

    @property
    def setting(self) -> str:
        """For people."""
        method = {"full": "full", "lora": "LoRA"}[self.method]
        return f"{method}, {WORDS[self.data]}, learning rate {self.learning_rate:.3g}"


NEEDS: dict[Mix, str] = {"even": "retain", "off_topic": "retain", "retain": "retain", "adjacent": "adjacent"}
"""Mix -> role whose text it takes, beside forget text."""


def first_arms(settings: RelearningSettings, material: Material) -> list[Arm]:
    """The grid: middle learning rates first, so that an early end has seen every kind."""
    middle = len(settings.learning_rates) // 2
    rates = sorted(settings.learning_rates, key=lambda rate: abs(settings.learning_rates.index(rate) - middle))
    mixes = [mix for mix in MIXES if mix not in NEEDS or material.has(NEEDS[mix])]
    return [Arm(method, mix, rate) for rate, mix, method in product(rates, mixes, settings.methods)]


def finer_arms(best: Arm, known: Sequence[Arm]) -> list[Arm]:
    """Learning rates around the best arm's that were not tried, the widest steps first."""
    rates = [best.learning_rate * factor for ratio in FINER for factor in (ratio, 1 / ratio)]
    arms = [replace(best, learning_rate=float(f"{rate:.3g}")) for rate in rates]
    return [arm for arm in arms if arm not in known]


def other_seeds(best: Arm, known: Sequence[Arm]) -> Iterator[Arm]:
    """The best arm with seeds that were not tried, without an end."""
    return (arm for seed in count(1) if (arm := replace(best, seed=seed)) not in known)

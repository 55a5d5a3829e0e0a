"""How much is measured, and the presets."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np

from gradmask.lab.measures.calibration import CalibrationSettings

Method = Literal["full", "lora"]
Mix = Literal["even", "forget", "adjacent", "retain", "off_topic", "control"]
Preset = Literal["smallest", "standard", "thorough"]


@dataclass(frozen=True)
class RelearningSettings:
    """Every method is tried with every mix and every learning rate, for ``steps`` steps of ``batch_size`` sequences.

    ``points``: how often losses are measured on the way, more often at first, on so many held-out ``sequences`` per domain.
    An attack is stopped when it reaches the target, or has taken as many steps as the best one that did. ``give_up``: attacks
    far behind the best so far are stopped after this share of the steps (successive halving). LoRA's learning rates are
    ``lora_factor`` times as high, as is usual.
    """

    methods: tuple[Method, ...] = ("full", "lora")
    mixes: tuple[Mix, ...] = ("even", "forget", "adjacent")
    learning_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    steps: int = 160
    batch_size: int = 16
    points: int = 10
    sequences: int = 48
    give_up: float | None = None
    rank: int = 8
    lora_factor: float = 5.0
    seed: int = 0

    def grid(self, adjacent: bool) -> list[tuple[Method, Mix, float]]:
        """The attacks; those with adjacent data only where there is such a domain."""
        mixes = [mix for mix in self.mixes if adjacent or mix != "adjacent"]
        return list(product(self.methods, mixes, self.learning_rates))

    def eval_steps(self) -> list[int]:
        """The steps after which losses are measured: 0, 1, and on in equal ratios."""
        return sorted({0, *np.geomspace(1, self.steps, self.points).round().astype(int).tolist()})


@dataclass(frozen=True)
class SuiteSettings:
    """How much is measured: held-out ``sequences`` and ``train_sequences`` per domain, and each measure's own."""

    sequences: int = 128
    train_sequences: int = 8_192
    batch_size: int = 32
    calibration: CalibrationSettings | None = field(default_factory=CalibrationSettings)
    relearning: RelearningSettings = field(default_factory=RelearningSettings)
    probe_tokens: int = 2_000
    gradient_examples: int = 32
    texts: int = 16
    seed: int = 0


PRESETS: dict[Preset, SuiteSettings] = {
    "smallest": SuiteSettings(
        sequences=48,
        train_sequences=4_096,
        relearning=RelearningSettings(
            learning_rates=(1e-3, 3e-3), steps=128, batch_size=8, points=6, sequences=24, give_up=0.125
        ),
        probe_tokens=1_000,
        gradient_examples=12,
        texts=8,
    ),
    "standard": SuiteSettings(
        relearning=RelearningSettings(learning_rates=(3e-4, 1e-3, 3e-3), steps=200, batch_size=16, points=10)
    ),
    "thorough": SuiteSettings(
        sequences=256,
        train_sequences=65_536,
        relearning=RelearningSettings(
            learning_rates=(1e-4, 3e-4, 1e-3, 3e-3), steps=800, batch_size=32, points=14, sequences=128, rank=32
        ),
        probe_tokens=8_000,
        gradient_examples=64,
        texts=32,
    ),
}
"""Name -> how much of each measure; attacks of a model of the demo's size take seconds each in the smallest."""

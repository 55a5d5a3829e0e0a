"""The names of the measures, without the libraries that they need."""

from __future__ import annotations

from typing import Literal, get_args

Measure = Literal[
    "membership",
    "extraction",
    "generations",
    "probes",
    "gradients",
    "quantization",
    "context",
    "relearning",
    "compute",
    "leakage",
]
MEASURES: tuple[Measure, ...] = get_args(Measure)

COMPARING: tuple[Measure, ...] = ("compute", "leakage")
"""Measures that compare models with each other."""
OF_A_MODEL: tuple[Measure, ...] = tuple(name for name in MEASURES if name not in COMPARING)
"""Measures of one model."""
ATTACKS: tuple[Measure, ...] = ("quantization", "context", "relearning")
"""Measures that try to bring back what was removed."""
QUICK: tuple[Measure, ...] = (
    "membership",
    "extraction",
    "generations",
    "quantization",
    "context",
    "compute",
    "leakage",
)
"""What is measured unless something else is asked for: a small part of the time of training."""

Preset = Literal["smallest", "standard", "thorough"]
"""How much of each measure; see `gradmask.lab.measures.suite.PRESETS`."""

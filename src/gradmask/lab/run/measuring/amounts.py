"""How much is measured: the recipe's part in the words of `gradmask.lab.measures`. The same for every arm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradmask.lab.measures.calibration import CalibrationSettings
from gradmask.lab.measures.run import Measures
from gradmask.lab.measures.settings import PRESETS, SuiteSettings
from gradmask.lab.recipe.spec import EvaluateSpec


def measures_of(spec: EvaluateSpec) -> Measures:
    """What losses and samples are measured on."""
    return Measures(
        sequences=spec.sequences,
        batch_size=spec.batch_size,
        calibration=calibration_of(spec),
        samples=spec.samples,
        sample_tokens=spec.sample_tokens,
    )


def calibration_of(spec: EvaluateSpec) -> CalibrationSettings | None:
    """Logit calibration; None where the recipe turns it off."""
    settings = CalibrationSettings(spec.calibration, spec.calibration_steps, alpha=spec.alpha, beta=spec.beta)
    return settings if settings.steps else None


def suite_of(spec: EvaluateSpec, seed: int = 0) -> SuiteSettings:
    """The recipe's preset with the recipe's changes."""
    preset = PRESETS[spec.preset]
    given = {name: value for name, value in spec.relearning.model_dump().items() if value is not None}
    changed: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return replace(
        preset,
        batch_size=spec.batch_size,
        calibration=calibration_of(spec),
        relearning=replace(preset.relearning, seed=seed, **changed),
        seed=seed,
    )

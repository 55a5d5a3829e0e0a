"""The measures by name, and how much of each: what `examine` does to one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

import gradmask as gm
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.measures.attacks.context import in_context
from gradmask.lab.measures.attacks.quantization import quantization
from gradmask.lab.measures.attacks.relearning import RelearningSettings, relearn
from gradmask.lab.measures.calibration import CalibrationSettings, calibrate
from gradmask.lab.measures.findings import ModelFindings, Strict
from gradmask.lab.measures.material import Material
from gradmask.lab.measures.measures.extraction import extraction
from gradmask.lab.measures.measures.generations import generations
from gradmask.lab.measures.measures.gradients import gradient_norms
from gradmask.lab.measures.measures.membership import membership
from gradmask.lab.measures.measures.probes import probes
from gradmask.lab.measures.names import OF_A_MODEL, Preset
from gradmask.lab.measures.views import viewed

Progress = Callable[[str], None]


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


def examine(
    model: nn.Module,
    view: str,
    material: Material,
    names: Sequence[str],
    settings: SuiteSettings | None = None,
    target: float | None = None,
    end: int | None = None,
    progress: Progress | None = None,
) -> ModelFindings:
    """Measure one view of a model. ``model`` is not changed; the same input gives the same findings.

    Args:
        model: partitioned or plain.
        view: ``full`` or ``removed``; a plain model is the same in both.
        material: see `gather`.
        names: of measures, among `OF_A_MODEL`. ``gradients`` is left out of a plain model, which has no groups.
        settings: see `SuiteSettings`.
        target: forget loss of no filter on ``material.test``, for relearning.
        end: the end token's id, for generations.
        progress: told what is being done.

    Raises:
        GradmaskError: an unknown measure, or text that it lacks.
    """
    settings = settings or SuiteSettings()
    for name in names:
        if name not in OF_A_MODEL:
            known = ", ".join(OF_A_MODEL)
            raise GradmaskError(f"no such measure: {name!r}.{did_you_mean(name, OF_A_MODEL)} Known: {known}")
    seen = view if gm.is_partitioned(model) else "full"
    found: dict[str, Strict] = {}
    for name in names:
        if name == "gradients" and not gm.is_partitioned(model):
            continue
        if progress is not None:
            progress(name)
        if name == "relearning":
            found[name] = relearn(model, material, settings.relearning, target, view, progress)
        elif name == "quantization":
            found[name] = quantization(model, material, settings.calibration, view)
        elif name == "gradients":
            found[name] = gradient_norms(model, material, settings.gradient_examples)
        else:
            with viewed(model, seen):
                found[name] = _as_it_runs(name, model, material, settings, end)
    return ModelFindings.model_validate(found)


def _as_it_runs(name: str, model: nn.Module, material: Material, settings: SuiteSettings, end: int | None) -> Strict:
    """A measure that only looks at what ``model`` gives."""
    batch = settings.batch_size
    seen, unseen = material.pool("train", "forget"), material.pool("test", "forget")
    if name == "context":
        return in_context(model, material, _bias(model, material, settings), batch)
    if name == "probes":
        other = material.pool("calibration", "forget")
        return probes(model, other, unseen, tokens=settings.probe_tokens, batch_size=batch, seed=settings.seed)
    if name == "membership":
        return membership(model, seen[: settings.sequences], unseen, batch_size=batch)
    if name == "extraction":
        return extraction(model, seen[: settings.sequences], batch)
    return generations(model, material, end, settings.texts, seed=settings.seed)


def _bias(model: nn.Module, material: Material, settings: SuiteSettings) -> Tensor | None:
    if settings.calibration is None:
        return None
    return calibrate(model, material.calibration, material.roles, settings.calibration, settings.batch_size).bias

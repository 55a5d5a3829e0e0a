"""Measuring one arm: losses, calibrated losses, distributions and samples of its full and its removed model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from gradmask.evaluate.calibration import Calibrated, CalibrationSettings, calibration_bias
from gradmask.evaluate.losses import histogram, sequences_of, summarize, token_losses
from gradmask.evaluate.results import DomainResult, Sample
from gradmask.evaluate.samples import continuations
from gradmask.model import is_partitioned
from gradmask.removal import without

HISTOGRAM_EDGES = np.linspace(0.0, 16.0, 65)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Measures:
    """What is measured, and on how much: ``sequences`` per domain, as many again for calibration where there are."""

    sequences: int = 200
    batch_size: int = 32
    calibration: CalibrationSettings | None = field(default_factory=CalibrationSettings)
    samples: int = 2
    sample_tokens: int = 48


def views(model: nn.Module) -> tuple[str, ...]:
    """The models that one arm gives: ``full``, and ``removed`` where groups can be removed."""
    return ("full", "removed") if is_partitioned(model) else ("full",)


@contextmanager
def viewed(model: nn.Module, view: str) -> Iterator[nn.Module]:
    """Run ``model`` as one of its `views`."""
    if view == "removed":
        with without(model):
            yield model
    else:
        yield model


def measure(
    model: nn.Module,
    test: Mapping[str, Any],
    roles: Mapping[str, str],
    measures: Measures | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, DomainResult]]:
    """Every view of ``model`` on every domain.

    Args:
        model: a partitioned or a plain causal language model.
        test: domain -> packed held-out `datasets.Dataset`; one part is reported on, another calibrates.
        roles: domain -> ``forget``, ``adjacent`` or ``retain``.
        measures: see `Measures`.
        progress: told what is being done, one short line at a time.
    """
    measures = measures or Measures()
    report, calibrate = _split(test, measures)
    found: dict[str, dict[str, DomainResult]] = {}
    for view in views(model):
        with viewed(model, view):
            bias = None
            if measures.calibration is not None and measures.calibration.steps:
                _tell(progress, f"calibrating the {view} model")
                bias = calibration_bias(model, calibrate, roles, measures.calibration, measures.batch_size)
            found[view] = {}
            for domain, ids in report.items():
                _tell(progress, f"{view} model on {domain}")
                found[view][domain] = _domain(model, ids, roles[domain], bias, measures.batch_size)
    return found


def _split(test: Mapping[str, Any], measures: Measures) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    report, calibrate = {}, {}
    for domain, dataset in test.items():
        take = min(measures.sequences, max(1, len(dataset) // 2)) if measures.calibration else measures.sequences
        report[domain] = sequences_of(dataset, take)
        if measures.calibration is not None and measures.calibration.steps:
            calibrate[domain] = sequences_of(dataset, measures.sequences, start=take)
    return report, calibrate


def _domain(model: nn.Module, ids: Tensor, role: str, bias: Tensor | None, batch_size: int) -> DomainResult:
    losses = token_losses(model, ids, batch_size)
    plain = summarize(losses)
    calibrated = None
    if bias is not None:
        wrapped = Calibrated(model, bias)
        wrapped.train(model.training)
        calibrated = summarize(token_losses(wrapped, ids, batch_size)).nats
    return DomainResult(
        role=role,  # type: ignore[arg-type]
        loss=plain.nats,
        error=plain.error,
        perplexity=plain.perplexity,
        calibrated_loss=calibrated,
        tokens=plain.tokens,
        histogram=histogram(losses, HISTOGRAM_EDGES),
    )


def quick_losses(
    model: nn.Module, test: Mapping[str, Any], sequences: int, batch_size: int = 32
) -> dict[str, dict[str, float]]:
    """View -> domain -> loss in nats, on a few sequences: a point of the training curve."""
    found: dict[str, dict[str, float]] = {}
    for view in views(model):
        with viewed(model, view):
            found[view] = {
                domain: summarize(token_losses(model, sequences_of(data, sequences), batch_size)).nats
                for domain, data in test.items()
            }
    return found


def sample(
    model: Any, tokenizer: Any, test: Mapping[str, Any], measures: Measures, seed: int = 0
) -> list[Sample]:
    """The same prompts, gone on with by every view of the model."""
    found: list[Sample] = []
    for domain, dataset in test.items():
        if not measures.samples:
            break
        ids = sequences_of(dataset, measures.samples)
        said = {}
        for view in views(model):
            with viewed(model, view):
                said[view] = continuations(model, tokenizer, ids, new_tokens=measures.sample_tokens, seed=seed)
        for i in range(len(ids)):
            prompt = said["full"][i][0]
            found.append(Sample(domain=domain, prompt=prompt, continuations={v: s[i][1] for v, s in said.items()}))
    return found


def _tell(progress: Progress | None, line: str) -> None:
    if progress is not None:
        progress(line)

"""Measuring one arm: losses, calibrated losses, distributions and samples of its full and its removed model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from gradmask.data import tokens_of
from gradmask.errors import GradmaskError
from gradmask.lab.measures.calibration import CalibrationSettings, calibrate
from gradmask.lab.measures.losses import (
    byte_count,
    histogram,
    losses_of_domains,
    sequences_of,
    summarize,
)
from gradmask.lab.measures.results import DomainResult, Role, Sample
from gradmask.lab.measures.samples import continuations, prompts
from gradmask.lab.measures.views import viewed as viewed, views as views
from gradmask.lab.progress import status

HISTOGRAM_EDGES = np.linspace(0.0, 16.0, 65)
PROMPT_TOKENS = 24


@dataclass(frozen=True)
class Measures:
    """What is measured, and on how much: ``sequences`` per domain, as many again for calibration where there are.

    ``samples`` prompts per domain are continued for ``sample_tokens`` tokens, at ``temperature`` (0: greedy).
    """

    sequences: int = 200
    batch_size: int = 32
    calibration: CalibrationSettings | None = field(default_factory=CalibrationSettings)
    samples: int = 2
    sample_tokens: int = 48
    temperature: float = 0.8


def measure(
    model: nn.Module,
    test: Mapping[str, Any],
    roles: Mapping[str, str],
    measures: Measures | None = None,
    tokenizer: Any = None,
) -> dict[str, dict[str, DomainResult]]:
    """Every view of ``model`` on every domain: view -> domain -> result.

    Args:
        model: a partitioned or a plain causal language model.
        test: domain -> packed held-out `datasets.Dataset`; its first sequences are reported, the next calibrate.
        roles: domain -> ``forget``, ``adjacent`` or ``retain``.
        measures: see `Measures`.
        tokenizer: where given, losses come in bits per byte too.

    Raises:
        GradmaskError: a domain without role or with too few sequences, or a loss that is not finite.
    """
    measures = measures or Measures()
    unknown = sorted(set(test) - set(roles))
    if unknown:
        raise GradmaskError(f"domains without a role: {', '.join(unknown)}. Roles are given for: {', '.join(roles)}")
    report, calibration = split(test, measures)
    sizes = {domain: byte_count(tokenizer, ids) for domain, ids in report.items()} if tokenizer is not None else {}
    results: dict[str, dict[str, DomainResult]] = {}
    for view in views(model):
        with viewed(model, view):
            bias = None
            if measures.calibration is not None:
                status(f"calibrating the {view} model")
                bias = calibrate(model, calibration, roles, measures.calibration, measures.batch_size).bias
            results[view] = {}
            status(f"{view} model on {', '.join(report) if len(report) < 4 else f'{len(report)} domains'}")
            for domain, losses in losses_of_domains(model, report, measures.batch_size, bias).items():
                _require_finite(losses[0], view, domain)
                results[view][domain] = _result(*losses, roles[domain], sizes.get(domain))
    return results


def split(test: Mapping[str, Any], measures: Measures) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Held-out ids per domain that are reported on, and others that calibrate (none without calibration)."""
    report, calibration = {}, {}
    for domain, dataset in test.items():
        name = f"the held-out set of {domain!r}"
        if measures.calibration is None:
            report[domain] = sequences_of(dataset, measures.sequences, name=name)
            continue
        take = min(measures.sequences, max(1, len(dataset) // 2))
        report[domain] = sequences_of(dataset, take, name=name)
        calibration[domain] = sequences_of(dataset, measures.sequences, start=take, name=name)
    return report, calibration


def _require_finite(losses: Tensor, view: str, domain: str) -> None:
    if not bool((losses.isfinite() | losses.isnan()).all()) or not math.isfinite(float(losses.nanmean())):
        raise GradmaskError(
            f"the loss of the {view} model on {domain!r} is not finite: its weights have diverged. Train it again with "
            "a lower learning rate, or evaluate an earlier checkpoint"
        )


def _result(losses: Tensor, calibrated: Tensor | None, role: str, size: int | None) -> DomainResult:
    plain = summarize(losses)
    moved = None if calibrated is None else summarize(calibrated)
    return DomainResult(
        role=cast(Role, role),
        loss=plain.nats,
        error=plain.error,
        perplexity=plain.perplexity,
        calibrated_loss=moved.nats if moved else None,
        calibrated_error=moved.error if moved else None,
        bits_per_byte=plain.bits_per_byte(size) if size else None,
        tokens=plain.tokens,
        histogram=histogram(losses, HISTOGRAM_EDGES),
    )


def quick_losses(
    model: nn.Module, test: Mapping[str, Any], sequences: int, batch_size: int = 32
) -> dict[str, dict[str, float]]:
    """View -> domain -> loss in nats, on a few sequences: a point of the training curve."""
    losses: dict[str, dict[str, float]] = {}
    held = {domain: sequences_of(data, sequences) for domain, data in test.items()}
    for view in views(model):
        with viewed(model, view):
            found = losses_of_domains(model, held, batch_size)
            losses[view] = {domain: summarize(plain).nats for domain, (plain, _) in found.items()}
    return losses


def sample(model: Any, tokenizer: Any, test: Mapping[str, Any], measures: Measures, seed: int = 0) -> list[Sample]:
    """The same prompts, beginnings of held-out documents of each domain, continued by every view of the model."""
    samples: list[Sample] = []
    length = min(PROMPT_TOKENS, (getattr(model.config, "max_position_embeddings", None) or 2 * PROMPT_TOKENS) // 2)
    for domain, dataset in test.items() if measures.samples else ():
        end = -1 if tokenizer.eos_token_id is None else tokenizer.eos_token_id
        starts = prompts(tokens_of(sequences_of(dataset)), measures.samples, length, end)
        written = {}
        for view in views(model):
            with viewed(model, view):
                written[view] = continuations(
                    model, tokenizer, starts, measures.sample_tokens, measures.temperature, seed
                )
        for i, prompt in enumerate(tokenizer.batch_decode(starts, skip_special_tokens=True)):
            continued = {v: texts[i] for v, texts in written.items()}
            samples.append(Sample(domain=domain, prompt=prompt, continuations=continued))
    return samples

"""`gm.check`: every promise, checked on the user's own model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from gradmask.conformance.coverage import check_coverage
from gradmask.conformance.freezing import check_freezing, check_passing, check_steadiness
from gradmask.conformance.loop import Step, check_optimizer, check_step
from gradmask.conformance.mixing import check_mixing
from gradmask.conformance.probe import Probe
from gradmask.conformance.removing import check_export, check_removal
from gradmask.conformance.report import Finding, Report
from gradmask.conformance.sandbox import kept, untouched
from gradmask.conformance.silence import check_silence
from gradmask.conformance.weighting import check_weights
from gradmask.model.attached import gradmask_of, partitioned

CHECKS = (
    check_coverage,
    check_freezing,
    check_steadiness,
    check_passing,
    check_weights,
    check_silence,
    check_mixing,
    check_removal,
    check_export,
)


def check(
    model: nn.Module,
    batch: Mapping[str, Any] | None = None,
    *,
    optimizer: Optimizer | None = None,
    step: Step | None = None,
) -> Report:
    """Check on this very model that its partition keeps its promises. The model is left as it was, bit for bit.

    Checked are: coverage (every parameter has one owner, every slice is in place, no block is cut in name only), freezing
    (what a label must not update gets no gradient, what it must update gets one), passing (gradient flows back where the
    policy lets it), weights (a weighted gradient counts as the policy says), silence (what must not run has no influence,
    however its parameters are changed), mixing (labels in one batch, and in passes before one backward pass, stay apart),
    removal (it changes the outputs; every way of it agrees; every label runs what the policy's table says), export (the plain
    model computes the same bits), and optimizer steps.

    Args:
        model: a partitioned model (a compiled or distributed wrapper around one is looked through).
        batch: its keyword arguments (``input_ids`` ``[batch, sequence]``, …), without ``data_labels``; random tokens by
            default. Rows are repeated where more are needed.
        optimizer: the optimizer that trains the model; its state is restored. By default an AdamW with weight decay.
        step: your own training step: called with a list of micro-batches (dicts with ``labels`` and ``data_labels``
            ``[batch]``), it must run them through the model and make one optimizer step. Give ``optimizer`` too, so that
            its state can be restored.

    Returns:
        A `Report`: print it, ask ``report.ok``, or call ``report.raise_for_failures()``.

    Raises:
        GradmaskError: the model is not partitioned, or the batch holds no tensors.
    """
    model = _unwrapped(model)
    started = time.perf_counter()
    gradmask_of(model)
    inner: Any = getattr(optimizer, "optimizer", optimizer)
    with untouched(model, inner), torch.enable_grad():
        probe = Probe(partitioned(model), batch)
        probe.rows(1)
        report = Report(_name(model), _shares(probe))
        for each in CHECKS:
            report.findings += _safely(each.__name__, each(probe), probe)
        report.findings += _safely("check_optimizer", check_optimizer(probe, inner), probe)
    if step is not None:
        with untouched(model, inner), torch.enable_grad():
            probe = Probe(partitioned(model), batch)
            report.findings += _safely("check_loop", check_step(probe, step, inner), probe)
    report.seconds = time.perf_counter() - started
    return report


def _safely(name: str, findings: Iterator[Finding], probe: Probe) -> list[Finding]:
    """A check that raises is a finding, too; what it changed is restored."""
    finished: list[Finding] = []
    with kept(probe.parameters.values()) if name in ("check_optimizer", "check_loop") else nullcontext():
        try:
            finished.extend(findings)
        except Exception as error:
            says = f"the check failed with {type(error).__name__}: {str(error).strip().splitlines()[0]}"
            finished.append(Finding(name.removeprefix("check_"), "fails", says))
    probe.model.zero_grad(set_to_none=True)
    return finished


def _unwrapped(model: nn.Module) -> nn.Module:
    for attribute in ("_orig_mod", "module", "_orig_mod"):
        inner = getattr(model, attribute, None)
        model = inner if isinstance(inner, nn.Module) else model
    return model


def _name(model: nn.Module) -> str:
    return getattr(type(model), "gradmask_plain", type(model)).__name__


def _shares(probe: Probe) -> dict[str, float]:
    total = sum(p.numel() for p in probe.parameters.values())
    sizes = {group: sum(p.numel() for p in members.values()) for group, members in probe.owned.items()}
    return {group: size / total for group, size in sizes.items() if size}

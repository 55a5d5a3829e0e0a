"""Does each example update by its own label, in one batch and over several passes?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gradmask.conformance.probe import Probe, objective
from gradmask.conformance.report import Finding

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}
HALF = 0.1
"""Relative error that summing in another order may make, by the parameters' dtype."""

Gradients = dict[str, Tensor]


def check_mixing(probe: Probe) -> Iterator[Finding]:
    """A batch of mixed labels, and two passes before one backward pass, against each label routed alone."""
    yield _examples(probe) if probe.mixes else _not_mixed(probe)
    yield _passes(probe)


def _not_mixed(probe: Probe) -> Finding:
    reason = probe.gradmask.limits["example"]
    return Finding("mixing", "note", f"one label for a batch: this model takes no labels per example ({reason})")


def _examples(probe: Probe) -> Finding:
    alone = [probe.gradients(probe.labels, only=[row]) for row in range(len(probe.labels))]
    wrong = _unequal(probe, probe.gradients(probe.labels), _sum(alone))
    if wrong:
        says = "a batch of mixed labels does not give the gradients that its examples give one label at a time; it differs in"
        return Finding("mixing", "fails", says, wrong)
    return Finding(
        "mixing", "holds", "a batch of mixed labels gives the gradients that its examples give one label at a time"
    )


def _passes(probe: Probe) -> Finding:
    groups = [label for label in probe.labels if label in probe.gradmask.removable]
    wrong = _unequal(probe, _together(probe, [*groups[:1], "retain"]), _apart(probe, [*groups[:1], "retain"]))
    if wrong:
        says = (
            "two forward passes with different labels before one backward pass do not keep their labels apart (the last "
            "label wins, as when recomputation sees the latest labels); it differs in"
        )
        return Finding("mixing", "fails", says, wrong)
    return Finding("mixing", "holds", "two forward passes before one backward pass keep their labels apart")


def _together(probe: Probe, labels: list[str]) -> Gradients:
    probe.model.zero_grad(set_to_none=True)
    torch.stack([objective(probe.output(label, training=True)) for label in labels]).sum().backward()
    gradients = {name: p.grad for name, p in probe.parameters.items() if p.grad is not None}
    probe.model.zero_grad(set_to_none=True)
    return gradients


def _apart(probe: Probe, labels: list[str]) -> Gradients:
    return _sum([probe.gradients(label, training=True) for label in labels])


def _sum(each: list[Gradients]) -> Gradients:
    total: Gradients = {}
    for gradients in each:
        for name, gradient in gradients.items():
            total[name] = total[name] + gradient if name in total else gradient
    return total


def _unequal(probe: Probe, actual: Gradients, expected: Gradients) -> tuple[str, ...]:
    scale = max((float(g.norm()) for g in expected.values()), default=0.0)
    wrong = [name for name in probe.parameters if (name in actual) != (name in expected)]
    for name in actual.keys() & expected.keys():
        error = float((actual[name] - expected[name]).norm())
        if not error <= _tolerance(probe, actual[name].dtype) * (float(expected[name].norm()) + 1e-3 * scale):
            wrong.append(name)
    return tuple(sorted(wrong))


def _tolerance(probe: Probe, dtype: torch.dtype) -> float:
    """Of the coarser of a parameter's dtype and the model's: adapters of a quantized model are finer than what it computes in."""
    return max(TOLERANCE.get(each, HALF) for each in (dtype, probe.model.dtype))

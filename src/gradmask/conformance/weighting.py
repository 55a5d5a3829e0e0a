"""Does a gradient that the policy weights count as much as its cell says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from gradmask.conformance.freezing import input_gradients
from gradmask.conformance.mixing import HALF, TOLERANCE
from gradmask.conformance.probe import Probe
from gradmask.conformance.report import Finding
from gradmask.partitioning import RETAIN
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.routing.cells import Cell
from gradmask.routing.policy import Policy

Weight = Literal["learn_weight", "pass_weight"]


def check_weights(probe: Probe) -> Iterator[Finding]:
    """The gradients under the policy against those under the same policy without its weights."""
    if not probe.gradmask.policy.weighted:
        return
    faults = [fault for label in probe.labels if _steady(probe, label) for fault in _one(probe, label)]
    yield from faults
    if not faults:
        yield Finding("weights", "holds", "what the policy weights counts as often as its cell says")


def _steady(probe: Probe, label: str) -> bool:
    """Whether every example of a label has the same cells; some retain examples may be routed otherwise."""
    policy = probe.gradmask.policy
    return label != RETAIN or not (policy.rehearsal or policy.run_one_other)


def _one(probe: Probe, label: str) -> Iterator[Finding]:
    yield from _passing(probe, label)
    if probe.gradmask.policy.credit == "reader":
        return  # rows then learn by what passes, which is checked above
    weighted = probe.gradients(label, training=True)
    with _without(probe, "learn_weight"):
        plain = probe.gradients(label, training=True)
    for group, members in probe.owned.items():
        weight = probe.cell(label, group).learn_weight
        wrong = tuple(n for n in members if n in plain and _differs(weighted.get(n), plain[n] * weight))
        if wrong:
            says = f"on {label!r} data {group!r} learns times {weight:g} by the policy, but its gradient is another one, of"
            yield Finding("weights", "fails", says, wrong)


def _passing(probe: Probe, label: str) -> Iterator[Finding]:
    """At the last cut layer that writes to the residual stream: no other weight has touched the gradient there."""
    last = next((m for m in reversed(probe.cuts) if m.geometry.split == "in"), None)
    weights = {g: probe.cell(label, g).pass_weight for g in (last.geometry.units.groups if last else ())}
    if last is None or all(weight == 1.0 for weight in weights.values()):
        return
    found = input_gradients(probe, label, {last}).get(last)
    with _without(probe, "learn_weight", "pass_weight"):
        plain = input_gradients(probe, label, {last}).get(last)
    for group, weight in weights.items():
        if found is not None and plain is not None and _differs(*_columns(last, group, found, plain * weight)):
            says = f"on {label!r} data gradient flows back through {group!r} times {weight:g} by the policy, but it does not"
            yield Finding("weights", "fails", says)


def _columns(module: SplitLinear, group: str, *gradients: Tensor) -> list[Tensor]:
    return [gradient[..., list(module.geometry.units.positions[group])] for gradient in gradients]


def _differs(found: Tensor | None, expected: Tensor) -> bool:
    if found is None:
        return True
    error, size = float((found - expected).norm()), float(expected.norm())
    return not error <= TOLERANCE.get(found.dtype, HALF) * size


@contextmanager
def _without(probe: Probe, *kinds: Weight) -> Iterator[None]:
    """Route by the policy with all weights of some kinds 1; the same random draws."""
    router = probe.gradmask.router
    policy = router.policy
    router.policy = _unweighted(policy, kinds)
    try:
        yield
    finally:
        router.policy = policy


def _unweighted(policy: Policy, kinds: Sequence[Weight]) -> Policy:
    ones: dict[str, Any] = dict.fromkeys(kinds, 1.0)

    def plain(tables: Mapping[str, Mapping[str, Cell]]) -> dict[str, dict[str, Cell]]:
        return {row: {c: replace(cell, **ones) for c, cell in cells.items()} for row, cells in tables.items()}

    return replace(policy, rows=plain(policy.rows), groups=plain(policy.groups))

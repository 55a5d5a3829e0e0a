"""Does an optimizer step leave alone what must not learn: in a usual loop, with the user's optimizer, in the user's step?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradmask.conformance.arrival import check_arrival
from gradmask.conformance.freezing import always_learns, never_learns
from gradmask.conformance.probe import Probe, objective
from gradmask.conformance.report import Finding, quoted
from gradmask.conformance.sandbox import same_bits
from gradmask.partitioning import RETAIN
from gradmask.routing.router import UNLABELED

Step = Callable[[list[dict[str, Any]]], Any]


def check_optimizer(probe: Probe, optimizer: Optimizer | None) -> Iterator[Finding]:
    """Steps of AdamW with weight decay, or of the user's optimizer, whose state is warm from an unlabeled batch."""
    name = type(optimizer).__name__ if optimizer is not None else "AdamW"
    if optimizer is None:
        trainable = [p for p in probe.parameters.values() if p.requires_grad]
        optimizer = torch.optim.AdamW(trainable, lr=1e-3, weight_decay=0.1)
    yield from _missing(probe, optimizer)
    yield from _frozen(probe)
    yield from _rates(probe, optimizer)

    def step(labels: Sequence[str]) -> None:
        for label in labels:
            objective(probe.output(label, training=True)).backward()
        optimizer.step()
        optimizer.zero_grad()

    faults = list(_steps(probe, step, optimizer, f"a step of {name}"))
    yield from faults
    if not faults:
        yield Finding(
            "optimizer",
            "holds",
            f"steps of {name} change the groups that a batch updates and not one bit of anything else",
        )


def check_step(probe: Probe, step: Step, optimizer: Optimizer | None) -> Iterator[Finding]:
    """The user's own training step, called with lists of micro-batches."""
    ids = probe.gradmask.router.ids
    source = {**probe.batch, "labels": probe.batch.get("labels", probe.batch.get("input_ids"))}
    rows = {name: value for name, value in probe.rows(2, source).items() if value is not None}

    def run(labels: Sequence[str]) -> None:
        probe.model.train()
        step([{**rows, "data_labels": torch.full((2,), ids[label])} for label in labels])

    faults = [*_steps(probe, run, optimizer, "your step"), *check_arrival(probe, step, source)]
    yield from faults
    if not faults:
        yield Finding(
            "loop",
            "holds",
            "your step changes the groups that its micro-batches update and not one bit of anything else",
        )


def _teachable(probe: Probe) -> dict[str, dict[str, nn.Parameter]]:
    """The groups that may learn at all, with their parameters: while a model is consolidated, the removable ones."""
    return {group: members for group, members in probe.owned.items() if group not in probe.gradmask.context.frozen}


def _missing(probe: Probe, optimizer: Optimizer) -> Iterator[Finding]:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for group, members in _teachable(probe).items():
        lost = tuple(n for n, p in members.items() if p.requires_grad and id(p) not in held)
        if lost:
            says = f"the optimizer lacks parameters of {group!r}, so they are never updated (was it made before gm.partition?)"
            yield Finding("optimizer", "fails" if len(lost) == len(members) else "note", says, lost)


def _frozen(probe: Probe) -> Iterator[Finding]:
    """Groups that some label must teach, and whose parameters take no gradient."""
    for group, members in probe.owned.items():
        fixed = tuple(name for name, p in members.items() if not p.requires_grad)
        if not fixed or group in probe.off or (group == RETAIN and probe.gradmask.cut.frozen):
            continue
        if len(fixed) < len(members):
            yield Finding(
                "optimizer", "note", f"requires_grad is False for parameters of {group!r}, so they never learn", fixed
            )
        elif any(always_learns(probe, label, group) for label in probe.labels):
            hint = "; for a base that never learns, gm.partition(..., base='frozen')" if group == RETAIN else ""
            says = f"requires_grad is False for every parameter of {group!r}, so the group never learns{hint}"
            yield Finding("optimizer", "fails", says)


def _rates(probe: Probe, optimizer: Optimizer) -> Iterator[Finding]:
    """Groups that others outrun: with a learning rate of 0, while others have one."""
    rates = {id(p): float(group.get("lr", 1.0)) for group in optimizer.param_groups for p in group["params"]}
    if not _learning(optimizer):
        yield Finding(
            "optimizer", "note", "every learning rate is 0 now (a warm-up?), so a step shows only what must not move"
        )
        return
    for group, members in _teachable(probe).items():
        held = [name for name, p in members.items() if p.requires_grad and id(p) in rates]
        still = tuple(name for name in held if rates[id(members[name])] == 0.0)
        if not still or group in probe.off:
            continue
        if len(still) < len(held):
            yield Finding("optimizer", "note", f"the learning rate is 0 for parameters of {group!r}", still)
        else:
            yield Finding("optimizer", "fails", f"the learning rate of {group!r} is 0, so the group never learns")


def _steps(
    probe: Probe, step: Callable[[Sequence[str]], None], optimizer: Optimizer | None, what: str
) -> Iterator[Finding]:
    step([UNLABELED])
    left = tuple(name for name, p in probe.parameters.items() if p.grad is not None)
    if left:
        says = (
            f"after {what} gradients are left over (zero_grad(set_to_none=False)?), and a zero gradient still moves a "
            "parameter by momentum and weight decay"
        )
        yield Finding("optimizer", "fails", says, left)
    groups = [label for label in probe.labels if label in probe.removable]
    orders = [[label] for label in probe.labels]
    orders += [order for label in groups[:1] for order in ([label, RETAIN], [RETAIN, label], [label] * 2, [RETAIN] * 2)]
    for labels in orders:
        yield from _one_step(probe, step, optimizer, labels, what)


def _one_step(
    probe: Probe, step: Callable[[Sequence[str]], None], optimizer: Optimizer | None, labels: list[str], what: str
) -> Iterator[Finding]:
    before = _snapshot(probe, optimizer)
    step(labels)
    moved = {name for name, values in _snapshot(probe, optimizer).items() if not _same(values, before[name])}
    data = f"{quoted(labels)} data" if len(labels) == 1 else f"micro-batches labeled {quoted(labels)}, in this order,"
    for group, members in probe.owned.items():
        trainable = [name for name, p in members.items() if p.requires_grad]
        wrong = tuple(name for name in trainable if name in moved)
        if wrong and all(never_learns(probe, label, group) for label in labels):
            dragged = all(probe.is_dragged(name, group) for name in wrong)
            cause = f" (exact={probe.gradmask.exact!r} asks for that)" if dragged else ""
            yield Finding(
                "optimizer", "fails", f"{what} on {data} must not change {group!r}, but changes{cause}", wrong
            )
        teachers = [label for label in labels if always_learns(probe, label, group)]
        if trainable and teachers and not wrong and _learning(optimizer):
            cause = f": the masks of the last label were applied to all of them, {quoted(teachers)} was lost"
            says = f"{what} on {data} does not change {group!r}{cause if len(labels) > 1 else ''}"
            yield Finding("optimizer", "fails", says)


def _learning(optimizer: Optimizer | None) -> bool:
    return optimizer is None or any(float(group.get("lr", 1.0)) > 0.0 for group in optimizer.param_groups)


def _snapshot(probe: Probe, optimizer: Optimizer | None) -> dict[str, list[Tensor]]:
    """Each parameter with the tensors of its optimizer state."""
    tensors = {}
    for name, parameter in probe.parameters.items():
        state = optimizer.state.get(parameter, {}) if optimizer is not None else {}
        tensors[name] = [parameter.detach().clone(), *(v.clone() for v in state.values() if isinstance(v, Tensor))]
    return tensors


def _same(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(same_bits(a, b) for a, b in zip(first, second, strict=True))

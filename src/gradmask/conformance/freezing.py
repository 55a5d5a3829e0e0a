"""Do the parameters that must not learn get no gradient, and those that must learn get one?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from gradmask.conformance.probe import Probe, objective
from gradmask.conformance.report import Finding
from gradmask.partitioning import JOINT, RETAIN
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.owned.experts import RowWise

PASSES = 4
"""With as many seeds, the gradients of a label are compared."""


def never_learns(probe: Probe, label: str, group: str) -> bool:
    """Whether, by the policy, this label never updates this group."""
    cell = probe.cell(label, group)
    return cell.learns == 0.0 or (cell.runs == 0.0 and group not in (RETAIN, JOINT))


def always_learns(probe: Probe, label: str, group: str) -> bool:
    """Whether, by the policy, this label always updates this group."""
    cell = probe.cell(label, group)
    return cell.learns == cell.runs == 1.0


def check_freezing(probe: Probe) -> Iterator[Finding]:
    """The gradients that each label leaves, against the policy's table."""
    reached = set(probe.gradients(None, training=True))
    faults: list[Finding] = []
    for label in probe.labels:
        gradients = probe.gradients(label, training=True)
        for group, members in probe.owned.items():
            if never_learns(probe, label, group):
                faults += _wrong_gradients(probe, label, group, {n: gradients[n] for n in members if n in gradients})
                faults += _missing_zeros(probe, label, group, gradients, reached)
            elif always_learns(probe, label, group):
                missing = tuple(n for n in members if n in reached and n not in gradients)
                says = f"{label!r} data must update {group!r}, but gives no gradient to"
                faults += [Finding("freezing", "fails", says, missing)] if missing else []
    yield from faults
    if not faults:
        yield Finding(
            "freezing",
            "holds",
            f"each of {len(probe.labels)} labels gives gradients to the groups that it updates, and to no other",
        )
    trainable = {name for name, p in probe.parameters.items() if p.requires_grad and not _silenced(probe, name)}
    if trainable - reached:
        yield Finding(
            "freezing", "note", "no batch gives a gradient to these parameters", tuple(sorted(trainable - reached))
        )


def _silenced(probe: Probe, name: str) -> bool:
    return any(name in probe.owned[group] for group in probe.off)


def _wrong_gradients(probe: Probe, label: str, group: str, gradients: dict[str, Tensor]) -> list[Finding]:
    zeros = [name for name, gradient in gradients.items() if not gradient.any()]
    asked = [name for name in zeros if probe.is_dragged(name, group)]
    causes = {
        f"exact={probe.gradmask.exact!r} asks for that": asked,
        "it must be None": [name for name in zeros if name not in asked],
    }
    faults = []
    if others := tuple(name for name in gradients if name not in zeros):
        says = f"{label!r} data must not update {group!r}, but gives a gradient to"
        faults.append(Finding("freezing", "fails", says, others))
    for cause, names in causes.items():
        says = f"{label!r} data gives zero gradients ({cause}), which momentum and weight decay turn into steps, to {group!r}"
        faults += [Finding("freezing", "fails", says, tuple(names))] if names else []
    return faults


def _missing_zeros(
    probe: Probe, label: str, group: str, gradients: dict[str, Tensor], reached: set[str]
) -> list[Finding]:
    dragged = [name for name in probe.owned[group] if name in reached and probe.is_dragged(name, group)]
    missing = tuple(name for name in dragged if name not in gradients)
    says = (
        f"exact={probe.gradmask.exact!r} asks for zero gradients of {group!r} on {label!r} data, but there are none of"
    )
    return [Finding("freezing", "fails", says, missing)] if missing else []


def check_steadiness(probe: Probe) -> Iterator[Finding]:
    """Whether what must learn does so in every pass: gradients that are all zeros now and then train nothing, unseen."""
    faults = []
    routed = _routed_rows(probe)
    for label in probe.labels:
        members = {
            n: g for g in probe.owned if always_learns(probe, label, g) for n in probe.owned[g] if n not in routed
        }
        passes = [probe.gradients(label, training=True, seed=seed) for seed in range(PASSES)]
        taught = {name: [bool(g[name].any()) for g in passes if name in g] for name in members}
        rare = [name for name, each in taught.items() if any(each) and not all(each)]
        for group in dict.fromkeys(members[name] for name in rare):
            says = f"on {label!r} data the gradient of {group!r} is all zeros in some passes and not in others"
            faults.append(Finding("freezing", "fails", says, tuple(n for n in rare if members[n] == group)))
    yield from faults
    if not faults:
        yield Finding("freezing", "holds", f"what must learn gets gradients in each of {PASSES} passes")


def _routed_rows(probe: Probe) -> set[str]:
    """Parameters of experts: which of them get a token depends on the input, and on dropout."""
    modules = [(path, module) for path, module in probe.model.named_modules() if isinstance(module, RowWise)]
    return {f"{path}.{name}" for path, module in modules for name in module._parameters}


def check_passing(probe: Probe) -> Iterator[Finding]:
    """Whether gradient flows back through each group's units where the policy lets it pass, and not where it does not."""
    faults, tried = [], 0
    readers = {group: module for module in reversed(probe.cuts) for group in _units(module)}
    for label in probe.labels:
        seen = input_gradients(probe, label, set(readers.values()))
        for group, module in readers.items():
            cell, gradient = probe.cell(label, group), seen.get(module)
            if gradient is None or cell.runs < 1.0 or 0.0 < cell.passes < 1.0:
                continue
            tried += 1
            columns = gradient.reshape(-1, gradient.shape[-1])[:, list(module.geometry.units.positions[group])]
            weight = module.weight.movedim(module.geometry.dim, -1)[..., list(module.geometry.units.positions[group])]
            if bool(columns.any()) != (cell.passes == 1.0) and bool(weight.any()):
                way = "must flow" if cell.passes else "must not flow"
                says = f"on {label!r} data gradient {way} back through {group!r}, and it does{'' if columns.any() else ' not'}"
                faults.append(Finding("passing", "fails", says))
    yield from faults
    if tried and not faults:
        yield Finding("passing", "holds", "gradient flows back through the units that the policy lets it pass")


def _units(module: SplitLinear) -> tuple[str, ...]:
    return module.geometry.units.groups if module.geometry.split == "in" else ()


def input_gradients(probe: Probe, label: str, modules: set[SplitLinear]) -> dict[Any, Tensor]:
    """Layer -> the gradient of its input, for one label in training."""
    inputs: dict[Any, Tensor] = {}

    def keep(module: Any, args: tuple[Any, ...]) -> None:
        if args[0].requires_grad and not args[0].is_leaf:
            args[0].retain_grad()
            inputs[module] = args[0]

    hooks = [module.register_forward_pre_hook(keep) for module in modules]
    try:
        objective(probe.output(label, training=True)).backward()
    finally:
        for hook in hooks:
            hook.remove()
        probe.model.zero_grad(set_to_none=True)
    return {module: x.grad for module, x in inputs.items() if x.grad is not None}

"""Does the partition cover the model?"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from torch import nn

from gradmask.conformance.probe import Probe
from gradmask.conformance.report import Finding
from gradmask.partitioning import JOINT, KINDS, adapters_of
from gradmask.partitioning.architectures.finding import find_blocks, undeclared
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.owned.table_kinds import group_of

TOLERATED = 0.1
"""Share of a block's weights that may lie outside every declared layer (a mixture's router, say) before it is a fault."""


def check_coverage(probe: Probe) -> Iterator[Finding]:
    """Every parameter has one owner, every slice is in place, and the declaration covers the blocks."""
    owned = {name for members in probe.owned.values() for name in members}
    unowned = tuple(name for name in probe.parameters if name not in owned)
    if unowned:
        yield Finding(
            "coverage",
            "fails",
            "no group owns these parameters (added after gm.partition?), so every batch updates them",
            unowned,
        )
    else:
        yield Finding("coverage", "holds", f"each of the {len(owned)} parameters belongs to exactly one group")
    yield from _shared(probe)
    yield from _patterns(probe)
    yield from _slices(probe)
    yield from _blocks(probe)


def _shared(probe: Probe) -> Iterator[Finding]:
    """Parameters that several layers read must belong to one group in all of them, and no layer may read them unrouted."""
    places: dict[nn.Parameter, dict[str, str | None]] = {}
    for path, module in probe.model.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                places.setdefault(parameter, {})[f"{path}.{name}" if path else name] = _owner(module, name)
    for names in (names for names in places.values() if len(names) > 1):
        owners = set(names.values())
        if None in owners and len(owners) > 1:
            says = "one parameter is shared by a layer that belongs to a group and one that none does, so every batch updates it"
            yield Finding("coverage", "fails", says, tuple(names))
        elif len(owners) > 1:
            groups = ", ".join(sorted(repr(owner) for owner in owners))
            yield Finding(
                "coverage", "fails", f"one parameter is shared by layers of different groups ({groups})", tuple(names)
            )
    twice: dict[int, list[str]] = {}
    for path, module in probe.model.named_modules():
        if isinstance(module, SplitLinear):
            twice.setdefault(id(module.__dict__.get("plain")), []).append(path)
    for paths in (paths for paths in twice.values() if len(paths) > 1):
        says = "one layer that stood at several places was cut into several, which no longer share their weights"
        yield Finding("coverage", "fails", says, tuple(paths))


def _owner(module: nn.Module, name: str) -> str | None:
    """The group of a module's own parameter, None where no route reaches it."""
    if isinstance(module, SplitLinear):
        return name.partition("_")[2]
    return group_of(name) or getattr(module, "gradmask_owners", {}).get(name)


def _patterns(probe: Probe) -> Iterator[Finding]:
    """Patterns of names that match nothing any more, because a library renamed its modules."""
    joint = {_plain_name(name) for name in probe.owned.get(JOINT, ())}
    for pattern in (*probe.gradmask.cut.joint, *probe.gradmask.policy.joint):
        if not joint if pattern in KINDS else not any(fnmatchcase(name, pattern) for name in joint):
            yield Finding("coverage", "fails", f"joint={pattern!r} is declared, but no parameter of that name is joint")


def _plain_name(name: str) -> str:
    path, _, leaf = name.rpartition(".")
    return f"{path}.{leaf.removesuffix('_' + JOINT)}"


def _slices(probe: Probe) -> Iterator[Finding]:
    record = probe.gradmask.cut
    architecture = record.architecture
    modules = dict(probe.model.named_modules())
    blocks = [name for name, _ in find_blocks(probe.model, architecture)]
    writers = {
        "heads": [spec.output for spec in architecture.attention],
        "neurons": [spec.output for spec in architecture.mlp],
        "experts": [spec.module for spec in architecture.experts],
        "expert_neurons": [spec.module for spec in architecture.experts],
    }
    lost: list[str] = []
    for place, chosen in record.units.items():
        name, _, unit = place.rpartition("/")
        paths = [f"{block}.{path}" for block in blocks for path in writers.get(unit, ())]
        inside = [modules.get(path) for path in paths if path.startswith(f"{name}.")]
        lost += [f"{unit} of {g!r} in {name}" for g in chosen if paths and not any(_holds(m, g) for m in inside)]
    lost += [f"the adapter of {group!r}" for group in adapters_of(record.slices) if not probe.owned[group]]
    if lost:
        yield Finding(
            "coverage",
            "fails",
            "layers that were cut into groups no longer are (replaced after gm.partition?)",
            tuple(lost),
        )
    else:
        yield Finding("coverage", "holds", f"the slices are in place at {len(record.units)} sites")


def _holds(module: nn.Module | None, group: str) -> bool:
    if isinstance(module, SplitLinear):
        return group in module.geometry.units.groups
    return module is not None and any(name.endswith(f"_{group}") for name in module._parameters)


def _blocks(probe: Probe) -> Iterator[Finding]:
    architecture = probe.gradmask.cut.architecture
    worst, worst_name, missing = 0.0, "", ()
    for name, block in find_blocks(probe.model, architecture):
        share, left_out = undeclared(block, architecture, architecture.uncut)
        if share > worst:
            worst, worst_name, missing = share, name, tuple(f"{name}.{path}" for path in left_out)
    kept = f"{1 - worst:.0%}" if worst > TOLERATED else f"{1 - worst:.1%}"
    covered = f"{kept} of the weights of {worst_name} are in layers that a group can own a slice of"
    if worst > TOLERATED:
        says = f"only {covered}; the declaration for {probe.model.config.model_type!r} leaves out"
        yield Finding("coverage", "fails", says, missing)
    elif worst:
        yield Finding("coverage", "note", f"{covered}; the rest is retained", missing)
    else:
        yield Finding(
            "coverage", "holds", "every weight matrix of every block is in a layer that a group can own a slice of"
        )

"""Does the partition cover what it says?"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from gradmask.conformance.probe import Probe
from gradmask.conformance.report import Finding
from gradmask.partitioning import JOINT, KINDS, Architecture, architecture_of
from gradmask.partitioning.finding import find_blocks
from gradmask.partitioning.linear import SplitLinear

TOLERATED = 0.1
"""Share of a block's weights that may lie outside every declared layer (a mixture's router, say) before it is a fault."""


def check_coverage(probe: Probe) -> Iterator[Finding]:
    """Every parameter has one owner, every slice is where the record says, and no block is cut in name only."""
    owned = {name for members in probe.owned.values() for name in members}
    homeless = tuple(name for name in probe.parameters if name not in owned)
    if homeless:
        yield Finding(
            "coverage", "fails", "no group owns, so every batch teaches (added after gm.partition?)", homeless
        )
    else:
        yield Finding("coverage", "holds", f"each of the {len(owned)} parameters belongs to exactly one group")
    yield from _patterns(probe)
    yield from _slices(probe)
    yield from _blocks(probe)


def _patterns(probe: Probe) -> Iterator[Finding]:
    """Patterns of names can stop matching when a library renames its modules."""
    joint = {_plain_name(name) for name in probe.owned.get(JOINT, ())}
    for pattern in (*probe.gradmask.cut.joint, *probe.gradmask.policy.joint):
        if not joint if pattern in KINDS else not any(fnmatchcase(name, pattern) for name in joint):
            yield Finding("coverage", "fails", f"joint={pattern!r} is declared, but no parameter of that name is joint")


def _plain_name(name: str) -> str:
    path, _, leaf = name.rpartition(".")
    return f"{path}.{leaf.removesuffix('_' + JOINT)}"


def _slices(probe: Probe) -> Iterator[Finding]:
    record, architecture = probe.gradmask.cut, architecture_of(probe.model)
    modules = dict(probe.model.named_modules())
    blocks = [name for name, _ in find_blocks(probe.model, architecture)]
    specs: dict[str, tuple[Any, ...]] = {"heads": architecture.attention, "neurons": architecture.mlp}
    lost: list[str] = []
    for place, chosen in record.units.items():
        name, _, unit = place.rpartition("/")
        outputs = [f"{block}.{spec.output}" for block in blocks for spec in specs.get(unit, ())]
        inside = [modules.get(path) for path in outputs if path.startswith(f"{name}.")]
        held = {group for module in inside if isinstance(module, SplitLinear) for group in module.geometry.units.groups}
        lost += [f"{unit} of {group!r} in {name}" for group in chosen if outputs and group not in held]
    if lost:
        yield Finding("coverage", "fails", "layers that were cut into groups are not any more (replaced?)", tuple(lost))
    else:
        yield Finding("coverage", "holds", f"the slices are in place at {len(record.units)} sites")


def _blocks(probe: Probe) -> Iterator[Finding]:
    architecture = architecture_of(probe.model)
    worst, worst_name, missing = 0.0, "", ()
    for name, block in find_blocks(probe.model, architecture):
        share, left_out = undeclared(block, architecture)
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


def undeclared(block: nn.Module, architecture: Architecture) -> tuple[float, list[str]]:
    """The share of a block's weights outside every layer that ``architecture`` declares, and their names."""
    specs = [spec for value in vars(architecture).values() if isinstance(value, tuple) for spec in value]
    declared = tuple(f"{path}." for spec in specs for path in getattr(spec, "paths", ()))
    sizes = {name: p.numel() for name, p in block.named_parameters() if p.dim() > 1}
    left_out = [name for name in sizes if not name.startswith(declared)]
    return sum(sizes[name] for name in left_out) / max(1, sum(sizes.values())), left_out

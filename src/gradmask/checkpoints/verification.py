"""Verifying a checkpoint: is it what was written, and are the groups that it claims to be without really gone?

The hashes in ``gradmask.json`` show changes by accident, or by an author who did not rewrite the manifest; an attacker who
can rewrite the manifest can also rewrite the hashes. Against that there is the manifest's digest: publish it, and compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.checkpoints import compact as compaction
from gradmask.checkpoints.exporting import plain_state
from gradmask.checkpoints.loading import load, read_plain
from gradmask.checkpoints.traces import holds_any, traces
from gradmask.errors import GradmaskError
from gradmask.files import sha256
from gradmask.model.attached import gradmask_of, groups
from gradmask.model.manifest import Manifest, digest_of, files_in, read_manifest
from gradmask.model.partitioned import partition
from gradmask.partitioning import Slice

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


@dataclass
class Verification:
    """What was result. ``holds``: what was proved, in words; ``problems``: what is wrong; none means that it is good."""

    folder: str
    kind: str
    groups: list[str]
    removed: list[str]
    digest: str
    gradmask_version: str
    data: str | None
    holds: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        lines = [f"{self.folder}: {self.kind}, groups {', '.join(self.groups)}, digest {self.digest or 'none'}"]
        lines += [f"  holds: {line}" for line in self.holds]
        lines += [f"  WRONG: {line}" for line in self.problems]
        return "\n".join(lines)


def verify(path: str | Path, without: Sequence[str] = (), against: str | Path | None = None) -> Verification:
    """Check a checkpoint's files against its ``gradmask.json``, and prove that it is without the groups it claims to be without.

    Args:
        path: a folder that `gradmask.export`, ``save_pretrained`` of a partitioned model, or a run wrote.
        without: groups that must be gone; those that the manifest claims are proved in any case.
        against: the partitioned checkpoint that it was made from. The export must then be, bit for bit, what removal gives; and
            the removed weights are looked for in the bytes of every file.

    Raises:
        GradmaskError: no such folder, no or an unreadable ``gradmask.json``.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise GradmaskError(f"there is no folder {folder}")
    manifest = read_manifest(folder)
    result = Verification(
        folder=str(folder),
        kind=manifest.kind,
        groups=list(manifest.groups),
        removed=list(manifest.removed),
        digest=manifest.digest,
        gradmask_version=manifest.gradmask_version,
        data=manifest.data,
    )
    _files(folder, manifest, result)
    for name in without:
        if name not in manifest.removed:
            known = ", ".join(manifest.removed) or "nothing"
            result.problems.append(f"its manifest does not list {name!r} as removed (it lists {known})")
    if result.ok and manifest.removed:
        _removed(folder, manifest, result)
    if result.ok and against is not None:
        _against(folder, manifest, Path(against), result)
    return result


def _files(folder: Path, manifest: Manifest, result: Verification) -> None:
    if not manifest.files:
        result.problems.append(
            "its gradmask.json has no hashes of the files (written by an older version?): save it again"
        )
        return
    if digest_of(manifest) != manifest.digest:
        result.problems.append("gradmask.json was changed: its digest does not match")
    present = files_in(folder)
    for name, known in manifest.files.items():
        if name not in present:
            result.problems.append(f"{name} is missing")
        elif sha256(folder / name) != known:
            result.problems.append(f"{name} was changed")
    result.problems += [
        f"{name} was added: the manifest does not list it" for name in present if name not in manifest.files
    ]
    result.problems += list(_indexed_elsewhere(folder, present))
    if manifest.kind == "export":
        result.problems += [
            f"{name} may be a pickle, which an export never holds" for name in present if name.endswith(PICKLES)
        ]
    if result.ok:
        result.holds.append(f"all {len(manifest.files)} files are as they were written")


def _indexed_elsewhere(folder: Path, present: Sequence[str]) -> Iterator[str]:
    """Weights that an index takes from files that the manifest does not cover, and links that lead out of the folder."""
    for name in present:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            yield f"{name} is a link to outside the folder"
        if name.endswith(".index.json"):
            try:
                files = set(json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"].values())
            except (ValueError, KeyError, AttributeError, TypeError):
                yield f"{name} is not an index of weights"
                continue
            yield from (
                f"{name} takes weights from {file}, which is not in the folder" for file in sorted(files - {*present})
            )


def _removed(folder: Path, manifest: Manifest, result: Verification) -> None:
    """Cut the checkpoint as it was cut before: everything that falls to a removed group must be zero, or have no place."""
    if manifest.compact:
        result.holds.append(_compact(folder, manifest, result))
        return
    try:
        owned = groups(load(folder)) if manifest.kind == "partitioned" else _cut_again(folder, manifest)
    except GradmaskError as error:
        result.problems.append(f"it cannot be opened and cut as its manifest says: {error}")
        return
    for name in manifest.removed:
        left = {key: int(p.count_nonzero()) for key, p in owned.get(name, {}).items()}
        total = sum(p.numel() for p in owned.get(name, {}).values())
        if nonzero := {key: n for key, n in left.items() if n}:
            key = next(iter(nonzero))
            result.problems.append(
                f"{sum(nonzero.values()):,} weights of the removed group {name!r} are not zero, for example in {key}"
            )
        elif total:
            result.holds.append(f"all {total:,} weights that belonged to {name!r} are zero")
        else:
            result.holds.append(f"a plain checkpoint has no place for the weights of {name!r}, and contains none")


def _cut_again(folder: Path, manifest: Manifest) -> dict[str, dict[str, nn.Parameter]]:
    """Group -> its weights in the plain model of an export. Own tables and adapters have no place in one."""
    model = read_plain(folder)
    slices = {
        name: replace(spec, embeddings=False)
        for name, entry in manifest.groups.items()
        if isinstance(spec := entry.slice(), Slice) and (spec.heads or spec.neurons or spec.experts)
    }
    return groups(partition(model, slices, architecture=manifest.architecture, units=manifest.units)) if slices else {}


def _compact(folder: Path, manifest: Manifest, result: Verification) -> str:
    """In a compact export the units are gone: its layers have exactly the places that the others need."""
    model = read_plain(folder)
    missing = []
    for name, shape in manifest.shapes.items():
        tensor = model.state_dict().get(name)
        if tensor is None or list(tensor.shape) != shape:
            missing.append(name)
    result.problems += [
        f"{name} does not have the size that is left without {', '.join(manifest.removed)}" for name in missing
    ]
    return f"the layers are smaller by the units of {', '.join(manifest.removed)}"


def _against(folder: Path, manifest: Manifest, full: Path, result: Verification) -> None:
    source = load(full)
    if gradmask_of(source).cut.units != manifest.units and not manifest.compact:
        result.problems.append(f"{full} is partitioned into other units: this checkpoint was not made from it")
        return
    _same(folder, manifest, source, result)
    for name in manifest.removed:
        needles = list(traces(groups(source)[name].values()))
        where = [str(file) for file in files_in(folder) if holds_any(folder / file, needles)]
        if where:
            result.problems.append(f"weights of {name!r} were found in {', '.join(where)}")
        elif needles:
            result.holds.append(f"none of {len(needles)} windows of weights of {name!r} is in the bytes of any file")


def _same(folder: Path, manifest: Manifest, source: PreTrainedModel, result: Verification) -> None:
    expected: dict[str, Tensor] = plain_state(source, manifest.removed)
    if manifest.compact:
        expected, _ = compaction.compact(source, gradmask_of(source).cut, manifest.removed, expected)
    actual = read_plain(folder).state_dict()
    other = [name for name, tensor in expected.items() if name not in actual or not _equal(actual[name], tensor)]
    if other:
        result.problems.append(f"{len(other)} tensors differ from what removal gives, for example {other[0]}")
    else:
        result.holds.append(f"bit for bit what removing {', '.join(manifest.removed) or 'nothing'} gives")


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.cpu(), other.cpu().to(one.dtype))

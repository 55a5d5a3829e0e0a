"""Verifying a checkpoint: is it what was written, and is what it claims to be without really gone.

The hashes in ``gradmask.json`` find what was changed by accident or by somebody who did not write the manifest anew; whoever can
rewrite it can make its hashes fit. Against that stands the manifest's own digest: publish it, and compare.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.checkpoints import compact as compaction
from gradmask.checkpoints.plain import load, plain_state, read_plain
from gradmask.errors import GradmaskError
from gradmask.files import sha256
from gradmask.model.attached import groups, require
from gradmask.model.manifest import Manifest, digest_of, files_in, read_manifest
from gradmask.model.partitioned import partition
from gradmask.partitioning import Slice

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
WINDOW = 8
"""Neighbouring weights that are looked for together."""
NEEDLES = 48
"""Places per removed group that are looked for, in every number format."""
FORMATS = (torch.float32, torch.bfloat16, torch.float16)


@dataclass
class Verification:
    """What was found. ``holds``: what was proved, in words; ``problems``: what is wrong; none means that it is good."""

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
    found = Verification(
        folder=str(folder),
        kind=manifest.kind,
        groups=list(manifest.groups),
        removed=list(manifest.removed),
        digest=manifest.digest,
        gradmask_version=manifest.gradmask_version,
        data=manifest.data,
    )
    _files(folder, manifest, found)
    for name in without:
        if name not in manifest.removed:
            known = ", ".join(manifest.removed) or "nothing"
            found.problems.append(f"it does not claim to be without {name!r}: removed is {known}")
    if found.ok and manifest.removed:
        _removed(folder, manifest, found)
    if found.ok and against is not None:
        _against(folder, manifest, Path(against), found)
    return found


def _files(folder: Path, manifest: Manifest, found: Verification) -> None:
    if not manifest.files:
        found.problems.append(
            "its gradmask.json carries no hashes of the files (written by an older version?): save it again"
        )
        return
    if digest_of(manifest) != manifest.digest:
        found.problems.append("gradmask.json was changed: its digest does not fit")
    there = files_in(folder)
    for name, known in manifest.files.items():
        if name not in there:
            found.problems.append(f"{name} is missing")
        elif sha256(folder / name) != known:
            found.problems.append(f"{name} was changed")
    found.problems += [
        f"{name} was added: the manifest does not list it" for name in there if name not in manifest.files
    ]
    found.problems += list(_indexed_elsewhere(folder, there))
    if manifest.kind == "export":
        found.problems += [
            f"{name} may be a pickle, which an export never holds" for name in there if name.endswith(PICKLES)
        ]
    if found.ok:
        found.holds.append(f"all {len(manifest.files)} files are as they were written")


def _indexed_elsewhere(folder: Path, there: Sequence[str]) -> Iterator[str]:
    """Weights that an index takes from files that the manifest does not cover, and links that lead out of the folder."""
    for name in there:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            yield f"{name} is a link that leads out of the folder"
        if name.endswith(".index.json"):
            try:
                files = set(json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"].values())
            except (ValueError, KeyError, AttributeError, TypeError):
                yield f"{name} is no index"
                continue
            yield from (
                f"{name} takes weights from {file}, which is not in the folder" for file in sorted(files - {*there})
            )


def _removed(folder: Path, manifest: Manifest, found: Verification) -> None:
    """Cut the checkpoint as it was cut before: everything that falls to a removed group must be zero, or have no place."""
    if manifest.compact:
        found.holds.append(_compact(folder, manifest, found))
        return
    try:
        owned = groups(load(folder)) if manifest.kind == "partitioned" else _cut_again(folder, manifest)
    except GradmaskError as error:
        found.problems.append(f"it cannot be opened and cut as its manifest says: {error}")
        return
    for name in manifest.removed:
        left = {key: int(p.count_nonzero()) for key, p in owned.get(name, {}).items()}
        total = sum(p.numel() for p in owned.get(name, {}).values())
        if nonzero := {key: n for key, n in left.items() if n}:
            key = next(iter(nonzero))
            found.problems.append(
                f"{sum(nonzero.values()):,} weights of the removed group {name!r} are not zero, for example in {key}"
            )
        elif total:
            found.holds.append(f"all {total:,} weights that belonged to {name!r} are zero")
        else:
            found.holds.append(f"a plain checkpoint has no place for the weights of {name!r}, and holds none")


def _cut_again(folder: Path, manifest: Manifest) -> dict[str, dict[str, nn.Parameter]]:
    """Group -> its weights in the plain model of an export. Own tables and adapters have no place in one."""
    model = read_plain(folder)
    slices = {
        name: replace(piece, embeddings=False)
        for name, entry in manifest.groups.items()
        if isinstance(piece := entry.slice(), Slice) and (piece.heads or piece.neurons or piece.experts)
    }
    return groups(partition(model, slices, architecture=manifest.architecture, units=manifest.units)) if slices else {}


def _compact(folder: Path, manifest: Manifest, found: Verification) -> str:
    """In a compact export the units are gone: its layers have exactly the places that the others need."""
    model = read_plain(folder)
    missing = []
    for name, shape in manifest.shapes.items():
        tensor = model.state_dict().get(name)
        if tensor is None or list(tensor.shape) != shape:
            missing.append(name)
    found.problems += [
        f"{name} has not the size that is left without {', '.join(manifest.removed)}" for name in missing
    ]
    return f"the layers are smaller by the units of {', '.join(manifest.removed)}"


def _against(folder: Path, manifest: Manifest, full: Path, found: Verification) -> None:
    source = load(full)
    if require(source).cut.units != manifest.units and not manifest.compact:
        found.problems.append(f"{full} is cut into other units: it is not what this was made from")
        return
    _same(folder, manifest, source, found)
    for name in manifest.removed:
        needles = list(traces(groups(source)[name].values()))
        where = [str(file) for file in files_in(folder) if _holds(folder / file, needles)]
        if where:
            found.problems.append(f"weights of {name!r} were found in {', '.join(where)}")
        elif needles:
            found.holds.append(f"none of {len(needles)} runs of weights of {name!r} is in the bytes of any file")


def _same(folder: Path, manifest: Manifest, source: PreTrainedModel, found: Verification) -> None:
    expected: dict[str, Tensor] = plain_state(source, manifest.removed)
    if manifest.compact:
        expected, _ = compaction.compact(source, require(source).cut, manifest.removed, expected)
    there = read_plain(folder).state_dict()
    other = [name for name, tensor in expected.items() if name not in there or not _equal(there[name], tensor)]
    if other:
        found.problems.append(f"{len(other)} tensors are not what removal gives, for example {other[0]}")
    else:
        found.holds.append(f"bit for bit what removing {', '.join(manifest.removed) or 'nothing'} gives")


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.cpu(), other.cpu().to(one.dtype))


def traces(parameters: Iterable[nn.Parameter], seed: int = 0) -> Iterator[bytes]:
    """Runs of neighbouring weights as the bytes that a file would hold, in every number format."""
    luck = torch.Generator().manual_seed(seed)
    rows = [p.detach().cpu().reshape(-1, p.shape[-1]) for p in parameters if p.dim() and p.shape[-1] >= WINDOW]
    rows = [of for of in rows if of.count_nonzero()]
    for of in rows:
        for _ in range(max(1, NEEDLES // len(rows))):
            i = int(torch.randint(len(of), (1,), generator=luck, device="cpu"))
            j = int(torch.randint(of.shape[1] - WINDOW + 1, (1,), generator=luck, device="cpu"))
            run = of[i, j : j + WINDOW]
            if len(run.unique()) < WINDOW // 2:
                continue
            for dtype in dict.fromkeys((of.dtype, *FORMATS)):
                yield run.to(dtype).contiguous().view(torch.uint8).numpy().tobytes()


def _holds(path: Path, needles: Sequence[bytes]) -> bool:
    if not needles or not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return any(mapped.find(needle) >= 0 for needle in needles)

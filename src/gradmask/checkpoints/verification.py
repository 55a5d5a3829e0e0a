"""Verifying a checkpoint: is it what was written, and are the groups that it claims to be without really gone?

With the full checkpoint, the export is made again and compared byte for byte; that is a proof. Without it, a folder can only
be checked against its own ``gradmask.json``, and whoever can write the folder can write that, too. Then the verification says
what the files show, and what they cannot show.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from gradmask.checkpoints.folder_entries import Entry, entries, folder_problems
from gradmask.checkpoints.lengths import too_long
from gradmask.checkpoints.loading import load, read_plain
from gradmask.checkpoints.normal_form import code_named, not_normal, same_versions, unknown_files
from gradmask.checkpoints.rebuilding import compare, rebuild, told_names
from gradmask.checkpoints.silent_experts import units_left
from gradmask.checkpoints.traces import holds_any, traces
from gradmask.errors import GradmaskError
from gradmask.files import CHECKPOINT_SEAL, sha256
from gradmask.model.attached import groups
from gradmask.model.manifest import MANIFEST, Manifest, digest_of, read_manifest, text_of
from gradmask.model.partitioned import partition
from gradmask.partitioning import Slice
from gradmask.strangers import printable

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
LEARNED = (
    "what the remaining weights learned: text of a group that was unlabeled or labeled otherwise, and training without labels "
    "(such as an adapter that was merged into the weights), leave traces that no removal of a group takes away"
)
MADE_FROM = "whether the full checkpoint is the model that was trained: compare its digest with one that you trust"
MANIFEST_ALONE = (
    "whether the manifest tells the truth: whoever can write the folder can write its gradmask.json. Compare its digest with "
    "a published one, check a signature (--key), or give the full checkpoint (--against), from which the export is made again"
)


@dataclass
class Verification:
    """The outcome: ``holds``, what was shown; ``unknown``, what this check cannot show; ``problems``, what is wrong; and ``notes``,
    what else is worth knowing."""

    folder: str
    kind: str
    groups: list[str]
    removed: list[str]
    digest: str
    gradmask_version: str
    data: str | None
    holds: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rebuilt: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. That is a proof of removal only where ``proved``."""
        return not self.problems

    @property
    def proved(self) -> bool:
        """Whether the folder is, in every byte, what removing the groups from the full checkpoint gives."""
        return self.ok and self.rebuilt

    @property
    def verdict(self) -> Literal["wrong", "proved", "consistent"]:
        """``wrong``; ``proved`` against the full checkpoint; or only ``consistent`` with its own manifest."""
        return "wrong" if not self.ok else "proved" if self.proved else "consistent"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok, "proved": self.proved, "verdict": self.verdict}

    def __str__(self) -> str:
        names = ", ".join(map(printable, self.groups))
        lines = [f"{printable(self.folder)}: {self.kind}, groups {names}, digest {printable(self.digest) or 'none'}"]
        lines += [f"  holds: {line}" for line in self.holds]
        lines += [f"  WRONG: {line}" for line in self.problems]
        lines += [f"  note: {line}" for line in self.notes]
        lines += [f"  not shown: {line}" for line in self.unknown if self.ok]
        return "\n".join([*lines, f"  verdict: {self._in_words()}"])

    def _in_words(self) -> str:
        removed = ", ".join(map(printable, self.removed)) or "nothing"
        return {
            "wrong": "wrong, do not rely on it",
            "proved": f"proved: every file and every byte is what removing {removed} from the full checkpoint gives",
            "consistent": "consistent with its own manifest"
            + (f"; that {removed} was removed is claimed, not proved" if self.removed else ""),
        }[self.verdict]


def verify(path: str | Path, without: Sequence[str] = (), against: str | Path | None = None) -> Verification:
    """Check a checkpoint's files against its ``gradmask.json``, and, with the full checkpoint, prove what was removed.

    Args:
        path: a folder that `gradmask.export`, ``save_pretrained`` of a partitioned model, or a run wrote.
        without: groups that must be gone; those that the manifest claims are checked in any case.
        against: the partitioned checkpoint that it was made from. The export is made again from it, in a temporary folder
            (``TMPDIR``), with the options that the manifest names; the list of files and every byte must be the same.
            An export by another version of gradmask or Transformers may differ in bytes: verify with the version that made it.

    Raises:
        GradmaskError: no such folder, no or an unreadable ``gradmask.json``.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise GradmaskError(f"there is no folder {printable(str(folder))}")
    found = entries(folder)
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
    _entries(folder, found, result)
    if result.ok:
        _files(folder, [entry.name for entry in found if entry.is_file], manifest, result)
    _claims(manifest, without, against, result)
    if result.ok and against is not None:
        _against(folder, manifest, Path(against), result)
    elif result.ok:
        _alone(folder, manifest, result)
    return result


def _entries(folder: Path, found: Sequence[Entry], result: Verification) -> None:
    """Nothing is opened that is not a plain file."""
    result.problems += folder_problems(folder)
    result.problems += [problem for entry in found for problem in entry.problems]
    if result.kind == "export":
        result.problems += [f"the folder {printable(e.name)} is not part of an export" for e in found if e.is_folder]


def _files(folder: Path, present: Sequence[str], manifest: Manifest, result: Verification) -> None:
    if not manifest.files:
        result.problems.append(
            "its gradmask.json has no hashes of the files (written by an older version?): save it again"
        )
        return
    if digest_of(manifest) != manifest.digest:
        result.problems.append("gradmask.json was changed: its digest does not match")
    elif (folder / MANIFEST).read_bytes() != text_of(manifest).encode() or [*manifest.files] != sorted(manifest.files):
        result.problems.append("gradmask.json was changed: it is not written as gradmask writes it")
    covered = [name for name in present if name != MANIFEST and not _is_seal(name, manifest)]
    long = too_long(folder, covered, texts=manifest.kind == "export")
    result.problems += [f"{printable(name)} {words}" for name, words in long.items()]
    for name, known in manifest.files.items():
        if name not in covered:
            result.problems.append(f"{printable(name)} is missing")
        elif name not in long:
            result.problems += _hash_problems(folder, name, known)
    result.problems += [
        f"{printable(name)} was added: the manifest does not list it" for name in covered if name not in manifest.files
    ]
    if result.ok:  # it hashes all files again
        result.problems += _seal_problems(folder, present, manifest)
    if manifest.kind == "export":
        pickles = [name for name in present if name.endswith(PICKLES)]
        result.problems += [f"{printable(name)} may be a pickle, which an export never holds" for name in pickles]
        result.problems += unknown_files([name for name in present if name not in pickles])
    result.problems += code_named(folder, [name for name in covered if name in manifest.files and name not in long])
    if result.ok:
        result.holds.append(
            f"all {len(manifest.files)} files have the hashes that the manifest lists, and there are no others"
        )


def _hash_problems(folder: Path, name: str, known: str) -> list[str]:
    try:
        return [] if sha256(folder / name) == known else [f"{printable(name)} was changed"]
    except OSError as error:
        return [f"{printable(name)} cannot be read ({error.strerror})"]


def _is_seal(name: str, manifest: Manifest) -> bool:
    return name == CHECKPOINT_SEAL and manifest.kind == "partitioned"


def _seal_problems(folder: Path, present: Sequence[str], manifest: Manifest) -> list[str]:
    """The seal of a training checkpoint is written after the manifest: sizes and hashes of all files, and nothing else."""
    if not any(_is_seal(name, manifest) for name in present):
        return []
    files = [name for name in present if name != CHECKPOINT_SEAL]
    expected = {name: [(folder / name).stat().st_size, sha256(folder / name)] for name in files}
    seal, length = folder / CHECKPOINT_SEAL, len(json.dumps(expected, indent=1)) + 1
    try:
        text = seal.read_bytes().decode() if seal.stat().st_size == length else ""  # line ends as they are
        data: Any = json.loads(text)
        whole = data == expected and text == json.dumps(data, indent=1) + "\n"
    except (OSError, ValueError, RecursionError):
        whole = False
    return [] if whole else [f"{CHECKPOINT_SEAL} was changed: it is not the seal of these files"]


def _claims(manifest: Manifest, without: Sequence[str], against: str | Path | None, result: Verification) -> None:
    listed = {*manifest.removed}
    if against is not None and result.ok:
        real = {told: name for name, told in told_names(manifest, read_manifest(against)).items()}
        listed |= {real.get(name, name) for name in manifest.removed}
    for name in without:
        if name not in listed:
            known = ", ".join(map(printable, manifest.removed)) or "nothing"
            result.problems.append(f"its manifest does not list {name!r} as removed (it lists {known})")


@contextmanager
def _opened(what: str, result: Verification) -> Iterator[None]:
    """A stranger's files raise anything that the libraries that read them can raise: that is a problem of the files."""
    try:
        yield
    except GradmaskError as error:
        result.problems.append(f"{what}: {error}")
    except Exception as error:
        reason = printable((str(error).strip() or "no reason given").splitlines()[0][:200])
        result.problems.append(f"{what} ({type(error).__name__}: {reason})")


def _alone(folder: Path, manifest: Manifest, result: Verification) -> None:
    """What the files show by themselves."""
    with _opened("it cannot be opened and cut as its manifest says", result):
        _form(folder, manifest, result)
        if result.ok and manifest.removed:
            _places(folder, manifest, result)
    result.unknown += [MANIFEST_ALONE, *([LEARNED] if manifest.removed else [])]


def _form(folder: Path, manifest: Manifest, result: Verification) -> None:
    if manifest.kind != "export":
        return
    if not same_versions(folder):
        result.unknown.append(
            "whether the files hold more than the model (tensors, metadata, bytes between them): another version of Transformers "
            "wrote them; verify with that version"
        )
        return
    result.problems += not_normal(folder, list(manifest.files), manifest)
    if result.ok:
        result.holds.append("the files are, byte for byte, what Transformers writes for the model that they hold")


def _places(folder: Path, manifest: Manifest, result: Verification) -> None:
    """Cut the checkpoint as its manifest says: every place that it gives to a removed group must be zero, or absent."""
    if manifest.compact:
        _compact(folder, manifest, result)
        return
    if manifest.shapes and manifest.kind == "export":
        _sizes(folder, manifest, result)
    owned = groups(load(folder)) if manifest.kind == "partitioned" else _cut_again(folder, manifest)
    for name in manifest.removed:
        # -inf is what keeps a router from choosing an expert
        left = {key: int(p.count_nonzero() - p.isneginf().sum()) for key, p in owned.get(name, {}).items()}
        total = sum(p.numel() for p in owned.get(name, {}).values())
        if nonzero := {key: n for key, n in left.items() if n}:
            key = next(iter(nonzero))
            result.problems.append(
                f"{sum(nonzero.values()):,} weights of the removed group {name!r} are not zero, for example in {key}"
            )
        elif total:
            result.holds.append(f"the {total:,} places that the manifest gives to {name!r} hold zeros")
        else:
            result.unknown.append(
                f"anything about {name!r}: the manifest says that all of its weights were beside the plain model's, which the "
                "files can neither show nor deny"
            )


def _cut_again(folder: Path, manifest: Manifest) -> dict[str, dict[str, nn.Parameter]]:
    """Group -> its weights in the plain model of an export. Own tables and adapters have no place in one."""
    model = read_plain(folder)
    slices = {
        name: replace(spec, embeddings=False)
        for name, entry in manifest.groups.items()
        if isinstance(spec := entry.slice(), Slice) and spec.cuts
    }
    gone = manifest.removed if manifest.shapes else ()
    slices = {n: replace(s, experts=0) if n in gone and not _only_experts(s) else s for n, s in slices.items()}
    slices = {n: s for n, s in slices.items() if n not in gone or not _only_experts(s)}
    told: dict[str, Any] = {"architecture": manifest.architecture, "units": units_left(manifest)}
    told |= {"silent_experts": "zeros", "joint": list(manifest.joint)}
    return groups(partition(model, slices, **told)) if slices else {}


def _only_experts(spec: Slice) -> bool:
    return bool(spec.experts) and not (spec.heads or spec.neurons or spec.expert_neurons)


def _compact(folder: Path, manifest: Manifest, result: Verification) -> None:
    """In a compact export the units are gone."""
    _sizes(folder, manifest, result)
    removed = ", ".join(map(printable, manifest.removed))
    result.unknown.append(f"whether the layers were larger before, and what was cut away for {removed}")


def _sizes(folder: Path, manifest: Manifest, result: Verification) -> None:
    """Layers that lost units have exactly the places that the manifest lists."""
    state = read_plain(folder).state_dict()
    other = [name for name, shape in manifest.shapes.items() if name not in state or list(state[name].shape) != shape]
    removed = ", ".join(map(printable, manifest.removed))
    result.problems += [f"{name} does not have the size that is left without {removed}" for name in other]
    if not other:
        result.holds.append("every tensor has the size that the manifest lists for it")


def _against(folder: Path, manifest: Manifest, full: Path, result: Verification) -> None:
    names, result.problems = [MANIFEST, *manifest.files], _origin(full)
    with (
        tempfile.TemporaryDirectory(prefix="gradmask-") as place,
        _opened(f"it cannot be made again from {printable(str(full))}", result),
    ):
        rebuilt = Path(place) / "rebuilt"
        source = rebuild(folder, manifest, full, rebuilt)
        result.problems += compare(folder, names, rebuilt)
        if result.ok:
            _shown(folder, full, names, source, manifest, result)


def _shown(
    folder: Path, full: Path, names: Sequence[str], source: Any, manifest: Manifest, result: Verification
) -> None:
    """Put down what a comparison without differences shows."""
    result.rebuilt = True
    options = manifest.options.model_dump(exclude_defaults=True) if manifest.options else {}
    how = "".join(f", {key} {value}" for key, value in {**options, **manifest.strength}.items())
    result.holds.append(
        f"made again from {printable(str(full))} (digest {read_manifest(full).digest or 'none'}) without "
        f"{', '.join(map(printable, manifest.removed)) or 'nothing'}{', compact' if manifest.compact else ''}{how}: the same "
        f"{len(names)} files, bit for bit what removal gives"
    )
    result.unknown += [MADE_FROM, *([LEARNED] if manifest.removed else [])]
    _search(folder, names, source, manifest, result)


def _origin(full: Path) -> list[str]:
    """The full checkpoint must be what was written itself."""
    manifest = read_manifest(full)
    changed = [
        name for name, known in manifest.files.items() if not (full / name).is_file() or sha256(full / name) != known
    ]
    return [f"the full checkpoint was changed since it was written: {printable(name)}" for name in changed]


def _search(folder: Path, names: Sequence[str], source: Any, manifest: Manifest, result: Verification) -> None:
    """Removal itself is checked by another way: removed weights are looked for in what it gives."""
    for told, name in _removed_in(source, manifest):
        needles = list(traces(groups(source)[name].values()))
        where = [file for file in names if holds_any(folder / file, needles)]
        if where:
            result.problems.append(f"weights of {told!r} were found in {', '.join(where)}")
        elif needles:
            result.holds.append(f"none of {len(needles)} windows of weights of {told!r} is in the bytes of any file")


def _removed_in(source: Any, manifest: Manifest) -> list[tuple[str, str]]:
    told = told_names(manifest, source.gradmask.manifest())
    return [(told[name], name) for name in told if told[name] in manifest.removed]

"""``gradmask.json``: what a checkpoint records about its groups, beside its plain weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gradmask.errors import GradmaskError
from gradmask.files import CHECKPOINT_SEAL, sha256, write_whole
from gradmask.partitioning import Adapter, Architecture, Cut, GroupSpec, SilentExperts, Slice, is_built_in
from gradmask.routing.policy import Cell, Credit, Policy, RehearsalTarget, TokenLabels
from gradmask.routing.router import Router
from gradmask.routing.selflabeling import SelfLabeler, SelfLabeling
from gradmask.version import __version__

MANIFEST = "gradmask.json"
LONGEST = 1 << 28
"""Bytes of a manifest that is read: some twenty millions of units."""
NEWER = ("options", "silent_experts")
"""Fields that came after the format."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GroupEntry(_Strict):
    """A removable group's `Slice`."""

    heads: int | float | list[int] = 0
    neurons: int | float | list[int] = 0
    experts: int | float | list[int] = 0
    expert_neurons: int | float | list[int] = 0
    layers: list[int] | None = None
    embeddings: bool | int | list[int] = False
    query_only: bool = False
    new: bool = False

    def slice(self) -> Slice:
        return Slice(**self.model_dump())


class AdapterEntry(_Strict):
    """A removable group's `Adapter`."""

    rank: int
    alpha: int | float | None
    targets: list[str] | None
    layers: list[int] | None
    dropout: float
    embeddings: bool | int | list[int] = False

    def slice(self) -> Adapter:
        return Adapter(**self.model_dump())


class CellEntry(_Strict):
    """One `Cell`; earlier versions wrote its first three numbers alone."""

    runs: float
    learns: float
    passes: float
    learn_weight: float = 1.0
    pass_weight: float = 1.0
    draw: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_three(cls, value: Any) -> Any:
        three = isinstance(value, (list, tuple)) and len(value) == 3
        return dict(zip(("runs", "learns", "passes"), value, strict=True)) if three else value


class PolicyEntry(_Strict):
    """A policy's whole table, so that a changed or a user's own policy loads as it was."""

    name: str
    rows: dict[str, dict[str, CellEntry]]
    joint: list[str] = []
    groups: dict[str, dict[str, CellEntry]] = {}
    run_one_other: float = 0.0
    odds: dict[str, float] = {}
    rehearsal: float = 0.0
    rehearsal_weight: float = 1.0
    rehearsal_target: RehearsalTarget = "next_token"
    rehearsal_blend: float = 1.0
    token_labels: TokenLabels = "read"
    credit: Credit = "position"
    consolidates: bool = False

    @classmethod
    def of(cls, policy: Policy) -> PolicyEntry:
        return cls(
            name=policy.name,
            rows=_entries(policy.rows),
            joint=list(policy.joint),
            groups=_entries(policy.groups),
            run_one_other=policy.run_one_other,
            odds=dict(policy.odds),
            rehearsal=policy.rehearsal,
            rehearsal_weight=policy.rehearsal_weight,
            rehearsal_target=policy.rehearsal_target,
            rehearsal_blend=policy.rehearsal_blend,
            token_labels=policy.token_labels,
            credit=policy.credit,
            consolidates=policy.consolidates,
        )

    def policy(self) -> Policy:
        settings = self.model_dump(exclude={"name", "rows", "joint", "groups"})
        return Policy(self.name, _cells(self.rows), tuple(self.joint), groups=_cells(self.groups), **settings)


def _entries(rows: Mapping[str, Mapping[str, Cell]]) -> dict[str, dict[str, CellEntry]]:
    return {row: {column: CellEntry(**vars(cell)) for column, cell in cells.items()} for row, cells in rows.items()}


def _cells(rows: Mapping[str, Mapping[str, CellEntry]]) -> dict[str, dict[str, Cell]]:
    return {row: {column: Cell(**entry.model_dump()) for column, entry in cells.items()} for row, cells in rows.items()}


RUNNING = ("shares", "levels", "spreads", "owed")
"""Of self-labeling's state, what is one number for each name."""


class SelfLabelingEntry(_Strict):
    """Self-labeling's settings and running state."""

    after: int
    references: int
    every: int
    momentum: float
    threshold: float
    retain_below: float | None
    passes: int
    means: dict[str, tuple[float, float]]
    variances: dict[str, tuple[float, float]] = Field(default_factory=dict)
    shares: dict[str, float] = Field(default_factory=dict)
    levels: dict[str, float] = Field(default_factory=dict)
    spreads: dict[str, float] = Field(default_factory=dict)
    owed: dict[str, int] = Field(default_factory=dict)

    @field_validator("variances", mode="before")
    @classmethod
    def _of_one(cls, value: Any) -> Any:
        """Version 0.2 had one variance for both kinds."""
        one = isinstance(value, dict)
        return {g: (v, v) if isinstance(v, int | float) else v for g, v in value.items()} if one else value

    @classmethod
    def of(cls, labeler: SelfLabeler) -> SelfLabelingEntry:
        means = {group: (rest, own) for group, (rest, own) in labeler.means.items()}
        variances = {group: (rest, own) for group, (rest, own) in labeler.variances.items()}
        state = {name: dict(getattr(labeler, name)) for name in RUNNING}
        given = {**vars(labeler.settings), "passes": labeler.passes, "means": means, "variances": variances, **state}
        return cls.model_validate(given)

    def labeler(self) -> SelfLabeler:
        settings = SelfLabeling(**{f.name: getattr(self, f.name) for f in fields(SelfLabeling)})
        means = {group: list(pair) for group, pair in self.means.items()}
        variances = {group: list(pair) for group, pair in self.variances.items()}
        running: dict[str, Any] = {name: dict(getattr(self, name)) for name in RUNNING}
        return SelfLabeler(settings, self.passes, means, variances, **running)


class ExportOptions(_Strict):
    """How an export was asked for, where not by default; with it the export can be made again."""

    dtype: Literal["float32", "float64", "float16", "bfloat16"] | None = None
    max_shard_size: int | None = Field(default=None, gt=0, lt=2**63, description="bytes")
    anonymous: bool = False
    dropped_tokens: list[int] = Field(default=[], description="entries of the tokenizer that were left out")


class Manifest(_Strict):
    """What ``gradmask.json`` holds beside a checkpoint."""

    format: Literal[1] = 1
    kind: Literal["partitioned", "export"] = "partitioned"
    gradmask_version: str
    labels: dict[str, int]
    groups: dict[str, GroupEntry | AdapterEntry]
    architecture: Architecture | None = Field(default=None, description="where it is not a built-in one")
    units: dict[str, dict[str, list[int]]] = Field(description="site/unit -> group -> indices")
    joint: list[str]
    policy: PolicyEntry | None = Field(description="None in an anonymous export")
    policy_before: PolicyEntry | None = Field(
        default=None, description="while it is consolidated: the policy before and after"
    )
    self_labeling: SelfLabelingEntry | None = None
    removed: list[str] = []
    strength: dict[str, float] = {}
    exact: bool | Literal["split"] = True
    base: Literal["learning", "frozen"] = "learning"
    silent_experts: SilentExperts | None = Field(default=None, description="not written where no group owns experts")
    seed: int = 0
    draws: int = 0
    in_advance: str = Field(default="", description="ids of what gm.draw_in_advance was given, pass after pass")
    compact: bool = False
    shapes: dict[str, list[int]] = Field(default={}, description="of a compact export's smaller layers")
    options: ExportOptions | None = Field(default=None, description="of an export; not written where there are none")
    data: str | None = Field(default=None, description="the fingerprint of the data that it was trained on")
    files: dict[str, str] = Field(default={}, description="file -> SHA-256, of all beside this one")
    digest: str = Field(default="", description="SHA-256 of all of the above")


def describe(cut: Cut, policy: Policy, router: Router, labeler: SelfLabeler | None, removed: Iterable[str]) -> Manifest:
    """The manifest of a partitioned model."""
    return Manifest(
        gradmask_version=__version__,
        labels=router.ids,
        groups={name: _entry(spec) for name, spec in cut.slices.items()},
        architecture=None if is_built_in(cut.architecture) else cut.architecture,
        units=cut.units,
        joint=list(cut.joint),
        policy=PolicyEntry.of(policy),
        self_labeling=SelfLabelingEntry.of(labeler) if labeler else None,
        removed=sorted(removed),
        strength=cut.context.strength,
        base="frozen" if cut.frozen else "learning",
        silent_experts=cut.silent_experts,
        seed=router.seed,
        draws=router.draws,
        in_advance=router.written_in_advance,
    )


def _entry(spec: GroupSpec) -> GroupEntry | AdapterEntry:
    return (AdapterEntry if isinstance(spec, Adapter) else GroupEntry)(**_plain(spec))


def _plain(spec: GroupSpec) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, (tuple, range)) else v for k, v in vars(spec).items()}


def seal(folder: Path, data: str | None = None) -> None:
    """Record the hashes of a folder's files in its manifest, once all are written; does nothing without a manifest.

    Args:
        folder: of a checkpoint.
        data: the fingerprint of the data that it was trained on; by default what the manifest has already.
    """
    if not (folder / MANIFEST).is_file():
        return
    manifest = read_manifest(folder)
    files = {name: sha256(folder / name) for name in covered_files(folder, manifest)}
    sealed = manifest.model_copy(update={"files": files, "data": data or manifest.data})
    write_manifest(folder, sealed.model_copy(update={"digest": digest_of(sealed)}))


def files_in(folder: Path) -> list[str]:
    """Every file beside the manifest, with ``/`` between folders."""
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if name != MANIFEST)


def covered_files(folder: Path, manifest: Manifest) -> list[str]:
    """The files whose hashes a manifest holds: all but itself and the seal of a training checkpoint, which is written later."""
    sealed = manifest.kind == "partitioned"
    return [name for name in files_in(folder) if not (sealed and name == CHECKPOINT_SEAL)]


def digest_of(manifest: Manifest) -> str:
    """The SHA-256 of everything in the manifest but its digest."""
    content = _content(manifest)
    content.pop("digest")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest, name: str = MANIFEST) -> None:
    """Write ``gradmask.json`` whole or not at all."""
    write_whole(folder / name, text_of(manifest))


def text_of(manifest: Manifest) -> str:
    """The one text by which ``gradmask.json`` says this."""
    return json.dumps(_content(manifest), indent=1) + "\n"


def _content(manifest: Manifest) -> dict[str, Any]:
    """A field that is newer than the format is left out where it says nothing, so that older digests still fit."""
    content = manifest.model_dump(mode="json")
    architecture = content["architecture"] or {}
    for spec in (*architecture.get("attention", ()), *architecture.get("mlp", ())):
        if not spec["entries"]:
            del spec["entries"]
    for group in content["groups"].values():
        if not group.get("expert_neurons"):
            group.pop("expert_neurons", None)
    return {k: v for k, v in content.items() if v is not None or k not in NEWER}


def read_manifest(folder: str | Path, name: str = MANIFEST) -> Manifest:
    """Read and check ``gradmask.json``.

    Raises:
        GradmaskError: there is none, or gradmask did not write it.
    """
    path = Path(folder) / name
    try:
        if not path.is_file():
            raise GradmaskError(
                f"{folder} has no {MANIFEST}: it is not a checkpoint of a partitioned model. A plain checkpoint opens with "
                "AutoModelForCausalLM.from_pretrained; partition it with gm.partition"
            )
        if (size := path.stat().st_size) > LONGEST:
            raise GradmaskError(f"{path} has {size:,} bytes; gradmask writes none beyond {LONGEST:,}")
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GradmaskError(f"{path} cannot be read ({error.strerror})") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:5])
        raise GradmaskError(f"{path} is damaged or from another version: {problems}") from None

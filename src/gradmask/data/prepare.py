"""From a spec to training and held-out sequences, once: the result is kept in a folder under its fingerprint."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datasets import Dataset, DatasetDict, disable_progress_bars, enable_progress_bars, load_from_disk
from datasets.utils.logging import is_progress_bar_enabled

from gradmask.data import stories
from gradmask.data.arms import arm_dataset
from gradmask.data.labeling import label_documents, label_rates, label_table, roles_of
from gradmask.data.packing import Packed, pack
from gradmask.data.sources import load_documents
from gradmask.data.spec import DataSpec
from gradmask.data.tokenizer import build_tokenizer, load_tokenizer
from gradmask.errors import GradmaskError

_FORMAT = 2


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation need of the data.

    ``train``: packed sequences with ``input_ids``, ``data_labels`` (noisy), and the truth: ``domain``, ``role``, ``group``.
    ``test``: domain -> packed held-out sequences. ``roles``: domain -> role. ``groups``: removable groups in the order of
    their ids. ``label_table``: training tokens by domain and label. ``label_counts``: training documents and tokens by domain
    and label, with the tokens of tails that filled no sequence. ``label_rates``: how good the labels are, see `label_rates`.
    """

    tokenizer: Any
    train: Dataset
    test: dict[str, Dataset]
    roles: dict[str, str]
    groups: list[str]
    label_table: list[dict[str, Any]]
    label_counts: list[dict[str, Any]]
    label_rates: dict[str, dict[str, float]]
    fingerprint: str

    def arm(self, name: str) -> Dataset:
        """The training set of an arm: ``gradmask``, ``no_filter``, ``filter`` or ``perfect_filter``."""
        return arm_dataset(self.train, name)


def prepare(spec: DataSpec, folder: str | Path) -> Prepared:
    """Prepare the data of ``spec`` in ``folder``, or take what was prepared there from the same spec and inputs.

    Raises:
        GradmaskError: see `load_documents`, `label_documents`, `build_tokenizer`, `pack`.
    """
    target = Path(folder)
    fingerprint = fingerprint_of(spec)
    with _quiet():
        if not _is_ready(target, fingerprint):
            _make(spec, target, fingerprint)
        return _load(spec, target, fingerprint)


def fingerprint_of(spec: DataSpec) -> str:
    """A hash of the spec and of the contents of its files, of local datasets and tokenizers, and of the story generator."""
    digest = hashlib.sha256(json.dumps([_FORMAT, spec.model_dump(mode="json")], sort_keys=True).encode())
    for path in _inputs(spec):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _inputs(spec: DataSpec) -> Iterator[Path]:
    for pattern in [*(source.path for source in spec.sources), spec.tokenizer.path]:
        for found in sorted(glob.glob(pattern, recursive=True)) if pattern else []:
            inside = sorted(Path(found).rglob("*")) if os.path.isdir(found) else [Path(found)]
            yield from (path for path in inside if path.is_file())
    if any(source.kind == "stories" for source in spec.sources):
        yield from sorted(Path(stories.__file__).parent.rglob("*.py"))


def _is_ready(folder: Path, fingerprint: str) -> bool:
    marker = folder / "fingerprint.txt"
    return marker.is_file() and marker.read_text(encoding="utf-8").strip() == fingerprint


def _make(spec: DataSpec, target: Path, fingerprint: str) -> None:
    documents = label_documents(load_documents(spec.sources, spec.test_share, spec.seed), spec.labels)
    parts = {name: _part(documents, name) for name in ("train", "test")}
    tokenizer = build_tokenizer(spec.tokenizer, parts["train"]["text"])
    packed = {name: pack(part, tokenizer, spec.sequence_length) for name, part in parts.items()}
    _check_domains(spec, documents, packed)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
        made = Path(temporary) / "made"
        DatasetDict({name: part.sequences for name, part in packed.items()}).save_to_disk(made / "packed")  # type: ignore[no-matching-overload]
        tokenizer.save_pretrained(made / "tokenizer")
        (made / "counts.json").write_text(json.dumps(packed["train"].counts), encoding="utf-8")
        (made / "fingerprint.txt").write_text(fingerprint + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(made, target)


def _part(documents: Dataset, split: str) -> Dataset:
    at = [i for i, found in enumerate(documents["split"]) if found == split]
    part = documents.select(at)
    if split == "test":  # held-out text is sorted by truth, never by its noisy label
        part = part.remove_columns("data_labels").add_column("data_labels", part["group"])  # type: ignore[missing-attribute]
    return part  # type: ignore[bad-return]


def _check_domains(spec: DataSpec, documents: Dataset, packed: dict[str, Packed]) -> None:
    for domain in sorted(set(documents["domain"])):
        for split, part in packed.items():
            if domain not in set(part.sequences["domain"]):
                raise GradmaskError(
                    f"the domain {domain!r} has too little {split} text for one sequence of {spec.sequence_length} tokens: "
                    "give more text or shorter sequences"
                )


def _load(spec: DataSpec, folder: Path, fingerprint: str) -> Prepared:
    packed = load_from_disk(folder / "packed")
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    train, test = packed["train"], packed["test"]
    domains = test["domain"]  # type: ignore[bad-index]
    held_out = {d: test.select([i for i, x in enumerate(domains) if x == d]) for d in sorted(set(domains))}  # type: ignore[missing-attribute]
    groups = list(spec.labels.groups)
    return Prepared(
        tokenizer=load_tokenizer(folder / "tokenizer"),
        train=train,  # type: ignore[bad-argument-type]
        test=held_out,
        roles=roles_of(domains, spec.labels),
        groups=groups,
        label_table=label_table(train, groups, spec.sequence_length),  # type: ignore[bad-argument-type]
        label_counts=counts,
        label_rates=label_rates(counts, groups),
        fingerprint=fingerprint,
    )


class _quiet:
    """Datasets' own progress bars would break into ours."""

    def __enter__(self) -> None:
        self.shown = is_progress_bar_enabled()
        disable_progress_bars()

    def __exit__(self, *error: object) -> None:
        if self.shown:
            enable_progress_bars()

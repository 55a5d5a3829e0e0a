"""From a spec to training and held-out sequences, prepared once and cached in a folder by fingerprint."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, load_from_disk

from gradmask.data.arrow import column, columns_of, select_rows, with_column
from gradmask.data.fingerprint import fingerprint_of as fingerprint_of
from gradmask.data.labeling import label_documents, label_rates, label_table, require_domain, roles_of
from gradmask.data.packing import Key, Packed, pack
from gradmask.data.sources import load_documents
from gradmask.data.spec import DataSpec
from gradmask.data.tokenizer import build_tokenizer, load_tokenizer
from gradmask.data.training_sets import training_set
from gradmask.errors import GradmaskError
from gradmask.quiet import without_data_bars


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation need of the data.

    Args:
        tokenizer: a Transformers tokenizer.
        train: packed sequences with ``input_ids``, ``data_labels`` (noisy) and the truth: ``domain``, ``role``, ``group``.
        test: domain -> packed held-out sequences, with true ``data_labels``.
        roles: domain -> ``forget``, ``adjacent`` or ``retain``.
        groups: removable groups in the order of their ids, from 1.
        label_table: training tokens by domain and label.
        label_counts: training documents, tokens and dropped tokens by domain and label.
        label_rates: group -> true and false positive rates of its labels.
        fingerprint: see `fingerprint_of`.
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

    def training_set(self, name: str) -> Dataset:
        """One of `gradmask.data.TRAINING_SETS`."""
        return training_set(self.train, name)

    def files(self) -> list[Path]:
        """The files that the sequences are memory-mapped from."""
        return sorted({Path(f["filename"]) for part in (self.train, *self.test.values()) for f in part.cache_files})


def prepare(spec: DataSpec, folder: str | Path) -> Prepared:
    """Prepare the data of ``spec`` in ``folder``, or load it if it was prepared there from the same spec and inputs.

    Data of another fingerprint, or damaged data, is prepared again. The folder is replaced in one step.

    Args:
        spec: sources, labels, tokenizer and packing.
        folder: where the prepared data is kept.

    Raises:
        GradmaskError: see `load_documents`, `label_documents`, `build_tokenizer`, `pack`; a domain with too little text.
    """
    target = Path(folder)
    fingerprint = fingerprint_of(spec)
    with without_data_bars():
        prepared = _load(spec, target, fingerprint)
        if prepared is None:
            _make(spec, target, fingerprint)
            prepared = _load(spec, target, fingerprint)
    if prepared is None:
        raise GradmaskError(
            f"the data just prepared in {target} cannot be read back: does another process write to this folder?"
        )
    return prepared


def _make(spec: DataSpec, target: Path, fingerprint: str) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        (temporary / "work").mkdir(parents=True)
        _write(spec, temporary, temporary / "work")
        (temporary / "fingerprint.txt").write_text(fingerprint + "\n", encoding="utf-8")
        shutil.rmtree(temporary / "work")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(spec: DataSpec, folder: Path, work: Path) -> None:
    """Write what is kept to ``folder``, and intermediate documents and sequences to ``work``."""
    documents = label_documents(
        load_documents(spec.sources, spec.test_share, spec.seed, work / "documents.arrow"), spec.labels
    )
    splits = _splits(documents)
    tokenizer = build_tokenizer(
        spec.tokenizer, (text for (text,) in columns_of(splits["train"], ["text"])), folder / "tokenizer"
    )
    packed = {
        name: pack(split, tokenizer, spec.sequence_length, work / f"{name}.arrow") for name, split in splits.items()
    }
    _require_every_domain(documents, packed, spec.sequence_length)
    packed["train"] = _limited(packed["train"], spec)
    sequences: dict[Any, Dataset] = {name: split.sequences for name, split in packed.items()}
    DatasetDict(sequences).save_to_disk(folder / "packed")
    (folder / "counts.json").write_text(json.dumps(packed["train"].counts), encoding="utf-8")


def _splits(documents: Dataset) -> dict[str, Dataset]:
    """Training documents with noisy labels, held-out ones with true labels: evaluation must not depend on the noise."""
    split = column(documents, "split")
    truth = with_column(documents, "data_labels", column(documents, "group"))
    return {"train": select_rows(documents, split == "train"), "test": select_rows(truth, split == "test")}


def _require_every_domain(documents: Dataset, packed: dict[str, Packed], length: int) -> None:
    for name, split in packed.items():
        for domain in sorted(set(documents.unique("domain")) - set(split.sequences.unique("domain"))):
            raise GradmaskError(
                f"the domain {domain!r} has too little {name} text for one sequence of {length} tokens: "
                "give more text or shorter sequences"
            )


def _limited(train: Packed, spec: DataSpec) -> Packed:
    """A random subset of the sequences of each domain that exceeds ``max_tokens``."""
    limits, sequences, length = spec.max_tokens, train.sequences, spec.sequence_length
    if limits is None:
        return train
    known = sorted(sequences.unique("domain"))
    domains = column(sequences, "domain")
    keep = np.ones(len(sequences), dtype=bool)
    for domain, limit in (limits if isinstance(limits, dict) else dict.fromkeys(known, limits)).items():
        require_domain(domain, known, "data.max_tokens")
        # Seeded by the domain's name: a limit on one domain does not change what is kept of another.
        shuffled = np.random.default_rng([spec.seed, *domain.encode()]).permutation(np.flatnonzero(domains == domain))
        keep[shuffled[limit // length :]] = False
    kept = select_rows(sequences, keep)
    tokens = {key: length * n for key, n in Counter(columns_of(kept, list(Key._fields))).items()}
    counts = [{**row, "dropped": row["tokens"] - tokens.get(_key(row), 0)} for row in train.counts]
    return Packed(kept, counts)


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row[name] for name in Key._fields)


def _load(spec: DataSpec, folder: Path, fingerprint: str) -> Prepared | None:
    """The data in the folder, or None if there is none, or it has another fingerprint or is damaged."""
    try:
        if (folder / "fingerprint.txt").read_text(encoding="utf-8").strip() != fingerprint:
            return None
        packed: Any = load_from_disk(folder / "packed")
        train, test = packed["train"], packed["test"]
        counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
        tokenizer = load_tokenizer(folder / "tokenizer")
    except Exception:  # any kind of damage: it is prepared again
        return None
    domains = column(test, "domain")
    groups = list(spec.labels.groups)
    return Prepared(
        tokenizer=tokenizer,
        train=train,
        test={str(domain): select_rows(test, domains == domain) for domain in np.unique(domains)},
        roles=roles_of(test.unique("domain"), spec.labels),
        groups=groups,
        label_table=label_table(train, groups, spec.sequence_length),
        label_counts=counts,
        label_rates=label_rates(counts, groups),
        fingerprint=fingerprint,
    )

"""From a spec to training and held-out sequences, once: the result is kept in a folder under its fingerprint."""

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

from gradmask.data.arms import arm_dataset
from gradmask.data.arrow import column, columns_of, picked, with_column
from gradmask.data.fingerprint import fingerprint_of as fingerprint_of
from gradmask.data.labeling import label_documents, label_rates, label_table, require_domain, roles_of
from gradmask.data.packing import Key, Packed, pack
from gradmask.data.sources import load_documents
from gradmask.data.spec import DataSpec
from gradmask.data.tokenizer import build_tokenizer, load_tokenizer
from gradmask.errors import GradmaskError
from gradmask.quiet import without_data_bars


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation need of the data.

    ``train``: packed sequences with ``input_ids``, ``data_labels`` (noisy), and the truth: ``domain``, ``role``, ``group``.
    ``test``: domain -> packed held-out sequences, their ``data_labels`` true. ``roles``: domain -> role. ``groups``: removable
    groups in the order of their ids. ``label_table``: training tokens by domain and label. ``label_counts``: training documents
    and tokens by domain and label, with the tokens that are in no sequence. ``label_rates``: how good the labels are, see
    `label_rates`.
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
        """The training set of an arm; see `gradmask.data.arms.ARMS`."""
        return arm_dataset(self.train, name)

    def files(self) -> list[Path]:
        """Files that the sequences are read from, again and again."""
        return sorted({Path(f["filename"]) for part in (self.train, *self.test.values()) for f in part.cache_files})


def prepare(spec: DataSpec, folder: str | Path) -> Prepared:
    """Prepare the data of ``spec`` in ``folder``, or take what was prepared there from the same spec and inputs.

    What was prepared from something else, or is damaged, is made anew; the folder changes in one step.

    Raises:
        GradmaskError: see `load_documents`, `label_documents`, `build_tokenizer`, `pack`; a domain with too little text.
    """
    target = Path(folder)
    fingerprint = fingerprint_of(spec)
    with without_data_bars():
        found = _load(spec, target, fingerprint)
        if found is None:
            _make(spec, target, fingerprint)
            found = _load(spec, target, fingerprint)
    if found is None:
        raise GradmaskError(f"what was just prepared in {target} cannot be read back: does something else write there?")
    return found


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
    """Everything that is kept goes to ``folder``; documents and sequences on their way, to ``work``."""
    documents = label_documents(
        load_documents(spec.sources, spec.test_share, spec.seed, work / "documents.arrow"), spec.labels
    )
    parts = _splits(documents)
    tokenizer = build_tokenizer(
        spec.tokenizer, (text for (text,) in columns_of(parts["train"], ["text"])), folder / "tokenizer"
    )
    packed = {
        split: pack(part, tokenizer, spec.sequence_length, work / f"{split}.arrow") for split, part in parts.items()
    }
    _require_every_domain(documents, packed, spec.sequence_length)
    packed["train"] = _at_most(packed["train"], spec)
    sequences: dict[Any, Dataset] = {split: part.sequences for split, part in packed.items()}
    DatasetDict(sequences).save_to_disk(folder / "packed")
    (folder / "counts.json").write_text(json.dumps(packed["train"].counts), encoding="utf-8")


def _splits(documents: Dataset) -> dict[str, Dataset]:
    """Held-out text is told by its true label, never by its noisy one."""
    split = column(documents, "split")
    truth = with_column(documents, "data_labels", column(documents, "group"))
    return {"train": picked(documents, split == "train"), "test": picked(truth, split == "test")}


def _require_every_domain(documents: Dataset, packed: dict[str, Packed], length: int) -> None:
    for split, part in packed.items():
        for domain in sorted(set(documents.unique("domain")) - set(part.sequences.unique("domain"))):
            raise GradmaskError(
                f"the domain {domain!r} has too little {split} text for one sequence of {length} tokens: "
                "give more text or shorter sequences"
            )


def _at_most(train: Packed, spec: DataSpec) -> Packed:
    """A random part of the sequences of each domain that has more tokens than ``max_tokens``."""
    limits, sequences, length = spec.max_tokens, train.sequences, spec.sequence_length
    if limits is None:
        return train
    found = sorted(sequences.unique("domain"))
    domains = column(sequences, "domain")
    keep = np.ones(len(sequences), dtype=bool)
    for domain, limit in (limits if isinstance(limits, dict) else dict.fromkeys(found, limits)).items():
        require_domain(domain, found, "data.max_tokens")
        there = np.random.default_rng([spec.seed, *domain.encode()]).permutation(np.flatnonzero(domains == domain))
        keep[there[limit // length :]] = False
    kept = picked(sequences, keep)
    tokens = {key: length * n for key, n in Counter(columns_of(kept, list(Key._fields))).items()}
    counts = [{**row, "dropped": row["tokens"] - tokens.get(_key(row), 0)} for row in train.counts]
    return Packed(kept, counts)


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row[name] for name in Key._fields)


def _load(spec: DataSpec, folder: Path, fingerprint: str) -> Prepared | None:
    """What stands in the folder, or None where that is nothing, made from something else, or damaged."""
    try:
        if (folder / "fingerprint.txt").read_text(encoding="utf-8").strip() != fingerprint:
            return None
        packed: Any = load_from_disk(folder / "packed")
        train, test = packed["train"], packed["test"]
        counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
        tokenizer = load_tokenizer(folder / "tokenizer")
    except Exception:  # in whatever way it is damaged, it can be made anew
        return None
    domains = column(test, "domain")
    groups = list(spec.labels.groups)
    return Prepared(
        tokenizer=tokenizer,
        train=train,
        test={str(domain): picked(test, domains == domain) for domain in np.unique(domains)},
        roles=roles_of(test.unique("domain"), spec.labels),
        groups=groups,
        label_table=label_table(train, groups, spec.sequence_length),
        label_counts=counts,
        label_rates=label_rates(counts, groups),
        fingerprint=fingerprint,
    )

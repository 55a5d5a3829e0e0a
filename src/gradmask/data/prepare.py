"""From a spec to training and held-out sequences, prepared once and cached in a folder by fingerprint."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, load_from_disk

from gradmask.data.arrow import column, columns_of, select_rows
from gradmask.data.fingerprint import fingerprint_of as fingerprint_of, is_fingerprint
from gradmask.data.kept_text import tokenizer_texts
from gradmask.data.label_tables import label_table
from gradmask.data.labeled import PIECES
from gradmask.data.labeling import Labeled, label_documents
from gradmask.data.names import require_domain
from gradmask.data.packing import Key, Packed, pack
from gradmask.data.reading import SourceCounts
from gradmask.data.sources import load_documents
from gradmask.data.spec import DataSpec
from gradmask.data.text_stream.sampling import sample_notice, text_keys
from gradmask.data.tokenizer import build_tokenizer, chat_tokenizer, load_tokenizer
from gradmask.data.training_sets import PERFECT, training_set
from gradmask.errors import GradmaskError
from gradmask.quiet import without_data_bars


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation need of the data.

    Args:
        tokenizer: a Transformers tokenizer.
        train: packed sequences with ``input_ids``, ``data_labels``, ``domain`` and ``role``; ``group`` is the truth where labels
            are simulated, or else -1.
        test: domain -> packed held-out sequences; ``data_labels`` is the truth where it is known, or else their label.
        roles: domain -> ``forget``, ``adjacent`` or ``retain``.
        groups: removable groups in the order of their ids, from 1.
        label_table: training tokens by domain and label.
        label_counts: training documents, tokens and dropped tokens by domain and label.
        label_rates: group -> true and false positive rates of its labels; empty where the truth is not known.
        fingerprint: see `fingerprint_of`.
        notices: what is to be said of the labels and of the truth, in sentences.
        sets: training sets that are not part of ``train``.
        unknown: training documents whose truth is not known.
        held_out: where text is streamed, hashes of the texts in ``test``; the other fields are then of the stream's sample.
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
    notices: list[str] = field(default_factory=list)
    sets: dict[str, Dataset] = field(default_factory=dict)
    unknown: int = 0
    held_out: list[str] = field(default_factory=list)

    def training_set(self, name: str) -> Dataset:
        """One of `gradmask.data.TRAINING_SETS`.

        Raises:
            GradmaskError: see `training_set`; or it takes the truth, which is not known of every training document.
        """
        if name in self.sets:
            return self.sets[name]
        if name == PERFECT and self.unknown:
            raise GradmaskError(
                f"the truth of {self.unknown:,} training documents is not known, so there is no perfect filter: leave it out of "
                "arms, or give the truth of all (truth_field in every source)"
            )
        return training_set(self.train, name)

    @property
    def by_label(self) -> Dataset:
        """Training sequences with one label each: ``train`` or, where documents have spans, their labeled text alone."""
        return self.sets.get(PIECES, self.train)

    def files(self) -> list[Path]:
        """The files that the sequences are memory-mapped from."""
        parts = (self.train, *self.test.values(), *self.sets.values())
        return sorted({Path(f["filename"]) for part in parts for f in part.cache_files})


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
    counts: list[SourceCounts] = []
    path, chat = work / "documents.arrow", chat_tokenizer(spec)
    sample = spec.stream.sample if spec.stream else None
    documents = load_documents(spec.sources, spec.test_share, spec.seed, path, chat, counts, sample)
    labeled = label_documents(documents, spec)
    splits = {"train": labeled.train, "test": labeled.test, **labeled.sets}
    texts = tokenizer_texts(labeled.train, spec.tokenizer_without_forget)
    tokenizer = build_tokenizer(spec.tokenizer, texts, folder / "tokenizer")
    packed = {
        name: pack(split, tokenizer, spec.sequence_length, work / f"{name}.arrow") for name, split in splits.items()
    }
    if spec.by_domain:
        _require_every_domain(set(documents.unique("domain")), packed, spec.sequence_length)
    short = _require_every_role(labeled, packed["test"], spec.sequence_length)
    packed["train"] = _limited(packed["train"], spec)
    sequences: dict[Any, Dataset] = {name: split.sequences for name, split in packed.items()}
    DatasetDict(sequences).save_to_disk(folder / "packed")
    about = {
        "counts": packed["train"].counts,
        "rates": labeled.rates,
        "notices": [*_of_stream(spec), *(f"{count}." for count in counts if count.skipped), *labeled.notices, *short],
        "unknown": labeled.unknown,
        "held_out": _held_out_texts(documents) if spec.stream else [],
    }
    (folder / "counts.json").write_text(json.dumps(about), encoding="utf-8")


def _of_stream(spec: DataSpec) -> list[str]:
    return [sample_notice(len(spec.sources), spec.stream.sample)] if spec.stream else []


def _held_out_texts(documents: Dataset) -> list[str]:
    """Hashes of the held-out texts, which a stream must not train on, however copies of them are split."""
    return text_keys(text for text, split in columns_of(documents, ["text", "split"]) if split == "test")


def _require_every_role(labeled: Labeled, test: Packed, length: int) -> list[str]:
    """Refuse held-out text that is too short for a sequence of each group and of retain; other domains are told of.

    Returns:
        A sentence on the domains that are too short, where there are any.
    """
    there = {(row["role"], row["group"]) for row in test.counts if row["tokens"] > row["dropped"]}
    for role, group in sorted({(row["role"], row["group"]) for row in test.counts} - there):
        which = f" of group {group}" if group > 0 else ""
        raise GradmaskError(
            f"the held-out {role} text{which} is too little for one sequence of {length} tokens: hold out or label more, or take "
            "shorter sequences"
        )
    short = sorted({*column(labeled.test, "domain").tolist()} - {*test.sequences.unique("domain")})
    return [f"Too little held-out text for one sequence, so not measured: {', '.join(short)}."] if short else []


def _require_every_domain(domains: set[str], packed: dict[str, Packed], length: int) -> None:
    for name in ("train", "test"):
        for domain in sorted(domains - set(packed[name].sequences.unique("domain"))):
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
    per_document = [
        "text_label" if n == "data_labels" and "text_label" in kept.column_names else n for n in Key._fields
    ]
    tokens = {key: length * n for key, n in Counter(columns_of(kept, per_document)).items()}
    counts = [{**row, "dropped": row["tokens"] - tokens.get(_key(row), 0)} for row in train.counts]
    return Packed(kept, counts)


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row[name] for name in Key._fields)


def _load(spec: DataSpec, folder: Path, fingerprint: str) -> Prepared | None:
    """The data in the folder, or None if there is none, or it has another fingerprint or is damaged."""
    try:
        recorded = (folder / "fingerprint.txt").read_text(encoding="utf-8").strip()
        if recorded != fingerprint and not is_fingerprint(recorded, spec):
            return None
        packed: Any = load_from_disk(folder / "packed")
        train, test = packed["train"], packed["test"]
        about = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
        counts, rates, notices, unknown = (about[key] for key in ("counts", "rates", "notices", "unknown"))
        tokenizer = load_tokenizer(folder / "tokenizer")
    except Exception:  # any kind of damage: it is prepared again
        return None
    domains = column(test, "domain")
    roles = dict(columns_of(test, ["domain", "role"]))
    groups = list(spec.labels.groups)
    return Prepared(
        tokenizer=tokenizer,
        train=train,
        test={str(domain): select_rows(test, domains == domain) for domain in np.unique(domains)},
        roles={domain: roles[domain] for domain in sorted(roles)},
        groups=groups,
        label_table=label_table(train, groups, spec.sequence_length),
        label_counts=counts,
        label_rates=rates,
        fingerprint=recorded,
        notices=notices,
        sets={name: packed[name] for name in packed if name not in ("train", "test")},
        unknown=unknown,
        held_out=about.get("held_out", []),
    )

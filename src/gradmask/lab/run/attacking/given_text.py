"""Text that somebody hands over with a checkpoint: what must be gone, what is kept, and what neither model has seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from gradmask.data import SourceSpec, read_documents, source_files
from gradmask.errors import GradmaskError
from gradmask.lab.measures.material import Material
from gradmask.lab.measures.settings import SuiteSettings

MOST = 50_000_000
"""Characters that are read of a text."""
NEEDED = 8
"""Sequences of a text, at least: half to attack with, a quarter to measure on, a quarter to calibrate."""
SHORTEST = 16


@dataclass(frozen=True)
class Texts:
    """Files, folders or patterns, in any format that gradmask reads.

    Args:
        forget: text that must be gone.
        retain: other text that the models know; without it, attacks that need it are left out.
        control: text that neither model has seen, for how fast each learns anything at all.
    """

    forget: Path
    retain: Path | None = None
    control: Path | None = None

    def paths(self) -> dict[str, Path]:
        """Role -> path, of those given."""
        given = {"forget": self.forget, "retain": self.retain, "control": self.control}
        return {role: path for role, path in given.items() if path is not None}

    def fingerprint(self) -> str:
        """Of every file's content."""
        digest = hashlib.sha256()
        for role, path in self.paths().items():
            for file in source_files(_source(path, role)):
                digest.update(role.encode() + file.read_bytes())
        return digest.hexdigest()


def material_of(texts: Texts, tokenizer: Any, length: int, settings: SuiteSettings) -> Material:
    """The texts as sequences of ``length`` tokens, or of fewer where a text is short.

    Raises:
        GradmaskError: a text that cannot be read, or is too little.
    """
    streams = {role: _tokens(path, role, tokenizer, settings.seed) for role, path in texts.paths().items()}
    length = min(length, *(len(ids) // (2 * NEEDED) for ids in streams.values()))
    for role, path in texts.paths().items():
        if length < SHORTEST:
            raise GradmaskError(
                f"{path} has {len(streams[role]):,} tokens: attacks need {2 * NEEDED * SHORTEST:,} of each text at least"
            )
    cut = {role: _sequences(ids, length) for role, ids in streams.items()}
    train = {role: ids[: len(ids) // 2][: settings.train_sequences] for role, ids in cut.items()}
    test = {role: ids[len(ids) // 2 : 3 * len(ids) // 4][: settings.sequences] for role, ids in cut.items()}
    rest = {role: ids[3 * len(ids) // 4 :][: settings.sequences] for role, ids in cut.items() if role != "control"}
    return Material(train, test, rest, {role: role for role in cut})


def require_same_tokens(tokenizer: Any, other: Any, model: Path, twin: Path, texts: Texts) -> None:
    """Refuse models that cut the same text into other tokens: their losses per token cannot be compared.

    Raises:
        GradmaskError: they do.
    """
    for role, path in texts.paths().items():
        for text in _documents(path, role, 200_000):
            if _encoded(tokenizer, text) != _encoded(other, text):
                raise GradmaskError(
                    f"{model} and {twin} have different tokenizers (they cut the text of {path} differently), so their losses per "
                    "token cannot be compared: give one that never saw the text and has the same tokenizer"
                )


def _source(path: Path, role: str) -> SourceSpec:
    try:
        return SourceSpec(path=str(path), domain=role)  # type: ignore[call-arg]
    except ValidationError as error:
        raise GradmaskError(f"{path}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _documents(path: Path, role: str, most: int = MOST) -> list[str]:
    texts, size = [], 0
    for document in read_documents(_source(path, role)):
        texts.append(document.text)
        size += len(document.text)
        if size >= most:
            break
    return texts


def _tokens(path: Path, role: str, tokenizer: Any, seed: int) -> Sequence[int]:
    """All documents in random order, each followed by the end token."""
    texts = _documents(path, role)
    order = np.random.default_rng(seed).permutation(len(texts))
    return [token for i in order for token in (*_encoded(tokenizer, texts[i]), tokenizer.eos_token_id)]


def _encoded(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def _sequences(ids: Sequence[int], length: int) -> Tensor:
    count = len(ids) // length
    return torch.tensor(ids[: count * length], dtype=torch.long).view(count, length)

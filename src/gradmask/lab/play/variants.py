"""The models that are shown: a checkpoint whole, without groups, or with groups at part of their strength."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.quiet import quiet

EVERY_SUBSET = 3
"""Up to so many groups, every set of them gives a model; with more, each group alone, and all together."""


@dataclass(eq=False)
class Checkpoint:
    """A folder with a model and its tokenizer, opened when it first runs."""

    folder: Path
    lock: Any = field(default_factory=threading.RLock)

    @cached_property
    def model(self) -> Any:
        """In evaluation mode, on the GPU where there is one.

        Raises:
            GradmaskError: it cannot be opened.
        """
        with self.lock, quiet():
            model: Any = gm.load(self.folder) if self.is_partitioned else gm.read_plain(self.folder)
            return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def tokenizer(self) -> Any:
        """Its tokenizer; code that comes with it is never run.

        Raises:
            GradmaskError: there is none, or it cannot be opened.
        """
        place = gm.tokenizer_folder(self.folder)
        if place is None:
            raise GradmaskError(f"{self.folder} has no tokenizer (tokenizer_config.json): copy one there")
        try:
            return AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        except Exception as error:  # a damaged file raises anything that the libraries below can raise
            reason = (str(error).strip() or "no reason given").splitlines()[0]
            raise GradmaskError(
                f"the tokenizer in {place} cannot be opened ({type(error).__name__}: {reason})"
            ) from error

    @cached_property
    def is_partitioned(self) -> bool:
        return (self.folder / gm.MANIFEST).is_file() and gm.read_manifest(self.folder).kind == "partitioned"

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The removable groups that are still there."""
        manifest = gm.read_manifest(self.folder) if self.is_partitioned else None
        return tuple(g for g in manifest.groups if g not in manifest.removed) if manifest else ()

    @cached_property
    def strengths(self) -> dict[str, float]:
        """Group -> the strength that the checkpoint was saved with."""
        saved = gm.read_manifest(self.folder).strength if self.is_partitioned else {}
        return {group: saved.get(group, 1.0) for group in self.groups}


@dataclass(frozen=True)
class Variant:
    """One model that is shown.

    Args:
        name: it is shown by.
        checkpoint: it comes from.
        removed: groups that do not run.
        strengths: group -> strength from 0 to 1, where it is not the checkpoint's own.
    """

    name: str
    checkpoint: Checkpoint
    removed: tuple[str, ...] = ()
    strengths: Mapping[str, float] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Any:
        return self.checkpoint.tokenizer

    @contextmanager
    def running(self) -> Iterator[Any]:
        """Run the checkpoint's model as this one; nobody else runs it meanwhile, since a strength holds for everybody."""
        with self.checkpoint.lock, ExitStack() as stack:
            model = self.checkpoint.model
            if self.strengths:
                stack.callback(gm.strength, model, **self.checkpoint.strengths)
                gm.strength(model, **self.strengths)
            if self.removed:
                stack.enter_context(gm.without(model, *self.removed))
            yield model


def variants_of(checkpoint: Checkpoint, title: str = "") -> list[Variant]:
    """The models that a checkpoint gives: the full one, and one for each set of groups that can be removed.

    Args:
        checkpoint: partitioned or plain.
        title: put before the names; a plain model has no other.
    """
    if not checkpoint.groups:
        return [Variant(title or checkpoint.folder.name, checkpoint)]
    before = f"{title}: " if title else ""
    sets = removals(checkpoint.groups)
    return [
        Variant(before + (f"without {' and '.join(gone)}" if gone else "full model"), checkpoint, gone)
        for gone in ((), *sets)
    ]


def removals(groups: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The sets of groups that are removed together, small ones first; see `EVERY_SUBSET`."""
    sizes = range(1, len(groups) + 1) if len(groups) <= EVERY_SUBSET else (1, len(groups))
    return [gone for size in sizes for gone in combinations(groups, size)]


def require_writer(folder: Path) -> None:
    """Refuse what is no model that writes text, before its weights are read.

    Raises:
        GradmaskError: no folder, no model, or one that does not write.
    """
    if not folder.is_dir():
        raise GradmaskError(
            f"there is no folder {folder}: give the folder of a checkpoint; one of the Hugging Face Hub is fetched by "
            "hf download NAME --local-dir FOLDER"
        )
    try:
        config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception:  # a damaged file raises anything that the libraries below can raise
        raise GradmaskError(f"{folder} holds no model: its config.json is missing or cannot be read") from None
    name = (config.architectures or ["a model of no class"])[0]
    cls = getattr(transformers, name, None)
    if getattr(config, "is_encoder_decoder", False) or cls is None or not cls.can_generate():
        raise GradmaskError(
            f"{folder} holds {name}, which does not write text on: gradmask play needs a causal language model"
        )

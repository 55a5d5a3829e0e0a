"""Sharded checkpoints: every rank writes its own part (`torch.distributed.checkpoint`), any number of ranks reads them.

A sharded checkpoint is a folder of safetensors files with every group's parameters, and the optimizer's state, by name, each
with its place in the whole; beside ``config.json`` and ``gradmask.json``. Nothing in it is pickled. The folders that
Accelerate and `Trainer` write for FSDP2 (``SHARDED_STATE_DICT``) are read, too (`shard_files`).
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.optim import Optimizer
from transformers import PreTrainedModel

from gradmask.checkpoints.named_state import (
    MODEL,
    OPTIMIZER,
    fill_optimizer,
    model_tensors,
    optimizer_slots,
    optimizer_state,
)
from gradmask.checkpoints.ranks import first_rank, wait_for_ranks
from gradmask.checkpoints.shard_files import reader_of
from gradmask.errors import GradmaskError
from gradmask.model.attached import gradmask_of
from gradmask.model.manifest import read_manifest, seal
from gradmask.model.resume_hooks import write_description
from gradmask.model.resuming import require_same_partition, restore_state


def save_sharded(model: nn.Module, path: str | Path, optimizer: Optimizer | None = None) -> Path:
    """Write the parts of the model, and of the optimizer's state, that each rank holds; a collective call.

    Args:
        model: partitioned or plain, sharded by FSDP2 or not.
        path: a new folder that all ranks see; it is complete or not there at all.
        optimizer: its state is saved for the parameters that have one.

    Raises:
        GradmaskError: the folder exists.
    """
    target = Path(path)
    if target.exists():
        raise GradmaskError(f"{target} exists already: choose a new folder, for example one for each step")
    temporary = target.with_name(f".{target.name}.tmp")
    wait_for_ranks()  # or a slow rank would find the folder of a fast one and raise
    if first_rank():
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    wait_for_ranks()
    state = {MODEL + name: tensor.detach() for name, tensor in model_tensors(model).items()}
    if optimizer is not None:
        state |= {OPTIMIZER + name: value for name, value in optimizer_state(model, optimizer).items()}
    dcp.save(state, storage_writer=HuggingFaceStorageWriter(str(temporary), save_distributed=True))
    if first_rank():
        if hasattr(model, "gradmask"):
            describe_model(model, temporary)
        else:
            cast(PreTrainedModel, model).config.save_pretrained(temporary)
        os.replace(temporary, target)
    wait_for_ranks()
    return target


def load_sharded(model: nn.Module, path: str | Path, optimizer: Optimizer | None = None) -> None:
    """Fill a model, and an optimizer, from a sharded checkpoint, bit for bit, on any number of ranks; a collective call.

    Args:
        model: partitioned, or plain, as the saved one was; sharded over the ranks that there are now, or not.
        path: what `save_sharded` wrote.
        optimizer: of this model's parameters; its state becomes what was saved, its options stay.

    Raises:
        GradmaskError: no such checkpoint, or one of another model.
    """
    reader = reader_of(Path(path))
    manifest = read_manifest(Path(path)) if hasattr(model, "gradmask") else None
    if manifest is not None:
        require_same_partition(cast(PreTrainedModel, model), manifest, str(path))
    saved = _sizes(reader.read_metadata())
    state: dict[str, Any] = {MODEL + name: tensor.detach() for name, tensor in model_tensors(model).items()}
    _check_same(state, saved, Path(path))
    slots = optimizer_slots(model, optimizer, saved) if optimizer is not None else {}
    dcp.load({**state, **slots}, storage_reader=reader)
    if optimizer is not None:
        fill_optimizer(model, optimizer, slots)
    if manifest is not None:
        restore_state(cast(PreTrainedModel, model), manifest)


def describe_model(model: Any, folder: str | Path) -> None:
    """Write ``config.json`` and ``gradmask.json``, without which a sharded checkpoint's tensors mean nothing.

    `save_sharded` does this; for checkpoints that Accelerate or `Trainer` shard, call it once with their folder. Where every
    rank calls it, the first one writes, and the others do not wait.
    """
    if not first_rank():
        return
    gradmask_of(model)
    write_description(model, Path(folder))
    seal(Path(folder))


def sharded_names(shards: Path) -> list[str]:
    """The names of the parameters in a sharded checkpoint, as the model has them."""
    return [re.sub(r"^model[/.]", "", name) for name in _sizes(reader_of(shards).read_metadata())]


def read_into(model: nn.Module, shards: Path) -> None:
    """Fill a partitioned model in this process alone."""
    reader = reader_of(shards)
    saved = _sizes(reader.read_metadata())
    if isinstance(reader, HuggingFaceStorageReader):
        state: dict[str, Any] = {MODEL + name: tensor.detach() for name, tensor in model_tensors(model).items()}
        _check_same(state, saved, shards)
        _load_alone(state, reader)
        return
    merged = {f"model.{name}": torch.empty_like(tensor) for name, tensor in model.state_dict().items()}
    _check_same(merged, saved, shards)
    _load_alone(merged, reader)
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in merged.items()})


def _load_alone(state: dict[str, Any], reader: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        dcp.load(state, storage_reader=reader, no_dist=True)


def _sizes(metadata: Metadata) -> dict[str, TensorStorageMetadata]:
    entries = metadata.state_dict_metadata
    return {name: entry for name, entry in entries.items() if isinstance(entry, TensorStorageMetadata)}


def _check_same(state: Mapping[str, Tensor], saved: Mapping[str, TensorStorageMetadata], path: Path) -> None:
    missing = sorted(name for name in state if name not in saved)
    if missing:
        raise GradmaskError(
            f"{path} lacks {missing[0]} ({len(missing)} tensors): it is a checkpoint of another partition"
        )
    unknown = sorted(name for name in saved if name.startswith(("model/", "model.")) and name not in state)
    if unknown:
        raise GradmaskError(
            f"{path} holds {unknown[0]} ({len(unknown)} tensors), for which the model has no place: without them it would be "
            "another model"
        )
    for name, tensor in state.items():
        if tuple(saved[name].size) != tuple(tensor.shape):
            raise GradmaskError(
                f"{path}: {name} has shape {list(saved[name].size)}, but the model's has {list(tensor.shape)}: it is a "
                "checkpoint of another partition"
            )

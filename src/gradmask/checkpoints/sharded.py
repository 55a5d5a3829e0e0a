"""Checkpoints that every rank writes its own part of, by `torch.distributed.checkpoint`, and reads back on any number of ranks.

A sharded checkpoint is a folder of safetensors files with every group's parameters, and the optimizer's state, by name, each
with its place in the whole; besides ``config.json`` and ``gradmask.json``. Nothing in it is pickled. The folders that
Accelerate and `Trainer` write for FSDP2 (``SHARDED_STATE_DICT``) are read, too; their index is a pickle, of which only the
index's own classes are accepted.
"""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint import FileSystemReader, HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from gradmask.errors import GradmaskError
from gradmask.model.attached import require
from gradmask.model.manifest import MANIFEST, seal, write_manifest

MODEL, OPTIMIZER = "model/", "optimizer/"
WRAPPERS = ("_checkpoint_wrapped_module.", "_orig_mod.", "module.")
SHARDS = "shard-*.safetensors"
_INDEX = ".metadata"


def save_sharded(model: nn.Module, path: str | Path, optimizer: Optimizer | None = None) -> Path:
    """Write the parts of the model, and of the optimizer's state, that each rank holds; a collective call.

    Args:
        model: a partitioned model, sharded by FSDP2 or not.
        path: a new folder that all ranks see; it appears in its place in one step.
        optimizer: its state is saved for the parameters that have one.

    Raises:
        GradmaskError: the model is not partitioned, or the folder exists.
    """
    require(model)
    target = Path(path)
    if target.exists():
        raise GradmaskError(f"{target} exists already: choose a new folder, for example one for each step")
    temporary = target.with_name(f".{target.name}.tmp")
    together()  # so that no rank finds the folder of another one
    if first_rank():
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    together()
    state = {MODEL + name: tensor.detach() for name, tensor in _tensors(model).items()}
    if optimizer is not None:
        state |= {OPTIMIZER + name: value for name, value in _optimizer_state(model, optimizer).items()}
    dcp.save(state, storage_writer=HuggingFaceStorageWriter(str(temporary), save_distributed=True))
    if first_rank():
        describe_model(model, temporary)
        os.replace(temporary, target)
    together()
    return target


def load_sharded(model: nn.Module, path: str | Path, optimizer: Optimizer | None = None) -> None:
    """Fill a model, and an optimizer, from a sharded checkpoint, bit for bit, on any number of ranks; a collective call.

    Args:
        model: partitioned, and sharded, as the saved one was; on as many ranks as there are now.
        path: what `save_sharded` wrote.
        optimizer: of this model's parameters; its state becomes what was saved, its options stay.

    Raises:
        GradmaskError: no such checkpoint, or one of another model.
    """
    gradmask, reader = require(model), _reader(Path(path))
    saved = _sizes(reader.read_metadata())
    state: dict[str, Any] = {MODEL + name: tensor.detach() for name, tensor in _tensors(model).items()}
    _check_same(state, saved, Path(path))
    slots = _optimizer_slots(model, optimizer, saved) if optimizer is not None else {}
    dcp.load({**state, **slots}, storage_reader=reader)
    if optimizer is not None:
        _fill(model, optimizer, slots)
    from gradmask.model.manifest import read_manifest

    gradmask.router.draws = read_manifest(Path(path)).draws


def describe_model(model: Any, folder: str | Path) -> None:
    """Write ``config.json`` and ``gradmask.json``, without which a sharded checkpoint's tensors mean nothing.

    `save_sharded` does this; for checkpoints that Accelerate or `Trainer` shard, call it once with their folder. Where every
    rank calls it, the first one writes, and the others do not wait.
    """
    if not first_rank():
        return
    manifest, folder = require(model).manifest(), Path(folder)
    model.config.architectures = [type(model).gradmask_plain.__name__]
    model.config.dtype = model.dtype
    model.config.save_pretrained(folder)
    write_manifest(folder, manifest)
    seal(folder)


def find_shards(folder: Path) -> tuple[Path, Path] | None:
    """The folders with the description and with the shards, where ``folder`` is, or lies in, a sharded checkpoint.

    Accelerate's shards lie in a folder within the checkpoint; either may be given.
    """
    inner = [p.parent for p in sorted(folder.glob(f"pytorch_model_fsdp_*/{_INDEX}"))]
    shards = next((p for p in (folder, *inner) if any(p.glob(SHARDS)) or (p / _INDEX).is_file()), None)
    if shards is None:
        return None
    home = next((p for p in (folder, *list(folder.parents)[:2]) if (p / MANIFEST).is_file()), folder)
    return home, shards


def read_into(model: nn.Module, shards: Path) -> None:
    """Fill a partitioned model in this process alone."""
    reader = _reader(shards)
    saved = _sizes(reader.read_metadata())
    if isinstance(reader, HuggingFaceStorageReader):
        state: dict[str, Any] = {MODEL + name: tensor.detach() for name, tensor in _tensors(model).items()}
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


class IndexReader(FileSystemReader):
    """Reads what `torch.distributed.checkpoint.FileSystemWriter` wrote, without running what its index may hold."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        path = Path(self.path, _INDEX)
        try:
            with path.open("rb") as file:
                metadata = _IndexUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError, AttributeError, ValueError) as error:
            raise GradmaskError(f"{path} is damaged, or no index of a sharded checkpoint: {error}") from None
        if not isinstance(metadata, Metadata):
            raise GradmaskError(f"{path} is no index of a sharded checkpoint, but a {type(metadata).__name__}")
        return metadata


class _IndexUnpickler(pickle.Unpickler):
    ALLOWED = frozenset(
        {
            *(("torch.distributed.checkpoint.metadata", name) for name in (
                "Metadata", "TensorStorageMetadata", "BytesStorageMetadata", "TensorProperties", "ChunkStorageMetadata",
                "MetadataIndex", "StorageMeta", "_MEM_FORMAT_ENCODING",
            )),
            ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
            ("torch", "Size"), ("torch.serialization", "_get_layout"), ("torch.distributed.checkpoint.planner", "SavePlan"),
            ("collections", "OrderedDict"), ("builtins", "set"), ("pathlib", "PosixPath"), ("pathlib", "Path"),
        }
    )  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.ALLOWED or (
            module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}, which has no place in an index")


def _reader(shards: Path) -> Any:
    if any(shards.glob(SHARDS)):
        return HuggingFaceStorageReader(str(shards))
    if (shards / _INDEX).is_file():
        return IndexReader(str(shards))
    raise GradmaskError(f"{shards} is no sharded checkpoint: it holds neither {SHARDS} nor {_INDEX}")


def _sizes(metadata: Metadata) -> dict[str, TensorStorageMetadata]:
    entries = metadata.state_dict_metadata
    return {name: entry for name, entry in entries.items() if isinstance(entry, TensorStorageMetadata)}


def _check_same(state: Mapping[str, Tensor], saved: Mapping[str, TensorStorageMetadata], path: Path) -> None:
    missing = sorted(name for name in state if name not in saved)
    if missing:
        raise GradmaskError(
            f"{path} lacks {missing[0]} ({len(missing)} tensors): it is a checkpoint of another partition"
        )
    for name, tensor in state.items():
        if tuple(saved[name].size) != tuple(tensor.shape):
            raise GradmaskError(
                f"{path}: {name} has shape {list(saved[name].size)}, but the model's has {list(tensor.shape)}: it is a "
                "checkpoint of another partition"
            )


def _plain(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter, part by part, and every buffer that checkpoints keep."""
    kept = {
        f"{path}.{name}" if path else name: buffer
        for path, module in model.named_modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and name not in module._non_persistent_buffers_set
    }
    return {_plain(name): tensor for name, tensor in {**dict(model.named_parameters()), **kept}.items()}


def _optimizer_state(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    found = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if not isinstance(value, Tensor):
                raise GradmaskError(
                    f"{type(optimizer).__name__} keeps {key!r} as {type(value).__name__}: a sharded checkpoint holds tensors only"
                )
            found[f"{_plain(name)}/{key}"] = value if value.dim() else value.reshape(1)
    return found


def _optimizer_slots(
    model: nn.Module, optimizer: Optimizer, saved: Mapping[str, TensorStorageMetadata]
) -> dict[str, Tensor]:
    """Empty tensors, sharded as their parameters are, for what was saved of the optimizer's state."""
    owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
    parameters = {_plain(name): p for name, p in model.named_parameters() if id(p) in owned}
    slots: dict[str, Tensor] = {}
    for key, entry in saved.items():
        if not key.startswith(OPTIMIZER):
            continue
        parameter = parameters.get(key.removeprefix(OPTIMIZER).rpartition("/")[0])
        if parameter is None:
            raise GradmaskError(f"the checkpoint holds {key}, but the optimizer has no such parameter")
        if entry.size == parameter.shape and not key.endswith("/step"):
            slots[key] = torch.empty_like(parameter, dtype=entry.properties.dtype, requires_grad=False)
        else:
            slots[key] = torch.empty(entry.size, dtype=entry.properties.dtype)
    return slots


def _fill(model: nn.Module, optimizer: Optimizer, slots: Mapping[str, Tensor]) -> None:
    parameters = {_plain(name): p for name, p in model.named_parameters()}
    on_device = {
        id(p): group.get("fused") or group.get("capturable")
        for group in optimizer.param_groups
        for p in group["params"]
    }
    optimizer.state.clear()
    for key, value in slots.items():
        name, _, entry = key.removeprefix(OPTIMIZER).rpartition("/")
        parameter = parameters[name]
        if entry == "step":
            value = value.reshape(()).to(parameter.device if on_device[id(parameter)] else "cpu")
        elif not isinstance(value, DTensor):
            value = value.to(parameter.device)
        optimizer.state[parameter][entry] = value


def gathered(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A sharded state dict whole, on the CPU of the first rank; empty on the others. A collective call."""
    found = {}
    for name, tensor in state.items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if first_rank():
            found[name] = whole.cpu()
    return found


def is_spread(state: Mapping[str, Tensor]) -> bool:
    """Whether FSDP2 spread these tensors over ranks."""
    return any(isinstance(tensor, DTensor) for tensor in state.values())


def first_rank() -> bool:
    """Whether this process is the one that writes what is written once."""
    return not dist.is_initialized() or dist.get_rank() == 0


def together() -> None:
    """Wait for all ranks."""
    if dist.is_initialized():
        dist.barrier()

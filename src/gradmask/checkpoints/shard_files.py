"""The two formats in which a sharded checkpoint is read.

Ours are safetensors files. The folders of Accelerate and `Trainer` have an index that is a pickle; only the classes of an
index are accepted in it.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint import FileSystemReader, HuggingFaceStorageReader
from torch.distributed.checkpoint.metadata import Metadata

from gradmask.errors import GradmaskError
from gradmask.model.manifest import MANIFEST

SHARDS = "shard-*.safetensors"
INDEX = ".metadata"


class IndexReader(FileSystemReader):
    """Reads what `torch.distributed.checkpoint.FileSystemWriter` wrote, without running what its index may hold."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        path = Path(self.path, INDEX)
        try:
            with path.open("rb") as file:
                metadata = _IndexUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError, AttributeError, ValueError) as error:
            raise GradmaskError(f"{path} is damaged, or not an index of a sharded checkpoint: {error}") from None
        if not isinstance(metadata, Metadata):
            raise GradmaskError(f"{path} is not an index of a sharded checkpoint, but a {type(metadata).__name__}")
        return metadata


class _IndexUnpickler(pickle.Unpickler):
    """Accepts the classes of an index and the dtypes of PyTorch alone: a pickle can name any function to be called."""

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
        raise pickle.UnpicklingError(f"it names {module}.{name}, which an index does not need")


def reader_of(shards: Path) -> Any:
    """A reader of the shards in a folder, of either format.

    Raises:
        GradmaskError: the folder holds no shards.
    """
    if any(shards.glob(SHARDS)):
        return HuggingFaceStorageReader(str(shards))
    if (shards / INDEX).is_file():
        return IndexReader(str(shards))
    raise GradmaskError(f"{shards} is not a sharded checkpoint: it holds neither {SHARDS} nor {INDEX}")


def find_shards(folder: Path) -> tuple[Path, Path] | None:
    """The folders with the description and with the shards, where ``folder`` is, or lies in, a sharded checkpoint.

    Accelerate's shards lie in a folder within the checkpoint; either may be given.
    """
    inner = [p.parent for p in sorted(folder.glob(f"pytorch_model_fsdp_*/{INDEX}"))]
    shards = next((p for p in (folder, *inner) if any(p.glob(SHARDS)) or (p / INDEX).is_file()), None)
    if shards is None:
        return None
    home = next((p for p in (folder, *list(folder.parents)[:2]) if (p / MANIFEST).is_file()), folder)
    return home, shards

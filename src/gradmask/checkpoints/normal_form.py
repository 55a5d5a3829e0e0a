"""What the files of an export show without the checkpoint that it was made from.

An export is what Transformers writes. So a folder that Transformers would write otherwise, once it has read it, holds
something that is not the model: tensors, metadata, bytes between or after the tensors, white space.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from transformers import PreTrainedModel

from gradmask.checkpoints.export_options import sharding
from gradmask.checkpoints.loading import read_plain
from gradmask.checkpoints.rebuilding import compare
from gradmask.checkpoints.tokenizers import TOKENIZER, open_tokenizer
from gradmask.model.manifest import MANIFEST, Manifest
from gradmask.strangers import printable

HALF = {"F16": torch.float16, "BF16": torch.bfloat16}
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
MODEL_FILES = ("config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json", MANIFEST)
TOKENIZER_FILES = (
    TOKENIZER, "tokenizer.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
    "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "chat_template.jinja",
)  # fmt: skip


def unknown_files(names: Sequence[str]) -> Iterator[str]:
    """Files that no export has, whatever they hold."""
    for name in names:
        if name not in MODEL_FILES and name not in TOKENIZER_FILES and not SHARD.fullmatch(name):
            yield f"{printable(name)} is not a file of an export"


def code_named(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Code that a config asks Transformers to run (``trust_remote_code``)."""
    for name in (n for n in names if n.endswith("config.json")):
        try:
            data: Any = json.loads((folder / name).read_text(encoding="utf-8"))
        except OSError:  # its hash says so
            continue
        except (ValueError, RecursionError):
            yield f"{printable(name)} is not JSON"
            continue
        if not isinstance(data, dict):
            yield f"{printable(name)} is not a JSON object"
        elif "auto_map" in data:
            yield f"{printable(name)} names code to be run (auto_map), which an export never does"


def same_versions(folder: Path) -> bool:
    """Whether this Transformers wrote the folder: another may write the same model otherwise."""
    try:
        config: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return config.get("transformers_version") == transformers.__version__
    except (OSError, ValueError, AttributeError):
        return False


def not_normal(folder: Path, names: Sequence[str], manifest: Manifest) -> list[str]:
    """What Transformers would write otherwise than it stands in the folder, in words.

    Raises:
        GradmaskError: the folder cannot be opened as a model.
    """
    kept = [name for name in names if name != MANIFEST]
    with tempfile.TemporaryDirectory(prefix="gradmask-") as place:
        model = read_plain(folder)
        model.save_pretrained(place, **_state_as_written(model, folder, names), **sharding(manifest.options))
        tokenizer = open_tokenizer(folder) if TOKENIZER in names else None
        if tokenizer is not None:
            tokenizer.save_pretrained(place)
        return list(compare(folder, kept, Path(place), "what Transformers writes"))


def _state_as_written(model: PreTrainedModel, folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Some families open some of their parameters as float32, whatever the file has (T5): they are written as they were."""
    formats: set[str] = set()
    for name in (n for n in names if n.endswith(".safetensors")):
        with safe_open(folder / name, framework="pt") as file:
            formats |= {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    dtype = HALF.get(next(iter(formats))) if len(formats) == 1 else None
    if dtype is None or all(p.dtype == dtype for p in model.parameters()):
        return {}
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return {"state_dict": {k: t.to(dtype) if k in parameters else t for k, t in model.state_dict().items()}}

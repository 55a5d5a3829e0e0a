"""A folder of published code: its JSON files and its tensors, from safetensors alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gradmask.errors import GradmaskError

CONVERT = (
    "python -c \"import torch, safetensors.torch as s; state = torch.load('{file}', weights_only=True); "
    "s.save_file({{k: v.contiguous() for k, v in state.get('model', state).items()}}, 'model.safetensors')\""
)
WRAPPERS = ("_orig_mod.", "module.")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no such file.

    Raises:
        GradmaskError: it is not an object.
    """
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GradmaskError(f"{path} is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise GradmaskError(f"{path} is not a JSON object, but a {type(data).__name__}")
    return data


def read_state(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder's safetensors files, by their names without those of wrappers.

    Raises:
        GradmaskError: there are none, or only pickles; the message says how to convert one.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise GradmaskError(f"{folder} holds no safetensors files{_remedy(folder)}")
    state: dict[str, Tensor] = {}
    for file in files:
        state |= {_unwrapped(name): tensor for name, tensor in load_file(file).items()}
    return state


def _unwrapped(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def _remedy(folder: Path) -> str:
    pickles = sorted(p.name for kind in ("*.pth", "*.bin", "*.pt") for p in folder.glob(kind))
    if not pickles:
        return ": give the folder that the published code saved"
    command = CONVERT.format(file=pickles[0])
    return (
        f", only {', '.join(pickles)}, which can run code when they are opened. If you trust the file, convert it once, in that "
        f"folder: {command}"
    )


def take(state: dict[str, Tensor], name: str, folder: Path) -> Tensor:
    """Remove a tensor from ``state`` and return it.

    Raises:
        GradmaskError: there is none of that name.
    """
    if name not in state:
        raise GradmaskError(f"{folder} lacks {name}: its files are damaged, or do not belong together")
    return state.pop(name)


def refuse_left(state: dict[str, Tensor], folder: Path, what: str) -> None:
    """Raise a `GradmaskError` that names what is left of ``state``, if there is something."""
    if state:
        first = sorted(state)[0]
        raise GradmaskError(f"{folder} holds {first} ({len(state)} tensors), which {what} has no place for")


def number(config: dict[str, Any], key: str, path: Path, default: int | None = None) -> int:
    """A whole number of a config.

    Raises:
        GradmaskError: it is missing, or not a number of at least 0.
    """
    value = config.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise GradmaskError(f"{path}: {key} is {value!r}, needed: a whole number")
    return value


def floating(state: dict[str, Tensor]) -> torch.dtype:
    """The dtype of the weights."""
    return next((t.dtype for t in state.values() if t.is_floating_point()), torch.float32)

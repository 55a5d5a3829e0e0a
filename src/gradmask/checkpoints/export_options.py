"""How an export may be asked for: number format, size of its files, and what its manifest tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from transformers.core_model_loading import dot_natural_key

from gradmask.errors import GradmaskError
from gradmask.model.manifest import ExportOptions, Manifest

ANONYMOUS = "group_"


def options_of(
    dtype: str | torch.dtype | None, max_shard_size: int | None, anonymous: bool, dropped_tokens: Sequence[int] = ()
) -> ExportOptions | None:
    """The options of an export as its manifest records them; None where all are the default.

    Raises:
        GradmaskError: a ``dtype`` or a size that is none.
    """
    name = str(dtype).removeprefix("torch.") if dtype is not None else None
    try:
        given: Any = {"dtype": name, "max_shard_size": max_shard_size, "anonymous": anonymous}
        options = ExportOptions(**given, dropped_tokens=sorted({*dropped_tokens}))
    except ValidationError:
        kinds = ", ".join(get_args(get_args(ExportOptions.model_fields["dtype"].annotation)[0]))
        raise GradmaskError(
            f"dtype must be one of {kinds}, and max_shard_size a number of bytes from 1; got {name!r} and {max_shard_size!r}"
        ) from None
    return None if options == ExportOptions() else options


def cast(
    model: nn.Module, state: dict[str, Tensor], options: ExportOptions | None, store: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """A state dict with its parameters in the number format that was asked for; buffers stay as they are.

    ``store`` takes every new tensor as soon as it is made.
    """
    if options is None or options.dtype is None:
        return state
    dtype, buffers = getattr(torch, options.dtype), _buffers(model)
    made: dict[Any, Tensor] = {}  # tied weights stay tied: one tensor is cast once
    given = {name: t for name, t in state.items() if t.is_floating_point() and t.dtype != dtype and name not in buffers}
    for tensor in given.values():
        if _same(tensor) not in made:
            made[_same(tensor)] = store(tensor.to(dtype))
    return {name: made[_same(tensor)] if name in given else tensor for name, tensor in state.items()}


def _same(tensor: Tensor) -> Any:
    """A key that two names of one tensor share."""
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def _buffers(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_buffers()}


def sharding(options: ExportOptions | None) -> dict[str, Any]:
    """Arguments of ``save_pretrained``."""
    return {"max_shard_size": options.max_shard_size} if options is not None and options.max_shard_size else {}


def describe_dtype(config: Any, options: ExportOptions | None, folder: Path) -> None:
    """Write the config again with the number format of the file; ``save_pretrained`` notes the model's."""
    if options is None or options.dtype is None:
        return
    before = config.dtype
    config.dtype = options.dtype
    try:
        config.save_pretrained(folder)
    finally:
        config.dtype = before


def in_file_order(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """In the order in which Transformers writes a model that it has loaded: it decides what stands in which file."""
    return dict(sorted(state.items(), key=lambda item: dot_natural_key(item[0])))


def parameters_in(model: nn.Module, state: dict[str, Tensor]) -> int:
    """Parameters of the plain model; tied ones count once."""
    buffers = _buffers(model)
    return sum({_same(tensor): tensor.numel() for name, tensor in state.items() if name not in buffers}.values())


def describe_size(parameters: int, folder: Path) -> None:
    """Note the parameters of the plain model in an index of weights; ``save_pretrained`` counts the partitioned model's."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        data = json.loads(index.read_text(encoding="utf-8"))
        data["metadata"]["total_parameters"] = parameters
        index.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def manifest_of_export(
    manifest: Manifest, removed: Sequence[str], compact: bool, options: ExportOptions | None
) -> Manifest:
    """What an export tells of its model. A removed group has no strength."""
    kept = {name: value for name, value in manifest.strength.items() if name not in removed}
    update = {"kind": "export", "removed": list(removed), "compact": compact, "options": options, "strength": kept}
    told = manifest.model_copy(update=update)
    return _anonymous(told) if options is not None and options.anonymous else told


def anonymous_names(groups: Sequence[str]) -> dict[str, str]:
    """The name of each group, in the order of the manifest -> the one in an anonymous export."""
    return {name: f"{ANONYMOUS}{i}" for i, name in enumerate(groups, 1)}


def _anonymous(manifest: Manifest) -> Manifest:
    names = anonymous_names(list(manifest.groups))
    renamed = {
        "groups": {names[name]: entry for name, entry in manifest.groups.items()},
        "units": {
            site: {names.get(group, group): indices for group, indices in chosen.items()}
            for site, chosen in manifest.units.items()
        },
        "removed": sorted(names[name] for name in manifest.removed),
        "strength": {names[name]: value for name, value in manifest.strength.items()},
    }
    untold: dict[str, Any] = {  # what is joint stays: without it nobody could tell which places must be zero
        "labels": {},
        "policy": None,
        "policy_before": None,
        "self_labeling": None,
        "seed": 0,
        "draws": 0,
        "in_advance": "",
        "data": None,
    }
    return manifest.model_copy(update={**renamed, **untold})

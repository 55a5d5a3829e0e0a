"""One group's adapter as a folder in PEFT's format, out of a model and into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.files import whole_folder
from gradmask.model.attached import gradmask_of
from gradmask.model.removal import check_removable
from gradmask.partitioning import Adapter
from gradmask.partitioning.owned.adapters import Adapted, AdaptedLinear
from gradmask.partitioning.owned.table_kinds import ADAPTER, A, B

WEIGHTS = "adapter_model.safetensors"
_SIDES = {"lora_A": A, "lora_B": B}


def export_adapter(
    model: PreTrainedModel, path: str | Path, group: str, base: str | None = None, overwrite: bool = False
) -> Path:
    """Write one group's adapter in PEFT's format; ``PeftModel.from_pretrained`` adds it to the base.

    The base is what `gradmask.export` writes without any removable group.

    Args:
        model: a partitioned model; it is not changed.
        path: the new folder.
        group: a removable group that is a `gradmask.Adapter`. Its strength is not applied.
        base: name or folder of the base, to be noted in the adapter's config.
        overwrite: replace an existing folder.

    Raises:
        GradmaskError: no such group, one that is a slice or owns embeddings, one that was removed, or an existing folder.
    """
    from peft import LoraConfig

    adapter = _adapter(model, group)
    if group in gradmask_of(model).removed:
        raise GradmaskError(f"group {group!r} was removed: its adapter is zero")
    target = Path(path)
    if target.exists() and any(target.iterdir() if target.is_dir() else [target]) and not overwrite:
        raise GradmaskError(f"{target} exists and is not empty: choose another folder, or pass overwrite=True")
    names = [name for name, _ in _layers(model, group)]
    alpha: Any = adapter.rank if adapter.alpha is None else adapter.alpha  # PEFT declares int and takes any number
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=alpha,
        lora_dropout=adapter.dropout,
        target_modules=names,
        fan_in_fan_out=_transposed(model, group),
        base_model_name_or_path=base,
        inference_mode=True,
    )
    tensors = {key: parameter.detach().cpu().contiguous() for key, parameter in _tensors(model, group).items()}
    with whole_folder(target) as temporary:
        config.save_pretrained(str(temporary))
        save_file(tensors, temporary / WEIGHTS, metadata={"format": "pt"})
    return target


@torch.no_grad()
def import_adapter(model: PreTrainedModel, path: str | Path, group: str) -> PreTrainedModel:
    """Fill one group's adapter from a LoRA adapter that PEFT, or `export_adapter`, wrote; in place.

    Args:
        model: a partitioned model whose ``group`` is an adapter of the same layers, rank and scale.
        path: the adapter's folder.
        group: a removable group.

    Raises:
        GradmaskError: no such group or adapter, a variant other than plain LoRA, or one that does not fit the group.
    """
    adapter, folder = _adapter(model, group), Path(path)
    config = _read_config(folder)
    wanted = f"gm.Adapter(rank={config.r}, alpha={config.lora_alpha}, targets=...)"
    if (config.r, config.lora_alpha / config.r) != (adapter.rank, adapter.scale):
        raise GradmaskError(
            f"{folder} has rank {config.r} and alpha {config.lora_alpha}, group {group!r} has rank {adapter.rank} and a scale "
            f"of {adapter.scale:g}: partition the model with {wanted}"
        )
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise GradmaskError(f"{folder / WEIGHTS} cannot be read: {error}") from None
    expected = _tensors(model, group)
    differing = sorted(set(tensors) ^ set(expected))
    differing += [key for key in tensors if key in expected and tensors[key].shape != expected[key].shape]
    if differing:
        side = "has" if differing[0] in tensors else "lacks"
        raise GradmaskError(
            f"{folder} does not fit group {group!r}: it {side} {differing[0]} ({len(differing)} tensors differ): partition "
            f"the model with {wanted} of the same layers"
        )
    for key, parameter in expected.items():
        parameter.copy_(tensors[key])
    return model


def _read_config(folder: Path) -> Any:
    from peft import LoraConfig, PeftConfig

    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GradmaskError(f"{folder} has no adapter that PEFT can read: {error}") from None
    variants = {"rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "modules_to_save", "layers_to_transform"}
    used = [name for name in sorted(variants) if getattr(config, name, None)]
    if not isinstance(config, LoraConfig) or used or config.bias != "none":
        what = ", ".join(used) or f"{config.peft_type}, bias={getattr(config, 'bias', None)!r}"
        raise GradmaskError(f"{folder} is not a plain LoRA adapter ({what}); only plain LoRA can become a group")
    return config


def _adapter(model: PreTrainedModel, group: str) -> Adapter:
    gradmask = gradmask_of(model)
    check_removable(gradmask, (group,))
    spec = gradmask.cut.slices[group]
    if not isinstance(spec, Adapter):
        raise GradmaskError(
            f"group {group!r} is a slice of the model's own layers, not an adapter: gm.export writes models with or without it"
        )
    if spec.embeddings:
        raise GradmaskError(
            f"group {group!r} owns embedding tables besides its adapter, which PEFT's format does not hold: gm.export writes "
            "models with or without it"
        )
    return spec


def _layers(model: PreTrainedModel, group: str) -> Iterator[tuple[str, Adapted]]:
    for name, module in model.named_modules():
        if isinstance(module, Adapted) and group in module.gradmask_adapters:
            yield name, module


def _transposed(model: PreTrainedModel, group: str) -> bool:
    return any(isinstance(m, AdaptedLinear) and m.gradmask_geometry.transposed for _, m in _layers(model, group))


def _tensors(model: PreTrainedModel, group: str) -> dict[str, nn.Parameter]:
    """PEFT's names -> the group's parameters."""
    parameters = {}
    for name, module in _layers(model, group):
        for side, suffix in _SIDES.items():
            parameter = module._parameters[f"{ADAPTER}{group}{suffix}"]
            assert parameter is not None
            parameters[f"base_model.model.{name}.{side}.weight"] = parameter
    return parameters

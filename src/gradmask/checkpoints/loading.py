"""Opening checkpoints: of a partitioned model, or the plain model of an export; safetensors only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from safetensors import safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from gradmask.checkpoints.importing import import_checkpoint, sgtm
from gradmask.checkpoints.importing.importing import is_published
from gradmask.checkpoints.known import names_in, one_error_type, refuse_rest, with_biases
from gradmask.checkpoints.shard_files import find_shards
from gradmask.checkpoints.sharded import read_into, sharded_names
from gradmask.errors import GradmaskError
from gradmask.model.attached import gradmask_of
from gradmask.model.manifest import MANIFEST, read_manifest
from gradmask.model.partitioned import partition
from gradmask.model.quantized_saving import reversible
from gradmask.partitioning import SilentExperts
from gradmask.partitioning.owned.adapters import Adapted
from gradmask.partitioning.owned.table_kinds import MARKS, group_of
from gradmask.partitioning.owned.tables import SHARED, Tabled


def load(
    path: str | Path,
    labels: Literal["required", "optional"] = "required",
    ignore: Sequence[str] = (),
    **kwargs: Any,
) -> PreTrainedModel:
    """Open a checkpoint that a partitioned model saved: partitioned again, every parameter bit for bit.

    One of published code is imported (`gradmask.import_checkpoint`). A bias that the model's class does not have, such as that of
    GPT-Neo's head in the published SGTM code, is kept.

    Args:
        path: a folder with ``gradmask.json``; a sharded checkpoint too (`gradmask.checkpoints.sharded`), which needs no
            process group here.
        labels: see `gradmask.partition`; a checkpoint does not record it.
        ignore: glob patterns of tensors to leave out that the model's class does not know; others are refused.
        kwargs: passed to the model class's ``from_pretrained`` (``dtype``, ``device_map``, …).

    Raises:
        GradmaskError: no such folder, no or a damaged ``gradmask.json``, missing weights, or weights that the model's class
            has no place for.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise GradmaskError(f"there is no folder {folder}")
    with one_error_type(folder):
        if is_published(folder) and not (folder / MANIFEST).is_file():
            return import_checkpoint(folder, labels=labels)
        return _load(folder, labels, tuple(ignore), kwargs)


def _load(
    folder: Path, labels: Literal["required", "optional"], ignore: Sequence[str], kwargs: dict[str, Any]
) -> PreTrainedModel:
    home, shards = find_shards(folder) or (folder, None)
    manifest = read_manifest(home)
    if manifest.kind == "export":
        raise GradmaskError(
            f"{folder} is an export, so a plain model: open it with AutoModelForCausalLM.from_pretrained"
        )
    if manifest.policy is None:
        raise GradmaskError(f"{home}/gradmask.json has no policy, which only an export may leave out")
    model = _plain_model(folder, ignore, kwargs) if shards is None else _new_model(home, shards, kwargs)
    slices = {name: entry.slice() for name, entry in manifest.groups.items()}
    policy = manifest.policy.policy()
    silent: SilentExperts = manifest.silent_experts or "zeros"  # as before there was a choice
    recorded = {"architecture": manifest.architecture, "units": manifest.units, "base": manifest.base}
    options: dict[str, Any] = {**recorded, "exact": manifest.exact, "labels": labels, "silent_experts": silent}
    partition(model, slices, manifest.joint, policy, manifest.seed, **options)
    gradmask = gradmask_of(model)
    gradmask.router.draws = manifest.draws
    gradmask.router.written_in_advance = manifest.in_advance
    gradmask.labeler = manifest.self_labeling.labeler() if manifest.self_labeling else None
    gradmask.policy_before = manifest.policy_before.policy() if manifest.policy_before else None
    if shards is None:
        _read_tables(model, folder)
    else:
        read_into(model, shards)
    gradmask.context.strength.update(manifest.strength)
    gradmask.mark_removed(manifest.removed)
    return model


def _class_of(folder: Path) -> tuple[type[PreTrainedModel], Any]:
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    names = config.architectures or []
    cls = getattr(transformers, names[0], None) if names else None
    if cls is None:
        raise GradmaskError(f"{folder}/config.json names the model class {names}, which transformers does not have")
    return cls, config


def _plain_model(folder: Path, ignore: Sequence[str], kwargs: dict[str, Any]) -> PreTrainedModel:
    cls, _ = _class_of(folder)
    # a subclass that does not warn of the groups' tables, which `_read_tables` reads; the model gets its own class right after
    wider: Any = with_biases(cls, names_in(folder))
    known = getattr(cls, "_keys_to_ignore_on_load_unexpected", None) or ()
    wider._keys_to_ignore_on_load_unexpected = [*known, SHARED, *(rf"\.{m}" for m in MARKS)]
    model, info = wider.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **kwargs)
    refuse_rest(folder, cls, info, ignore)
    model.__class__ = cls
    return model


def read_plain(path: str | Path) -> PreTrainedModel:
    """The plain model of an export, without gradmask, or of a checkpoint of the published SGTM code.

    A bias that its class does not have is kept.

    Raises:
        GradmaskError: transformers does not have its class, or its class has no place for a tensor.
    """
    folder = Path(path)
    with one_error_type(folder):
        return sgtm.plain_model(folder) if sgtm.is_sgtm(folder) else _plain_model(folder, (), {})


def _new_model(folder: Path, shards: Path, kwargs: dict[str, Any]) -> PreTrainedModel:
    """The model of a sharded checkpoint, its weights not yet read."""
    plain, config = _class_of(folder)
    cls: Any = with_biases(plain, sharded_names(shards))
    dtype = kwargs.get("dtype") or config.dtype
    unknown = sorted(set(kwargs) - {"dtype"})
    if unknown:
        raise GradmaskError(f"a sharded checkpoint cannot be loaded with {', '.join(unknown)}: give only dtype")
    model: Any = cls(config)
    model.__class__ = plain
    return model.to(dtype).eval()


@torch.no_grad()
def _read_tables(model: PreTrainedModel, folder: Path) -> None:
    targets: dict[str, nn.Parameter] = {}
    for path, module in model.named_modules():
        summed = isinstance(module, Tabled)  # else nothing is merged into the weight, which is where it always is
        for name, parameter in module._parameters.items() if isinstance(module, (Tabled, Adapted)) else ():
            if parameter is not None and ((name == "weight" and summed) or group_of(name) is not None):
                targets[_name_in_file(model, f"{path}.{SHARED if name == 'weight' else name}")] = parameter
    missing = {id(parameter) for parameter in targets.values()}
    for key, tensor in _tensors(folder, (f".{SHARED}", *(f".{mark}" for mark in MARKS))) if targets else ():
        if key in targets:
            targets[key].copy_(tensor)
            missing.discard(id(targets[key]))
    if missing:
        lacking = next(key for key, parameter in targets.items() if id(parameter) in missing)
        raise GradmaskError(
            f"{folder} lacks tables that groups own ({lacking}): if it is an export, load the checkpoint that it was made "
            "from"
        )


def _name_in_file(model: PreTrainedModel, name: str) -> str:
    """Some families are saved under other names than their modules have (GPT-NeoX's head)."""
    with reversible(model):
        return next(iter(revert_weight_conversion(model, {name: torch.empty(0)})))


def _tensors(folder: Path, marks: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for key in list(opened.keys()):
                if any(mark in key for mark in marks):
                    yield key, opened.get_tensor(key)

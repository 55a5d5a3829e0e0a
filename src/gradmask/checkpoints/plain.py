"""Saving and loading: a plain Hugging Face checkpoint plus ``gradmask.json``; safetensors only."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from gradmask.checkpoints import compact as compaction
from gradmask.checkpoints.sharded import find_shards, first_rank, gathered, is_spread, read_into, together
from gradmask.errors import GradmaskError
from gradmask.model.attached import require
from gradmask.model.manifest import read_manifest, require_own_weights, seal, write_manifest
from gradmask.model.partitioned import partition
from gradmask.model.removal import check_removable, without as running_without
from gradmask.partitioning.kernel.call import call_for
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.merging import merge, merge_bias
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.owned.table_kinds import MARKS, group_of
from gradmask.partitioning.owned.tables import SHARED, merged_table, tabled_modules


def load(path: str | Path, **kwargs: Any) -> PreTrainedModel:
    """Open a checkpoint that a partitioned model saved: partitioned again, every parameter bit for bit.

    Args:
        path: a folder with ``gradmask.json``; a sharded checkpoint too (`gradmask.checkpoints.sharded`), which needs no
            process group here.
        kwargs: passed to the model class's ``from_pretrained`` (``dtype``, ``device_map``, …).

    Raises:
        GradmaskError: no such folder, no or a damaged ``gradmask.json``, missing weights.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise GradmaskError(f"there is no folder {folder}")
    with _told(folder):
        return _load(folder, kwargs)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What libraries raise over a damaged checkpoint is of many types, and becomes one."""
    try:
        require_own_weights(folder)
        yield
    except GradmaskError:
        raise
    except Exception as error:
        said = (str(error).strip() or "no reason given").splitlines()[0]
        raise GradmaskError(
            f"{folder} cannot be opened ({type(error).__name__}: {said}): its files are damaged, or do not belong together"
        ) from error


def _load(folder: Path, kwargs: dict[str, Any]) -> PreTrainedModel:
    home, shards = find_shards(folder) or (folder, None)
    manifest = read_manifest(home)
    if manifest.kind == "export":
        raise GradmaskError(f"{folder} is an export: a plain model; open it with AutoModelForCausalLM.from_pretrained")
    model = _plain_model(folder, kwargs) if shards is None else _new_model(home, kwargs)
    slices = {name: entry.slice() for name, entry in manifest.groups.items()}
    policy = manifest.policy.policy()
    known = {"architecture": manifest.architecture, "units": manifest.units, "base": manifest.base}
    partition(model, slices, manifest.joint, policy, manifest.seed, exact=manifest.exact, **known)
    gradmask = require(model)
    gradmask.router.draws = manifest.draws
    gradmask.labeler = manifest.self_labeling.labeler() if manifest.self_labeling else None
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


def _plain_model(folder: Path, kwargs: dict[str, Any]) -> PreTrainedModel:
    cls, _ = _class_of(folder)
    quiet = type(cls.__name__, (cls,), {"_keys_to_ignore_on_load_unexpected": [SHARED, *(rf"\.{m}" for m in MARKS)]})
    quiet.__module__ = cls.__module__
    model = quiet.from_pretrained(folder, use_safetensors=True, **kwargs)  # type: ignore[missing-attribute]
    model.__class__ = cls
    return model


def read_plain(path: str | Path) -> PreTrainedModel:
    """The plain model of an export, without gradmask.

    Raises:
        GradmaskError: transformers does not have its class.
    """
    with _told(Path(path)):
        cls, _ = _class_of(Path(path))
        return cls.from_pretrained(path, use_safetensors=True)


def _new_model(folder: Path, kwargs: dict[str, Any]) -> PreTrainedModel:
    """The model of a sharded checkpoint, its weights not yet read."""
    cls, config = _class_of(folder)
    dtype = kwargs.get("dtype") or config.dtype
    unknown = sorted(set(kwargs) - {"dtype"})
    if unknown:
        raise GradmaskError(f"a sharded checkpoint is loaded without {', '.join(unknown)}: only dtype can be given")
    return cls(config).to(dtype).eval()  # type: ignore[bad-argument-count, bad-argument-type]


@torch.no_grad()
def _read_tables(model: PreTrainedModel, folder: Path) -> None:
    targets: dict[str, nn.Parameter] = {}
    for path, module in tabled_modules(model):
        for name, parameter in module._parameters.items():
            if parameter is not None and (name == "weight" or group_of(name) is not None):
                targets[_name_in_file(model, f"{path}.{SHARED if name == 'weight' else name}")] = parameter
    missing = {id(parameter) for parameter in targets.values()}
    for key, tensor in _tensors(folder, (f".{SHARED}", *(f".{mark}" for mark in MARKS))) if targets else ():
        if key in targets:
            targets[key].copy_(tensor)
            missing.discard(id(targets[key]))
    if missing:
        lacking = next(key for key, parameter in targets.items() if id(parameter) in missing)
        raise GradmaskError(f"{folder} lacks the groups' own tables ({lacking}): was it exported?")


def _name_in_file(model: PreTrainedModel, name: str) -> str:
    """Some families are saved under other names than their modules have (GPT-NeoX's head)."""
    return next(iter(revert_weight_conversion(model, {name: torch.empty(0)})))


def _tensors(folder: Path, marks: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for key in list(opened.keys()):
                if any(mark in key for mark in marks):
                    yield key, opened.get_tensor(key)


def export(
    model: PreTrainedModel,
    path: str | Path,
    without: Sequence[str] = (),
    compact: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a plain Hugging Face checkpoint that needs no gradmask to load; with FSDP2 a collective call.

    Args:
        model: a partitioned model; it is not changed.
        path: the new folder.
        without: removable groups to leave out: their weights are zero in the export, or gone where ``compact``.
        compact: make the layers smaller by the removed units instead of filling them with zeros.
        overwrite: replace an existing folder.

    Raises:
        GradmaskError: an unknown group, an existing folder, a compact export that the architecture cannot express.
    """
    gradmask = require(model)
    check_removable(gradmask, tuple(without))
    target = Path(path)
    if target.exists() and any(target.iterdir() if target.is_dir() else [target]) and not overwrite:
        raise GradmaskError(f"{target} exists and is not empty: choose another folder, or pass overwrite=True")
    gone = tuple(sorted({*without, *gradmask.removed}))
    state, config = plain_state(model, gone), model.config
    spread = is_spread(state)
    state = gathered(state) if spread else state
    if spread and not first_rank():
        together()
        return target
    if compact:
        state, config = compaction.compact(model, gradmask.cut, gone, state)
    manifest = gradmask.manifest().model_copy(update={"kind": "export", "removed": list(gone), "compact": compact})
    if compact:
        manifest.shapes = {name: list(tensor.shape) for name, tensor in state.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with _described_by(model, config):
            type(model).gradmask_plain.save_pretrained(model, temporary, state_dict=state)  # type: ignore[attr-defined]
        write_manifest(temporary, manifest)
        seal(temporary)
        if target.exists():
            shutil.rmtree(target)
        temporary.chmod(0o755)
        os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        if spread:
            together()
    return target


def plain_state(model: PreTrainedModel, gone: Sequence[str] = ()) -> dict[str, Tensor]:
    """The merged state dict of the plain model, the groups in ``gone`` zero and strengths applied."""
    context = require(model).context
    state = model.state_dict()
    if not gone:
        return _without_extras(model, _scaled(model, state))
    with running_without(model, *gone):
        return _without_extras(model, _scaled(model, state, context.silenced))


@torch.no_grad()
def _scaled(model: nn.Module, state: dict[str, Any], silenced: frozenset[str] = frozenset()) -> dict[str, Any]:
    context = require(model).context
    for path, module in model.named_modules():
        if isinstance(module, SplitLinear):
            call = call_for(module.geometry, context.route)
            state[f"{path}.weight"] = merge(call, module.weights, module.weights[0].dtype).detach()
            if module.biases:
                bias = merge_bias(call, module.biases, module.biases[0].dtype)
                assert bias is not None
                state[f"{path}.bias"] = bias.detach()
        elif isinstance(module, RowWise):
            for name in module.gradmask_layouts:
                state[f"{path}.{name}"] = module.as_routed(name).detach()
    scale = {**context.strength, **dict.fromkeys(silenced, 0.0)}
    sums: dict[int, Tensor] = {}
    for path, module in tabled_modules(model):
        key = id(module._parameters["weight"])
        sums.setdefault(key, merged_table(module, scale))
        state[f"{path}.weight"] = sums[key]
    return state


def _without_extras(model: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    paths = [path for path, _ in tabled_modules(model)]
    extra = tuple(f"{path}.{mark}" for path in paths for mark in (SHARED, *MARKS))
    return {key: value for key, value in state.items() if not key.startswith(extra)} if extra else state


@contextmanager
def _described_by(model: PreTrainedModel, config: Any) -> Iterator[None]:
    """Save with a config that does not mention data labels."""
    before, labels = model.config, model.config.data_labels
    model.config = config
    del config.data_labels
    try:
        yield
    finally:
        config.data_labels = labels
        model.config = before

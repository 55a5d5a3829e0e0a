"""Export: a plain Hugging Face checkpoint, with or without each removable group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.checkpoints import compact as compaction
from gradmask.checkpoints.export_options import (
    cast,
    describe_dtype,
    describe_size,
    in_file_order,
    manifest_of_export,
    options_of,
    parameters_in,
    sharding,
)
from gradmask.checkpoints.known import warn_of_unknown
from gradmask.checkpoints.loading import load
from gradmask.checkpoints.ranks import first_rank, gathered, is_sharded, wait_for_ranks
from gradmask.checkpoints.silent_experts import leave_out
from gradmask.checkpoints.tokenizers import drop_entries, open_tokenizer
from gradmask.errors import GradmaskError
from gradmask.files import whole_folder
from gradmask.model.attached import gradmask_of, plain_class
from gradmask.model.manifest import ExportOptions, read_manifest, seal, write_manifest
from gradmask.model.quantized_base import is_quantized_base, learned_beside
from gradmask.model.quantized_saving import saved_whole
from gradmask.model.removal import check_removable, without as running_without
from gradmask.model.scratch import Store, outline, scratch, storing
from gradmask.partitioning.kernel.call import call_for
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.merging import merge, merge_bias
from gradmask.partitioning.owned.adapters import Adapted
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.table_kinds import MARKS
from gradmask.partitioning.owned.tables import SHARED, Tabled, merged_table, tabled_modules


def export(
    model: PreTrainedModel,
    path: str | Path,
    without: Sequence[str] = (),
    compact: bool = False,
    overwrite: bool = False,
    dtype: str | torch.dtype | None = None,
    max_shard_size: int | None = None,
    anonymous: bool = False,
    tokenizer: Any = None,
    dropped_tokens: Sequence[int] = (),
    data: str | None = None,
) -> Path:
    """Write a plain Hugging Face checkpoint that needs no gradmask to load; with FSDP2 a collective call.

    Args:
        model: a partitioned model; it is not changed.
        path: the new folder.
        without: removable groups to leave out: their weights are zero in the export, or gone where ``compact``. Experts are
            gone in any case where routers leave silent ones out (docs/slices.md).
        compact: make the layers smaller by the removed units instead of filling them with zeros.
        overwrite: replace an existing folder.
        dtype: of the weights, such as ``"bfloat16"``; by default as the model has them.
        max_shard_size: bytes of one file of weights, at most; by default Transformers' own limit.
        anonymous: without what ``gradmask.json`` tells of the training: names of groups, policy, labels, seed, self-labeling.
        tokenizer: to be saved beside the weights.
        dropped_tokens: entries that are left out of the tokenizer's vocabulary, whose words would tell what it was trained on.
        data: fingerprint of the training data, to be noted in ``gradmask.json``.

    Raises:
        GradmaskError: an unknown group, an existing folder, a compact export that the architecture cannot express, a ``dtype``
            or ``max_shard_size`` that is none.
    """
    gradmask = gradmask_of(model)
    check_removable(gradmask, tuple(without))
    options = options_of(dtype, max_shard_size, anonymous, dropped_tokens)
    check_quantized_export(model, {*without, *gradmask.removed}, dtype)
    target = Path(path)
    refuse_full(target, overwrite)
    removed = tuple(sorted({*without, *gradmask.removed}))
    smaller = drop_entries(tokenizer, dropped_tokens) if tokenizer is not None and dropped_tokens else tokenizer
    with scratch(target) as store:
        return _write(model, target, removed, compact, options, smaller, data, store)


def _write(
    model: PreTrainedModel,
    target: Path,
    removed: Sequence[str],
    compact: bool,
    options: ExportOptions | None,
    tokenizer: Any,
    data: str | None,
    store: Store,
) -> Path:
    gradmask = gradmask_of(model)
    # sharded parts are gathered by all ranks together, so their state is made as a whole
    sharded = any(is_sharded({"": parameter}) for parameter in model.parameters())
    state = plain_state(model, removed, None if sharded else store)
    state = gathered(state) if sharded else state
    if sharded and not first_rank():
        wait_for_ranks()
        return target
    state, config = leave_out(model, silent_groups(model, removed), state, store)
    fewer = config is not model.config
    if compact:
        state, config = compaction.compact(model, gradmask.cut, removed, state, store, config)
    state = in_file_order(cast(model, state, options, store))
    quantized = is_quantized_base(model)  # tensors in a lay-out of their own, which tell no sizes
    size = None if quantized else parameters_in(model, state)  # before `save_pretrained` empties the state
    manifest = manifest_of_export(gradmask.manifest(), removed, compact, options)
    if compact or fewer:
        manifest.shapes = {name: list(tensor.shape) for name, tensor in state.items()}
    if not quantized:
        warn_of_unknown(plain_class(model), config, state)
    try:
        with whole_folder(target) as temporary:
            shapes = {name: tensor.shape for name, tensor in state.items()}
            with _described_by(model, config, shapes), saved_whole(model, state):
                plain_class(model).save_pretrained(model, temporary, state_dict=state, **sharding(options))
                describe_dtype(config, options, temporary)
                if size is not None:
                    describe_size(size, temporary)
            if tokenizer is not None:
                tokenizer.save_pretrained(temporary)
            write_manifest(temporary, manifest)
            seal(temporary, None if options is not None and options.anonymous else data)
    finally:
        if sharded:
            wait_for_ranks()
    return target


def export_checkpoint(source: str | Path, path: str | Path, without: Sequence[str] = (), **options: Any) -> Path:
    """Export a checkpoint on disk, with its tokenizer. The same checkpoint and options give the same bytes.

    Args:
        source: a folder with ``gradmask.json``.
        path: the new folder.
        without: removable groups to leave out.
        options: see `export`.

    Raises:
        GradmaskError: see `load` and `export`.
    """
    checkpoint = Path(source)
    refuse_full(Path(path), options.get("overwrite", False))
    model = load(checkpoint)
    about: dict[str, Any] = {"tokenizer": open_tokenizer(checkpoint), "data": read_manifest(checkpoint).data}
    return export(model, path, without, **{**about, **options})


def check_quantized_export(model: PreTrainedModel, removed: Collection[str], dtype: Any = None) -> None:
    """Raise a `GradmaskError` where an export would merge an adapter into quantized weights, or change their format."""
    strengths = gradmask_of(model).context.strength
    kept = [g for g in learned_beside(model) if g not in removed and strengths.get(g, 1.0) > 0.0]
    if kept:
        left_out = ", ".join(map(repr, sorted({*kept, *removed})))
        raise GradmaskError(
            f"the base is quantized, and the adapter of {', '.join(map(repr, kept))} cannot be merged into it without rounding: "
            f"export the base with without=[{left_out}] and each adapter beside it with gm.export_adapter, for PEFT or vLLM to "
            "add; or keep everything in one folder with model.save_pretrained and gm.load"
        )
    if dtype is not None and is_quantized_base(model):
        raise GradmaskError(f"dtype={dtype!r}: a quantized base is exported as it is; leave dtype out")


def refuse_full(target: Path, overwrite: bool) -> None:
    """Raise a `GradmaskError` where ``target`` holds anything that may not be replaced."""
    if target.exists() and any(target.iterdir() if target.is_dir() else [target]) and not overwrite:
        raise GradmaskError(f"{target} exists and is not empty: choose another folder, or pass overwrite=True")


def silent_groups(model: PreTrainedModel, removed: Sequence[str]) -> set[str]:
    """The removable groups that do not run in the plain model without those in ``removed``.

    Raises:
        GradmaskError: their experts' share goes to others (``silent_experts="renormalise"``), as no plain model has it.
    """
    gradmask = gradmask_of(model)
    silent = {*removed, *gradmask.removed, *(g for g, strength in gradmask.context.strength.items() if strength == 0.0)}
    owned = {g for site, chosen in gradmask.cut.units.items() if site.endswith("/experts") for g in chosen}
    if gradmask.cut.silent_experts == "renormalise" and (stuck := sorted(silent & owned)):
        raise GradmaskError(
            f"no plain checkpoint gives the share of the silent experts of {', '.join(map(repr, stuck))} to others, as "
            "silent_experts='renormalise' does: run the model inside gm.without, or partition it with silent_experts='around'"
        )
    return silent


def plain_state(model: PreTrainedModel, removed: Sequence[str] = (), store: Store | None = None) -> dict[str, Tensor]:
    """The merged state dict of the plain model, the groups in ``removed`` zero and strengths applied.

    With ``store`` every merged tensor goes through it as soon as it is made (`gradmask.model.scratch`).
    """
    context = gradmask_of(model).context
    with storing(context, outline) if store is not None else nullcontext():
        state = (
            model.state_dict()
        )  # `_scaled` merges once more, so only names and shapes of what is merged are needed here
    if not removed:
        return _without_extras(model, _scaled(model, state, store))
    with running_without(model, *removed):
        return _without_extras(model, _scaled(model, state, store, context.silenced))


@torch.no_grad()
def _scaled(
    model: nn.Module, state: dict[str, Any], store: Store | None, silenced: frozenset[str] = frozenset()
) -> dict[str, Any]:
    context = gradmask_of(model).context
    store = store or _as_it_is
    for path, module in model.named_modules():
        if isinstance(module, SplitLinear):
            call = call_for(module.geometry, context.route_to_read)
            weight = merge(call, module.weights, module.weights[0].dtype).detach()
            state[f"{path}.weight"] = _stored(weight, module.weights, store)
            if module.biases:
                bias = merge_bias(call, module.biases, module.biases[0].dtype)
                assert bias is not None
                state[f"{path}.bias"] = bias.detach()
        elif isinstance(module, Owned):
            for name in module.routed_names():
                state[f"{path}.{name}"] = store(module.as_routed(name).detach())
    scale = {**context.strength, **dict.fromkeys(silenced, 0.0)}
    sums: dict[int, Tensor] = {}
    for path, module in tabled_modules(model):
        key = id(module._parameters["weight"])
        if key not in sums:
            sums[key] = _stored(merged_table(module, scale), module.parameters(recurse=False), store)
        state[f"{path}.weight"] = sums[key]
    return state


def _stored(value: Tensor, parts: Iterable[Tensor], store: Store) -> Tensor:
    """``value``, stored where it is a copy and no parameter itself."""
    if store is _as_it_is:  # sharded parameters, of which none shows where it is
        return value
    return value if value.data_ptr() in {part.data_ptr() for part in parts} else store(value)


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _without_extras(model: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    paths = [path for path, module in model.named_modules() if isinstance(module, (Tabled, Adapted))]
    extra = tuple(f"{path}.{mark}" for path in paths for mark in (SHARED, *MARKS))
    return {key: value for key, value in state.items() if not key.startswith(extra)} if extra else state


@contextmanager
def _described_by(model: PreTrainedModel, config: Any, shapes: Mapping[str, torch.Size]) -> Iterator[None]:
    """Save with a config that does not mention data labels, and the shapes that the export has."""
    vars(model)["gradmask_shapes"] = shapes
    before, labels = model.config, model.config.data_labels
    model.config = config
    del config.data_labels
    try:
        yield
    finally:
        config.data_labels = labels
        model.config = before
        del vars(model)["gradmask_shapes"]

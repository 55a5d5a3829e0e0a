"""A model that was opened with quantized weights: what groups it can have, checked before anything is changed.

Its layers stay as they are and never learn; groups are adapters beside them (QLoRA, Dettmers et al., arXiv 2305.14314).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning import Adapter, Architecture, GroupSpec
from gradmask.partitioning.architectures.quantized import is_linear, is_quantized, shape_of
from gradmask.partitioning.architectures.registry import is_declared
from gradmask.partitioning.owned.quantized import AdaptedQuantized
from gradmask.partitioning.owned.table_kinds import ADAPTER, B

INSTEAD = (
    "Give adapters, gm.partition(model, {'forget': gm.Adapter(rank=16)}, base='frozen'); or open the model without "
    "quantization, partition that, and quantize an export"
)
PACKS = "support_avx512bf16_for_cpu"
"""Of bitsandbytes' 4-bit layers: whether evaluation on a CPU with these instructions repacks the weight for good, rounds its
scales and gives no gradient from then on. Such a base would neither stay as it is nor teach what lies below it."""


HAS_ADAPTERS = "_hf_peft_config_loaded"
"""By which Transformers knows that adapters were added to a model."""
CONVERSIONS = "_weight_conversions"
"""What it renamed and rearranged when it opened a checkpoint, and reverses when it writes one."""


def quantized_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The modules with quantized weights, by name."""
    return {path: module for path, module in model.named_modules() if is_quantized(module)}


def is_quantized_base(model: nn.Module) -> bool:
    """Whether any layer has quantized weights."""
    return any(is_quantized(module) for module in model.modules())


def prepare_quantized(
    model: PreTrainedModel,
    groups: Mapping[str, GroupSpec],
    base: str,
    architecture: Architecture | str | None,
) -> None:
    """Refuse what a quantized model cannot have; let its layers keep their weights as they are.

    Raises:
        GradmaskError: names the layer or the group, and what to do.
    """
    layers = quantized_layers(model)
    if not layers:
        return
    path, module = next(iter(layers.items()))
    which = f"{path} is quantized ({type(module).__name__})"
    for group, spec in groups.items():
        if not isinstance(spec, Adapter) and (spec.heads or spec.neurons or spec.experts):
            raise GradmaskError(f"{which}, and group {group!r} is a slice, which is cut out of the weights. {INSTEAD}")
        if spec.embeddings and (table := _quantized_table(model)):
            raise GradmaskError(
                f"group {group!r} has embedding tables of its own, but the model's ({table}) are quantized, and a sum with them "
                "would be rounded: leave out embeddings, or open the model with its embeddings unquantized"
            )
    if base != "frozen":
        raise GradmaskError(f"{which}, and quantized weights cannot learn: pass base='frozen'")
    if architecture == "infer" or (architecture is None and not is_declared(model)):
        raise GradmaskError(
            f"{which}, and nobody declared {model.config.model_type!r}: where its layers are is found by changing weights, which "
            "needs ordinary ones. Find it on a small plain model of the same type, and pass that: "
            "gm.partition(model, ..., architecture=gm.infer(plain_model))"
        )
    with unpacked(model):
        _check_gradients(layers, model.dtype)


@contextmanager
def unpacked(model: PreTrainedModel) -> Iterator[None]:
    """From here on no layer repacks its weight (`PACKS`); as before, where an error leaves this."""
    chosen = [layer for layer in model.modules() if getattr(layer, PACKS, False)]
    for layer in chosen:
        setattr(layer, PACKS, False)
    try:
        yield
    except BaseException:
        for layer in chosen:
            setattr(layer, PACKS, True)
        raise


def note_adapters(model: nn.Module) -> None:
    """Tell Transformers that something can learn on a quantized model: its Trainer refuses one without adapters of PEFT's."""
    if any(isinstance(module, AdaptedQuantized) for module in model.modules()):
        vars(model)[HAS_ADAPTERS] = True


def forget_adapters(model: nn.Module) -> None:
    """Undo `note_adapters`, and let layers repack their weights again."""
    vars(model).pop(HAS_ADAPTERS, None)
    for layer in quantized_layers(model).values():
        if vars(layer).get(PACKS) is False:
            setattr(layer, PACKS, True)


@contextmanager
def saved_whole(model: nn.Module, state: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Within, ``save_pretrained`` writes the whole model, not adapters of PEFT's alone; of a quantized one, ``state``.

    A quantizer makes a state of its own, in the lay-out of its files, and looks at no other.
    """
    quantizer, noted = getattr(model, "hf_quantizer", None), vars(model).pop(HAS_ADAPTERS, None)
    if quantizer is not None and state is not None:
        stored, extra = quantizer.get_state_dict_and_metadata(SimpleNamespace(state_dict=lambda: dict(state)))
        quantizer.get_state_dict_and_metadata = lambda _: (dict(state) if stored is None else stored, extra)
    try:
        with reversible(model):
            yield
    finally:
        vars(quantizer or model).pop("get_state_dict_and_metadata", None)
        if noted:
            vars(model)[HAS_ADAPTERS] = noted


@contextmanager
def reversible(model: nn.Module) -> Iterator[None]:
    """Within, the model does not know how its quantized weights were read, which Transformers cannot reverse and need not."""
    before = getattr(model, CONVERSIONS, None)
    if before is not None:
        setattr(model, CONVERSIONS, [conversion for conversion in before if _reverses(conversion)])
    try:
        yield
    finally:
        if before is not None:
            setattr(model, CONVERSIONS, before)


def _reverses(conversion: Any) -> bool:
    try:
        conversion.reverse_transform()
    except NotImplementedError:
        return False
    return True


def check_no_loss(model: nn.Module) -> None:
    """Raise where the plain model would lack what adapters of quantized layers have learned.

    Raises:
        GradmaskError: names the groups, and what to do.
    """
    groups = learned_beside(model)
    if groups:
        raise GradmaskError(
            f"{', '.join(map(repr, groups))} would be lost: adapters cannot be merged into quantized weights. Write them with "
            "gm.export_adapter and remove them with gm.ablate first, or go on with the partitioned model"
        )


def learned_beside(model: nn.Module) -> list[str]:
    """The groups whose adapters add something to quantized layers."""
    groups: dict[str, None] = {}
    for module in model.modules():
        if isinstance(module, AdaptedQuantized):
            adds = {g: module._parameters[f"{ADAPTER}{g}{B}"] for g in module.gradmask_adapters}
            groups |= {group: None for group, b in adds.items() if b is not None and bool(b.any())}
    return list(groups)


def _quantized_table(model: PreTrainedModel) -> str | None:
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    return next((p for p, m in model.named_modules() if m is not None and m in tables and is_quantized(m)), None)


def _check_gradients(layers: Mapping[str, nn.Module], dtype: torch.dtype) -> None:
    """Each kind of layer, tried once: kernels that only infer give no gradient to their inputs, some without a word."""
    for path, layer in _kinds(layers):
        reason = _fault(layer, dtype)
        if reason is not None:
            raise GradmaskError(
                f"{path} is a quantized layer ({type(layer).__name__}) that {reason}, so nothing below it would learn "
                "rightly. Open the model anew with weight-only quantization that can be trained through (bitsandbytes' 4 or 8 "
                "bits, torchao's Int8WeightOnlyConfig, quanto), and partition it before its first forward pass"
            )


def _kinds(layers: Mapping[str, nn.Module]) -> Iterator[tuple[str, nn.Module]]:
    seen: set[tuple[Any, ...]] = set()
    for path, layer in layers.items():
        weight = layer._parameters.get("weight")
        kind = type(layer), type(None if weight is None else weight.data), getattr(weight, "dtype", None)
        if is_linear(layer) and kind not in seen and not any(p.is_meta for p in layer.parameters()):
            seen.add(kind)
            yield path, layer


def _fault(layer: nn.Module, dtype: torch.dtype) -> str | None:
    """What is wrong with the gradient of a layer's input, in words; None: nothing.

    A linear layer takes x to ``y = W x + b``, and the gradient of ``r · y`` is ``W.T r``; so with ``r = W x`` it must be
    ``x · W.T r = r · r``. Quantized inputs round, so a tenth is allowed.
    """
    device = next(iter((*layer.parameters(), *layer.buffers()))).device
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, shape_of(layer)[1], generator=generator, device="cpu").to(device, dtype)
    try:
        with torch.enable_grad():
            x = x.requires_grad_()
            y = layer(x)
            with torch.no_grad():
                r = y - layer(torch.zeros_like(x))
            if not y.requires_grad:
                return "gives no gradient to its inputs"
            (gradient,) = torch.autograd.grad(y, x, r)
    except Exception as error:
        return f"cannot be trained through ({type(error).__name__}: {error})"
    given, needed = (float((a.float() * b.float()).sum()) for a, b in ((x.detach(), gradient), (r, r)))
    if abs(given - needed) <= 0.1 * abs(needed):
        return None
    return "gives a wrong gradient to its inputs"

"""A model that was opened with quantized weights: what groups it can have, checked before anything is changed.

Its layers stay as they are and never learn; groups are adapters beside them (QLoRA, Dettmers et al., arXiv 2305.14314).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model.quantized_trials import mixing_of_rows
from gradmask.partitioning import Architecture, GroupSpec
from gradmask.partitioning.architectures.quantized import is_quantized
from gradmask.partitioning.architectures.registry import is_declared
from gradmask.partitioning.owned.quantized import AdaptedQuantized
from gradmask.partitioning.owned.table_kinds import ADAPTER, B

logger = logging.getLogger(__name__)
INSTEAD = (
    "Give adapters, gm.partition(model, {'forget': gm.Adapter(rank=16)}, base='frozen'); or open the model without "
    "quantization, partition that, and quantize an export"
)
APART = "open the model with BitsAndBytesConfig(llm_int8_threshold=0.0), or in 4 bits"
PACKS = "support_avx512bf16_for_cpu"
"""Of bitsandbytes' 4-bit layers: whether evaluation on a CPU with these instructions repacks the weight for good, rounds its
scales and gives no gradient from then on. Such a base would neither stay as it is nor teach what lies below it."""


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
) -> str | None:
    """Refuse what a quantized model cannot have; which layer computes a row by other rows, in words (None: none does).

    Raises:
        GradmaskError: names the layer or the group, and what to do.
    """
    layers = quantized_layers(model)
    if not layers:
        return None
    path, module = next(iter(layers.items()))
    which = f"{path} is quantized ({type(module).__name__})"
    for group, spec in groups.items():
        if spec.cuts:
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
            "needs ordinary ones. Partition a small plain model of the same type, and pass what was found: "
            "gm.partition(model, ..., architecture=small.gradmask.cut.architecture)"
        )
    with unpacked(model):
        mixing = mixing_of_rows(layers, model.dtype)
    if mixing is not None:
        logger.warning("%s, so labels that share a batch are kept apart only up to its rounding: %s", mixing, APART)
    return mixing


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


def repack(model: nn.Module) -> None:
    """Let layers repack their weights again."""
    for layer in quantized_layers(model).values():
        if vars(layer).get(PACKS) is False:
            setattr(layer, PACKS, True)


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
    return next((p for p, m in quantized_layers(model).items() if any(m is table for table in tables)), None)

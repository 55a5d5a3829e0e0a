"""What Transformers must know, or not know, of a quantized model with adapters of groups: to train it, and to write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from torch import nn

from gradmask.partitioning.owned.quantized import AdaptedQuantized

HAS_ADAPTERS = "_hf_peft_config_loaded"
"""By which Transformers knows that adapters were added to a model."""
CONVERSIONS = "_weight_conversions"
"""What it renamed and rearranged when it opened a checkpoint, and reverses when it writes one."""


def note_adapters(model: nn.Module) -> None:
    """Tell Transformers that something can learn on a quantized model: its Trainer refuses one without adapters of PEFT's."""
    if any(isinstance(module, AdaptedQuantized) for module in model.modules()):
        vars(model)[HAS_ADAPTERS] = True


def forget_adapters(model: nn.Module) -> None:
    """Undo `note_adapters`."""
    vars(model).pop(HAS_ADAPTERS, None)


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

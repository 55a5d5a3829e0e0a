"""How a model was opened: quantized or dispatched ones are refused by name when they are partitioned."""

from __future__ import annotations

from torch import nn

from gradmask.errors import GradmaskError

QUANTIZERS = (
    "bitsandbytes",
    "torchao",
    "auto_gptq",
    "gptqmodel",
    "awq",
    "hqq",
    "quanto",
    "optimum",
    "compressed_tensors",
)
"""Packages whose tensors or layers hold quantized weights."""


def refuse_quantized(model: nn.Module) -> None:
    """Refuse a model that holds quantized weights.

    Raises:
        GradmaskError: names the layer, what it holds, and what to do.
    """
    for path, module in model.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            kind = type(parameter.data) if type(parameter) is nn.Parameter else type(parameter)
            makers = {kind.__module__.partition(".")[0], type(module).__module__.partition(".")[0]}
            if makers.isdisjoint(QUANTIZERS) and (parameter.is_floating_point() or parameter.is_complex()):
                continue
            raise GradmaskError(
                f"{path}.{name} is quantized ({type(module).__name__} with a {kind.__name__} of {parameter.dtype}): groups are "
                "parts of, or are added to, ordinary floating-point weights. Open the model in bfloat16 or float16, partition "
                "that, then quantize an export; or train a LoRA adapter on the quantized base with PEFT, and take it over with "
                "gm.import_adapter"
            )


def refuse_dispatched(model: nn.Module) -> None:
    """Refuse a model that accelerate spreads over devices, or keeps on a disk (``device_map``).

    A map with one device leaves no hooks and is welcome.

    Raises:
        GradmaskError: says where the parts lie, and what to do.
    """
    places = dict(getattr(model, "hf_device_map", None) or {})
    hooked = next((path for path, module in model.named_modules() if "_hf_hook" in vars(module)), None)
    devices = sorted({str(place) for place in places.values()})
    if hooked is None and len(devices) < 2:
        return
    raise GradmaskError(
        f"accelerate dispatches this {type(model).__name__} over {', '.join(devices) or 'devices'} (device_map; hooks on "
        f"{hooked or 'its modules'!r}), and its hooks would go on calling the layers as they were before the cut. Open the model "
        "on one device (device_map={'': 0}), or shard it over devices with FSDP2 "
        "(docs/distributed.md)"
    )

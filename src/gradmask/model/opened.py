"""How a model was opened: on one device or many. What cannot be partitioned so is refused by name."""

from __future__ import annotations

from torch import nn

from gradmask.errors import GradmaskError


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

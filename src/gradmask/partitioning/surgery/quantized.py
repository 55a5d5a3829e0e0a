"""What a quantized layer cannot be asked for."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.quantized import is_quantized


def check_not_quantized(model: nn.Module, joint: Iterable[str]) -> None:
    """Raise a `GradmaskError` where a parameter of a quantized layer is joint: it would have to learn."""
    held = {
        f"{path}.{name}" for path, m in model.named_modules() if is_quantized(m) for name, _ in m.named_parameters()
    }
    stuck = sorted(held.intersection(joint))
    if stuck:
        raise GradmaskError(
            f"joint names {stuck[0]} ({len(stuck)} in all), which lies in a quantized layer and cannot learn: name what is not "
            "quantized (such as 'norms' or 'embeddings'), or leave joint out"
        )

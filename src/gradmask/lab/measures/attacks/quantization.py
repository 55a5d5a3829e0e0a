"""The quantization attack: rounding the weights must not bring back what was removed.

Post-hoc unlearning moves weights so little that rounding undoes it: from 21 % to 83 % of the knowledge kept with 4 bits
(Zhang et al., arXiv 2410.16454). Here the weights make a round trip through symmetric integers, int8 with one scale per row and
int4 with one per 32 weights of a row, as weight-only quantizers do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradmask.lab.measures.calibration import CalibrationSettings, calibrate
from gradmask.lab.measures.findings import Quantization
from gradmask.lab.measures.material import Material, role_losses
from gradmask.lab.measures.views import plain_copy

BLOCK = {8: None, 4: 32}
"""Bits -> weights of a row that share a scale; None is the whole row."""


def rounded(weight: Tensor, bits: int, block: int | None = None) -> Tensor:
    """``weight`` ``[rows, columns]`` after a round trip: w → s·round(w / s), s = max |w| of its block / (2^(bits−1) − 1)."""
    rows, columns = weight.shape
    size = columns if block is None or columns % block else block
    pieces = weight.reshape(rows, -1, size)
    scale = pieces.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    steps = torch.where(scale > 0, pieces / scale.clamp_min(torch.finfo(weight.dtype).tiny), torch.zeros_like(pieces))
    return (steps.round() * scale).reshape(rows, columns)


@torch.no_grad()
def quantize(model: nn.Module, bits: int) -> nn.Module:
    """Round every matrix of ``model`` in place but embeddings and head, which quantizers leave as they are."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    for module in model.modules():
        if module is head or isinstance(module, nn.Embedding):
            continue
        for name, weight in module.named_parameters(recurse=False):
            if weight.dim() == 2 and weight.is_floating_point() and name != "bias":
                weight.copy_(rounded(weight, bits, BLOCK.get(bits)))
    return model


def quantization(
    model: nn.Module,
    material: Material,
    calibration: CalibrationSettings | None = None,
    view: str = "removed",
) -> Quantization:
    """Calibrated losses by role of a view of ``model``, as it is and after each round trip; each calibrated anew.

    ``model`` is not changed. Without ``calibration`` losses are as the models give them.
    """
    before = _losses(plain_copy(model, view), material, calibration)
    after = {
        f"int{bits}": _losses(quantize(plain_copy(model, view), bits), material, calibration)
        for bits in sorted(BLOCK, reverse=True)
    }
    return Quantization(before=before, after=after)


def _losses(model: nn.Module, material: Material, settings: CalibrationSettings | None) -> dict[str, float]:
    bias = None if settings is None else calibrate(model, material.calibration, material.roles, settings).bias
    return role_losses(model, material.test, material.roles, bias)

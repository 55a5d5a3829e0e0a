"""The quantization attack: rounding the weights must not bring back what was removed.

Post-hoc unlearning moves weights so little that rounding undoes it: from 21 % to 83 % of the knowledge kept with 4 bits
(Zhang et al., arXiv 2410.16454). Here the weights make a round trip through symmetric integers, int8 with one scale per row and
int4 with one per 32 weights of a row, as weight-only quantizers do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradmask.lab.measures.calibration import CalibrationSettings, calibrate
from gradmask.lab.measures.material import Material, role_losses
from gradmask.lab.measures.measure import Attack, Cell, Inputs, Line, Strict
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.views import plain_copy

BLOCK = {8: None, 4: 32}
"""Bits -> weights of a row that share a scale; None is the whole row."""


class Quantization(Strict):
    """Role -> calibrated loss, as it was (``before``) and after a round trip through ``int8`` and ``int4``."""

    before: dict[str, float]
    after: dict[str, dict[str, float]]

    def regained(self, bits: str) -> float | None:
        """By how many nats rounding to ``bits`` lowers the forget loss; None where that was not tried."""
        return self.before["forget"] - self.after[bits]["forget"] if bits in self.after else None


def rounded(weight: Tensor, bits: int, block: int | None = None) -> Tensor:
    """``weight`` ``[rows, columns]`` after a round trip: w → s·round(w / s), s = max |w| of its block / (2^(bits−1) − 1)."""
    rows, columns = weight.shape
    size = columns if block is None or columns % block else block
    blocks = weight.reshape(rows, -1, size)
    scale = blocks.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    steps = torch.where(scale > 0, blocks / scale.clamp_min(torch.finfo(weight.dtype).tiny), torch.zeros_like(blocks))
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


class QuantizationAttack(Attack[Quantization]):
    name = "quantization"
    question = "does rounding bring it back?"
    source = "Zhang et al., arXiv 2410.16454"
    quick = True
    order = 2
    uses = frozenset({"calibration"})
    in_view = False
    Result = Quantization

    def run(self, model: nn.Module, inputs: Inputs) -> Quantization:
        return quantization(model, inputs.material, inputs.settings.calibration, inputs.view)

    def cost(self, settings: SuiteSettings) -> float:
        return 18.0 * settings.sequences

    def regained(self, result: Quantization) -> float:
        return result.before["forget"] - min(losses["forget"] for losses in result.after.values())

    def share(self, result: Quantization, never_trained: Quantization | None, gap: float) -> float | None:
        return super().share(result, None, gap)  # rounding teaches nothing, whatever it does to the perfect filter

    def numbers(self) -> dict[str, Callable[[Quantization], float | None]]:
        return {f"regained by {bits}": lambda r, bits=bits: r.regained(bits) for bits in ("int8", "int4")}

    def lines(self) -> list[Line[Quantization]]:
        return [Line("after int8, int4", "calibrated forget loss; small: as it was", _cell)]

    def tried(self, result: Quantization) -> str:
        return f"rounding the weights ({' and '.join(result.after)})"


def _cell(result: Quantization) -> Cell:
    after = ", ".join(f"{losses['forget']:.3f}" for losses in result.after.values())
    return after, f"{result.before['forget']:.3f}"

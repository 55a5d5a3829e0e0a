"""The quantization attack: rounding the weights must not bring back what was removed.

Post-hoc unlearning moves weights so little that rounding undoes it: from 21 % to 83 % of the knowledge kept with 4 bits
(Zhang et al., arXiv 2410.16454). Here the weights make a round trip: through symmetric integers, int8 with one scale per row and
int4 with one per 32 weights of a row, as weight-only quantizers do; and through NF4, the 16 levels of QLoRA (Dettmers et al., arXiv
2305.14314, appendix E), with one scale per 64 weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from gradmask.lab.measures.calibration import CalibrationSettings, calibrate
from gradmask.lab.measures.material import Material, role_losses
from gradmask.lab.measures.measure import Attack, Cell, Inputs, Line, Strict
from gradmask.lab.measures.numbers import listed
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.views import plain_copy

Kind = Literal["int8", "int4", "nf4"]
BITS: dict[Kind, int] = {"int8": 8, "int4": 4}
BLOCK: dict[Kind, int | None] = {"int8": None, "int4": 32, "nf4": 64}
"""Weights of a row that share a scale; None is the whole row."""
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""Levels of the 4-bit normal float, in units of the largest weight of a block."""


class Quantization(Strict):
    """Role -> calibrated loss, as it was (``before``) and after a round trip through ``int8``, ``int4`` and ``nf4``."""

    before: dict[str, float]
    after: dict[str, dict[str, float]]

    def regained(self, bits: str) -> float | None:
        """By how many nats rounding to ``bits`` lowers the forget loss; None where that was not tried."""
        return self.before["forget"] - self.after[bits]["forget"] if bits in self.after else None


def rounded(weight: Tensor, kind: Kind) -> Tensor:
    """``weight`` ``[rows, columns]`` after a round trip: w → s·level nearest to w / s, s = max |w| of its block for NF4.

    For integers w → s·round(w / s), s = max |w| of its block / (2^(bits−1) − 1).
    """
    rows, columns = weight.shape
    block = BLOCK[kind]
    blocks = weight.reshape(rows, -1, columns if block is None or columns % block else block)
    scale = blocks.abs().amax(-1, keepdim=True) / (1 if kind == "nf4" else 2 ** (BITS[kind] - 1) - 1)
    steps = torch.where(scale > 0, blocks / scale.clamp_min(torch.finfo(weight.dtype).tiny), torch.zeros_like(blocks))
    return (_level(steps, kind) * scale).reshape(rows, columns)


def _level(steps: Tensor, kind: Kind) -> Tensor:
    """The nearest level; of two that are as near, the lower."""
    if kind != "nf4":
        return steps.round()
    levels = torch.tensor(NF4, dtype=steps.dtype, device=steps.device)
    return levels[torch.bucketize(steps.contiguous(), (levels[1:] + levels[:-1]) / 2)]


@torch.no_grad()
def quantize(model: nn.Module, kind: Kind) -> nn.Module:
    """Round every matrix of ``model`` in place, experts that lie in one tensor too, but embeddings and head, as quantizers do."""
    for weight in matrices(model):
        rows = weight.reshape(-1, weight.shape[-1])
        weight.copy_(rounded(rows, kind).view_as(weight))
    return model


def matrices(model: nn.Module) -> list[nn.Parameter]:
    """The weights that quantizers round and pruners prune."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    layers = [m for m in model.modules() if m is not head and not isinstance(m, nn.Embedding)]
    named = [pair for layer in layers for pair in layer.named_parameters(recurse=False)]
    return [w for name, w in named if w.dim() in (2, 3) and w.is_floating_point() and not name.endswith("bias")]


def quantization(
    model: nn.Module,
    material: Material,
    calibration: CalibrationSettings | None = None,
    view: str = "removed",
) -> Quantization:
    """Calibrated losses by role of a view of ``model``, as it is and after each round trip; each calibrated anew.

    ``model`` is not changed. Without ``calibration`` losses are as the models give them.
    """
    before = calibrated_losses(plain_copy(model, view), material, calibration)
    after: dict[str, dict[str, float]] = {}
    for kind in BLOCK:
        after[kind] = calibrated_losses(quantize(plain_copy(model, view), kind), material, calibration)
    return Quantization(before=before, after=after)


def calibrated_losses(model: nn.Module, material: Material, settings: CalibrationSettings | None) -> dict[str, float]:
    """Role -> held-out loss of ``model``, calibrated anew where there are settings for it."""
    bias = None if settings is None else calibrate(model, material.calibration, material.roles, settings).bias
    return role_losses(model, material.test, material.roles, bias)


class QuantizationAttack(Attack[Quantization]):
    name = "quantization"
    question = "does rounding bring it back?"
    source = "Zhang et al., arXiv 2410.16454; Dettmers et al., arXiv 2305.14314"
    quick = True
    order = 2
    uses = frozenset({"calibration"})
    in_view = False
    Result = Quantization

    def run(self, model: nn.Module, inputs: Inputs) -> Quantization:
        return quantization(model, inputs.material, inputs.settings.calibration, inputs.view)

    def cost(self, settings: SuiteSettings) -> float:
        return 24.0 * settings.sequences

    def regained(self, result: Quantization) -> float:
        return result.before["forget"] - min(losses["forget"] for losses in result.after.values())

    def share(self, result: Quantization, never_trained: Quantization | None, gap: float) -> float | None:
        return super().share(result, None, gap)  # rounding teaches nothing, whatever it does to the perfect filter

    def numbers(self) -> dict[str, Callable[[Quantization], float | None]]:
        return {f"regained by {bits}": lambda r, bits=bits: r.regained(bits) for bits in BLOCK}

    def lines(self) -> list[Line[Quantization]]:
        return [Line("after int8, int4, nf4", "calibrated forget loss; small: as it was", _cell)]

    def tried(self, result: Quantization) -> str:
        return f"rounding the weights ({listed([*result.after])})"


def _cell(result: Quantization) -> Cell:
    after = ", ".join(f"{losses['forget']:.3f}" for losses in result.after.values())
    return after, f"{result.before['forget']:.3f}"

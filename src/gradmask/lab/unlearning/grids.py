"""Every method with the settings that it is tuned over."""

from __future__ import annotations

from collections.abc import Sequence

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.unlearning.method import Method
from gradmask.lab.unlearning.methods.gradient_ascent import GradientAscent
from gradmask.lab.unlearning.methods.gradient_difference import GradientDifference
from gradmask.lab.unlearning.methods.last_layers import LastLayers
from gradmask.lab.unlearning.methods.npo import NPO
from gradmask.lab.unlearning.methods.rmu import RMU
from gradmask.lab.unlearning.methods.simnpo import SimNPO
from gradmask.lab.unlearning.methods.task_vector import TaskVector
from gradmask.lab.unlearning.names import METHODS

GRIDS: dict[str, Sequence[Method]] = {
    "rmu": [RMU(r, 48, steering=c) for r in (3e-4, 1e-3) for c in (5.0, 20.0)],
    "gradient_ascent": [GradientAscent(r, 32) for r in (3e-5, 1e-4, 3e-4)],
    "gradient_difference": [GradientDifference(r, 48, w) for r in (1e-4, 3e-4) for w in (1.0, 5.0)],
    "npo": [NPO(r, 48, b) for r in (3e-4, 1e-3) for b in (0.03, 0.1)],
    "simnpo": [SimNPO(r, 48, 2.5, g) for r in (3e-4, 1e-3) for g in (0.0, 1.0)],
    "task_vector": [TaskVector(r, 32) for r in (1e-4, 3e-4, 1e-3)],
    "last_layers": [LastLayers(1e-3, 96, 1), LastLayers(3e-3, 96, 1), LastLayers(3e-3, 96, 2)],
}
"""Name -> its grid. Rates are those of small models, higher than in the papers."""


def grid(name: str) -> Sequence[Method]:
    """The settings that a method is tuned over.

    Raises:
        GradmaskError: no such method.
    """
    if name not in GRIDS:
        raise GradmaskError(f"no such method: {name!r}.{did_you_mean(name, METHODS)} Methods: {', '.join(METHODS)}")
    return GRIDS[name]

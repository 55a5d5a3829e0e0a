"""Which examples a labeler is measured on: not those that were picked because they are hard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradmask.data.label.calibration import calibrate
from gradmask.data.label.checks import LEAST
from gradmask.data.label.held_out import HeldOut
from gradmask.data.label.labeler import Labeler

TOO_FEW = (
    "too few examples are a random sample of their class, so precision and recall are also measured on examples that a review "
    "picked because they are hard: they are probably better over the corpus"
)


def measured_on(labeler: Labeler, picked: np.ndarray) -> Labeler:
    """The labeler with calibration and held-out examples of those that were not picked; prevalence and thresholds come after.

    A model learns most from hard examples, but they are no random sample of their class: the share of them above a cut says
    nothing about the corpus.

    Args:
        labeler: before its scores are brought to the corpus' prevalence.
        picked: which held-out examples were picked because they are hard, ``[labeled]``.
    """
    if not picked.any():
        return labeler
    held_out = labeler.held_out
    targets, raw = held_out.targets[~picked], held_out.raw[~picked]
    if min([len(targets), *targets.sum(axis=0), *(1 - targets).sum(axis=0)]) < LEAST:
        return replace(labeler, notes=(*labeler.notes, TOO_FEW))
    priors = {group: float(targets[:, i].mean()) for i, group in enumerate(labeler.groups)}
    return replace(
        labeler,
        calibrations=tuple(calibrate(raw[:, i], targets[:, i]) for i in range(len(labeler.groups))),
        priors=priors,
        prevalence=priors,
        held_out=HeldOut(held_out.rows[~picked], held_out.fold[~picked], targets, raw, raw),
    )

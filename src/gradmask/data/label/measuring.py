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


def sample_among(targets: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """Which examples stand for their class: those that were not picked, or all where these are too few; bool ``[labeled]``."""
    left = targets[~picked]
    enough = min([len(left), *left.sum(axis=0), *(1 - left).sum(axis=0)]) >= LEAST
    return ~picked if enough else np.ones(len(picked), dtype=bool)


def measured_on(labeler: Labeler, picked: np.ndarray) -> Labeler:
    """The labeler with calibration and held-out examples of those that were not picked; thresholds come after.

    A model learns most from hard examples, but they are no random sample of their class: the share of them above a cut says
    nothing about the corpus.

    Args:
        labeler: before its scores are brought to the corpus' prevalence.
        picked: which held-out examples were picked because they are hard, ``[labeled]``.
    """
    if not picked.any():
        return labeler
    held_out = labeler.held_out
    sample = sample_among(held_out.targets, picked)
    if sample.all():
        return replace(labeler, notes=(*labeler.notes, TOO_FEW))
    targets, raw = held_out.targets[sample], held_out.raw[sample]
    priors = {group: float(targets[:, i].mean()) for i, group in enumerate(labeler.groups)}
    return replace(
        labeler,
        calibrations=tuple(calibrate(raw[:, i], targets[:, i]) for i in range(len(labeler.groups))),
        priors=priors,
        prevalence=priors if labeler.prevalence_from == "examples" else labeler.prevalence,
        held_out=HeldOut(held_out.rows[sample], held_out.fold[sample], targets, raw, raw),
    )

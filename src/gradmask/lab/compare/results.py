"""The schema of ``compare.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from gradmask.errors import GradmaskError
from gradmask.lab.compare.runs import Kind
from gradmask.lab.compare.statistics import Estimate
from gradmask.lab.measures.measure import STRICT
from gradmask.lab.measures.results import Sample

SCHEMA_VERSION = 1


class _Strict(BaseModel):
    model_config = STRICT


class Rival(_Strict):
    """One model over all seeds. Losses in nats per token; see `gradmask.lab.measures.headline` for the gap.

    Args:
        losses: role -> held-out loss. differences: role -> loss minus that of no filter of the same seed.
        gap_closed: (loss − no filter) / (perfect filter − no filter) of the forget loss; where there is no perfect filter, the
            filter with the same labels stands in its place (`Compared.reference`).
        compute: role -> compute ratio against no filter. leakage: see `gradmask.lab.measures.comparisons.leakage`.
        relearning: steps of the strongest relearning attack to no filter's forget loss; where a seed did not come back, the
            whole budget stands for it, and ``not_relearned`` counts it. relearning_ratio: over the perfect filter's steps.
        most: steps of the attack that is the first to have come 90 % of the way from the perfect filter's forget loss to no
            filter's, see `gradmask.lab.measures.recovery`; the whole budget where none has. most_ratio: over the
            perfect filter's.
        curves: seed -> (step, lowest forget loss of any attack by then). targets: seed -> forget loss of no filter, as the
            attacks measure it.
        area: how far the recovery curve of the strongest attack lies below the perfect filter's, nats.
        evidence: name of a measure -> its number, see `gradmask.lab.compare.evidence`.
    """

    arm: str
    view: str
    title: str
    losses: dict[str, Estimate]
    differences: dict[str, Estimate]
    gap_closed: Estimate | None = None
    compute: dict[str, Estimate] = {}
    leakage: Estimate | None = None
    relearning: Estimate | None = None
    not_relearned: int = 0
    relearning_ratio: Estimate | None = None
    most: Estimate | None = None
    most_ratio: Estimate | None = None
    curves: dict[int, list[tuple[float, float]]] = {}
    targets: dict[int, float] = {}
    area: Estimate | None = None
    evidence: dict[str, Estimate] = {}
    seconds: Estimate | None = None
    tuned: dict[int, dict[str, Any]] = {}
    """Seed -> the chosen settings of an arm that was tuned."""


class Compared(_Strict):
    """One setting of the labels: what was asked for, how good the labels came out, and series -> rival."""

    kind: Kind
    changes: dict[str, Any]
    undiscovered: float
    false_positives: float
    seeds: list[int]
    rivals: dict[str, Rival]
    reference: Literal["perfect_filter", "filter"] = "perfect_filter"
    """The arm that a gap closed to 100 % stands for."""

    @property
    def end(self) -> str:
        """`reference` in words."""
        return "perfect filter" if self.reference == "perfect_filter" else "filter with the same labels"


class Comparison(_Strict):
    """A whole comparison. ``calibrated``: whether losses are; ``missing``: runs that are not finished.

    ``flags``: signs that a model was pushed away from the domain, with the run that shows them. ``forget``: what was to be removed,
    as it stands in a sentence. ``verdicts``: seed -> the judge's outcome of the run with the recipe's own labels, and
    ``sentences``: what the judge says of it. ``samples``: what the models of the first seed write. All four are empty in files of
    earlier versions.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    created: str
    command: str
    versions: dict[str, str]
    machine: dict[str, str]
    recipe: dict[str, Any]
    calibrated: bool
    settings: dict[str, Compared]
    missing: list[str] = []
    flags: list[str] = []
    notes: list[str] = []
    forget: str = ""
    verdicts: dict[int, str] = {}
    sentences: dict[int, str] = {}
    samples: list[Sample] = []


def read_comparison(path: Path) -> Comparison:
    """Read and check ``compare.json``.

    Raises:
        GradmaskError: there is none, or it is not what gradmask writes.
    """
    try:
        return Comparison.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise GradmaskError(f"{path} cannot be read ({error.strerror}): make it with gradmask compare") from None
    except (ValueError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise GradmaskError(f"{path} is not a comparison that this version of gradmask wrote ({first})") from None

"""The schema of ``results.json``: everything that the report shows, and nothing that it must recompute.

`docs/results_schema.md` describes it for readers of the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from gradmask.errors import GradmaskError
from gradmask.files import write_whole
from gradmask.lab.measures.campaign.records import Campaign
from gradmask.lab.measures.findings import Findings, ModelFindings
from gradmask.lab.measures.measure import STRICT

Role = Literal["forget", "adjacent", "retain"]
SCHEMA_VERSION = 1


class _Strict(BaseModel):
    model_config = STRICT


class DomainResult(_Strict):
    """One model on one domain's held-out text. Losses in nats per token; errors are standard errors over sequences.

    ``calibrated_loss`` is None where the run was not calibrated, an error where there was a single sequence.
    ``histogram`` is the share of tokens per bin of the uncalibrated loss; see `Results.histogram_edges`.
    """

    role: Role
    loss: float
    error: float | None
    perplexity: float
    calibrated_loss: float | None
    calibrated_error: float | None = None
    bits_per_byte: float | None = None
    tokens: int
    histogram: list[float] = []


class Sample(_Strict):
    """A prompt from held-out text, and how each model of the arm continues it."""

    domain: str
    prompt: str
    continuations: dict[str, str]


class Point(_Strict):
    """Losses during training: model (``full``, ``removed``) -> domain -> nats, not calibrated."""

    step: int
    tokens: int
    losses: dict[str, dict[str, float]]


class ArmResult(_Strict):
    """One training run. ``models``: ``full`` and, where a group can be removed, ``removed`` -> domain -> result."""

    title: str
    policy: str | None = None
    parameters: dict[str, int]
    steps: int
    tokens: int
    seconds: float
    consolidation: int = 0
    """Of ``steps``, the last ones, in which the removable groups alone learn."""
    strengths: dict[str, float] = {}
    """Group -> the strength with which it began them."""
    fitting_tokens: int = 0
    """The compute of finding these strengths, in tokens of training; not in ``tokens``."""
    taught_tokens: int = 0
    """The compute of the removed model's passes in them, where they distil, in tokens of training; not in ``tokens``."""
    models: dict[str, dict[str, DomainResult]]
    curve: list[Point] = []
    samples: list[Sample] = []
    findings: dict[str, ModelFindings] = {}
    """View -> what the measures found of it."""


class Headline(_Strict):
    """The numbers of the first line; None where the arms for them were not trained. See `headline`."""

    gap_closed: float | None = None
    filter_gap_closed: float | None = None
    gap_closed_to_filter: float | None = None
    """Of the forget loss, from no filter to the filter with the same labels: where there is no perfect filter."""
    retain_difference: float | None = None
    filter_retain_difference: float | None = None
    adjacent_difference: float | None = None
    filter_adjacent_difference: float | None = None
    full_forget_difference: float | None = None
    calibrated: bool
    remarks: list[str] = []


class Verdict(_Strict):
    """The judge's one verdict; see `gradmask.lab.judge`. ``missed``: what the recipe's ``accept`` asks for and was not reached."""

    outcome: Literal["works", "works at a price", "failed", "not known"]
    sentence: str
    reasons: list[str] = []
    advice: list[str] = []
    missed: list[str] = []


class ChosenSetting(_Strict):
    """A setting of the recipe that was chosen from the data: its dotted path, its value, and a sentence that says why."""

    path: str
    value: Any
    because: str


class Results(_Strict):
    """A whole run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    created: str
    command: str
    versions: dict[str, str]
    machine: dict[str, str] = {}
    recipe: dict[str, Any]
    labels: list[dict[str, Any]] = []
    settings: list[ChosenSetting] = []
    """What the recipe left open, as it was chosen when the run began."""
    about_labels: list[str] = []
    """Where the labels come from, what is known of the truth, and what is left out without it, in sentences."""
    histogram_edges: list[float] = []
    frequencies: dict[str, float] = {}
    """Domain -> loss of a guesser that knows only how often each token occurs; empty in results of earlier versions."""
    arms: dict[str, ArmResult]
    headline: Headline
    findings: Findings = Field(default_factory=Findings)
    campaign: Campaign | None = None
    """The attacks of ``gradmask attack --budget``, where it was run."""
    verdict: Verdict | None = None
    """None in results that an earlier version wrote."""


def write_results(path: Path, results: Results) -> None:
    """Write ``results.json`` whole or not at all."""
    write_whole(path, results.model_dump_json(indent=1) + "\n")


def read_results(path: Path) -> Results:
    """Read and check ``results.json``.

    Raises:
        GradmaskError: there is none, it is cut short, of another version, or not what gradmask writes.
    """
    if not path.is_file():
        raise GradmaskError(f"there is no {path}: evaluate the run first (gradmask evaluate {path.parent})")
    again = f"Make it again: gradmask evaluate {path.parent}"
    try:
        raw = json.loads(path.read_bytes())
    except ValueError as error:
        raise GradmaskError(f"{path} is not whole JSON ({error}). {again}") from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise GradmaskError(
            f"{path} has schema_version {version!r}, this version of gradmask reads {SCHEMA_VERSION}. {again}"
        )
    try:
        return Results.model_validate(raw)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()[:5]]
        raise GradmaskError(f"{path} does not fit its schema: {'; '.join(problems)}. {again}") from None

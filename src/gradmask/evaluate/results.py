"""The schema of ``results.json``: everything that the report shows, and nothing that it must recompute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gradmask.errors import GradmaskError

Role = Literal["forget", "adjacent", "retain"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants", val_json_bytes="utf8")


class DomainResult(_Strict):
    """One model on one domain's held-out text. Losses in nats per token."""

    role: Role
    loss: float
    error: float
    perplexity: float
    calibrated_loss: float | None
    tokens: int
    histogram: list[float] = []


class Sample(_Strict):
    """A prompt from held-out text, and how each model of the arm goes on."""

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
    models: dict[str, dict[str, DomainResult]]
    curve: list[Point] = []
    samples: list[Sample] = []


class Headline(_Strict):
    """The numbers of the first line; None where the arms for them were not trained."""

    gap_closed: float | None = None
    filter_gap_closed: float | None = None
    retain_difference: float | None = None
    filter_retain_difference: float | None = None
    full_forget_difference: float | None = None
    calibrated: bool
    remarks: list[str] = []


class Results(_Strict):
    """A whole run."""

    schema_version: Literal[1] = 1
    name: str
    created: str
    command: str
    versions: dict[str, str]
    recipe: dict[str, Any]
    labels: list[dict[str, Any]] = []
    histogram_edges: list[float] = []
    arms: dict[str, ArmResult]
    headline: Headline


def write_results(path: Path, results: Results) -> None:
    """Write ``results.json`` whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_results(path: Path) -> Results:
    """Read and check ``results.json``.

    Raises:
        GradmaskError: there is none, or it is not what gradmask writes.
    """
    if not path.is_file():
        raise GradmaskError(f"there is no {path}: evaluate the run first (gradmask evaluate {path.parent})")
    try:
        return Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise GradmaskError(f"{path} is damaged or from another version: {where}: {first['msg']}") from None

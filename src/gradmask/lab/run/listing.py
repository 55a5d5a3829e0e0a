"""The runs under a folder: how each stands, read from its files without opening its data or models."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.recipe.yamls import parse_yaml
from gradmask.lab.run.ending import FAILED, RUNNING, STOPPED, recorded_state

State = Literal["running", "done", "trained", "failed", "stopped", "killed", "planned"]
DEEPEST = 4
"""Folders below the first one in which runs are looked for."""
INSIDE = ("arms", "data", "evidence", "report")
"""Of a run: no other run lies in these."""


@dataclass(frozen=True)
class ListedRun:
    """How a run stands.

    Args:
        folder: of the run.
        state: *done* is trained and measured; *killed* ended without a word; *planned* has no arm yet.
        arms: of its recipe. finished: those that are trained.
        verdict: the outcome in a word or a few, once it is measured; empty before.
        gap_closed: share of the gap, removed model.
        price_nats: what the removed model is worse by on what is kept, nats per token against no filter; below 0 is better.
        price_compute: share of no filter's compute that a model of this loss needs.
        when: the last time that something changed, UTC, as ISO 8601.
        message: what a run that failed said last.
    """

    folder: str
    state: State
    arms: int
    finished: int
    when: str
    verdict: str = ""
    gap_closed: float | None = None
    price_nats: float | None = None
    price_compute: float | None = None
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def list_runs(folder: Path) -> list[ListedRun]:
    """The runs at and below a folder, the newest first; those of comparisons among them.

    Raises:
        GradmaskError: there is no such folder.
    """
    if not folder.is_dir():
        hint = did_you_mean(str(folder), map(str, _folders(folder.parent)))
        raise GradmaskError(
            f"there is no folder {folder}: give one with runs in it.{hint} gradmask train makes runs/NAME"
        )
    return sorted(map(_listed, _runs(folder, DEEPEST)), key=lambda run: (run.when, run.folder), reverse=True)


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / "recipe.yaml").is_file() and ((folder / "data").is_dir() or (folder / "arms").is_dir()):
        yield folder
    if depth:
        for inner in sorted(_folders(folder)):
            if inner.name not in INSIDE and not inner.name.startswith("."):
                yield from _runs(inner, depth - 1)


def _folders(folder: Path) -> list[Path]:
    try:
        return [Path(entry) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:  # not ours to read
        return []


def _listed(folder: Path) -> ListedRun:
    told, results, arms = recorded_state(folder), _results(folder), _arms(folder)
    finished = [name for name in arms if (folder / "arms" / name / "model").is_dir()]
    state = _state(folder, told, bool(results), len(finished), len(arms))
    return ListedRun(
        folder=str(folder),
        state=state,
        arms=len(arms),
        finished=len(finished),
        when=_when(folder, told),
        message=str(told.get("message", "")) if state == "failed" else "",
        **_outcome(results),
    )


def _arms(folder: Path) -> list[str]:
    """Of the run's recipe, whose default arms are written out."""
    try:
        recipe = parse_yaml((folder / "recipe.yaml").read_text(encoding="utf-8"), str(folder))
        return [str(name) for name in recipe["arms"]]
    except (OSError, ValueError, KeyError, TypeError):
        return sorted(path.name for path in (folder / "arms").glob("*"))


def _state(folder: Path, told: dict[str, Any], measured: bool, finished: int, arms: int) -> State:
    if _locked(folder):
        return "running"
    if arms and finished == arms:
        return "done" if measured else "trained"
    if not any(folder.glob("arms/*/*")) and told.get("state") != FAILED:
        return "planned"
    return {RUNNING: "killed", STOPPED: "stopped", FAILED: "failed"}.get(told.get("state", ""), "killed")  # type: ignore[return-value]


def _locked(folder: Path) -> bool:
    """Whether a process works there."""
    if not (folder / ".lock").exists():
        return False
    try:
        with FileLock(folder / ".lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # not ours to write: what is there is all that can be known
        return False


def _results(folder: Path) -> dict[str, Any]:
    try:
        results: Any = json.loads((folder / "results.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return results if isinstance(results, dict) else {}


def _outcome(results: dict[str, Any]) -> dict[str, Any]:
    """What the results say in numbers; nothing where they are not as this version writes them."""
    try:
        headline, compute = results["headline"], results["findings"].get("compute") or {"ratios": {}}
        ratio = compute["ratios"].get("gradmask/removed", {}).get("retain")
        closed = headline["gap_closed"] if headline["gap_closed"] is not None else headline["gap_closed_to_filter"]
        return {
            "verdict": results["verdict"]["outcome"],
            "gap_closed": closed,
            "price_nats": headline["retain_difference"],
            "price_compute": None if ratio is None else ratio["value"],
        }
    except (KeyError, TypeError, AttributeError):
        return {}


def _when(folder: Path, told: dict[str, Any]) -> str:
    files = [folder / "recipe.yaml", folder / "results.json", *folder.glob("arms/*/log.jsonl")]
    newest = max((path.stat().st_mtime for path in files if path.is_file()), default=0.0)
    changed = datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds")
    return max(changed, str(told.get("when", "")))

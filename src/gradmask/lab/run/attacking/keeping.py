"""What a campaign has measured so far, on disk after every trial: a stopped campaign goes on where it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gradmask.files import write_whole
from gradmask.lab.measures.campaign.pair import Found
from gradmask.lab.measures.campaign.records import Campaign, Trial
from gradmask.lab.measures.registry import find

FILE = "campaign.json"


def key_of(parts: dict[str, Any]) -> str:
    """A hash of what trials depend on: models, data, settings; not the budget, so that a larger one continues."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def keep(file: Path, key: str, trials: list[tuple[Trial, Found]]) -> None:
    """Write all trials, in one step."""
    rows = [{"trial": t.model_dump(mode="json"), "found": [_plain(f) for f in found]} for t, found in trials]
    write_whole(file, json.dumps({"key": key, "trials": rows}) + "\n")


def kept(file: Path, key: str) -> list[tuple[Trial, Found]]:
    """The trials of an earlier call with the same key; none where there are none, or they cannot be read."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return [_pair(row) for row in data["trials"]] if data["key"] == key else []
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return []


def keep_campaign(file: Path, key: str, campaign: Campaign) -> None:
    """Write a whole campaign, scored."""
    write_whole(file, json.dumps({"key": key, "campaign": campaign.model_dump(mode="json")}, indent=1) + "\n")


def kept_campaign(file: Path, key: str) -> Campaign | None:
    """The campaign that was kept with this key; None where models, data or settings have changed since."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Campaign.model_validate(data["campaign"]) if data["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None


def _plain(found: Any) -> Any:
    return None if found is None else found.model_dump(mode="json")


def _pair(row: dict[str, Any]) -> tuple[Trial, Found]:
    trial = Trial.model_validate(row["trial"])
    here, there = (None if found is None else find(trial.attack).Result.model_validate(found) for found in row["found"])
    return trial, (here, there)

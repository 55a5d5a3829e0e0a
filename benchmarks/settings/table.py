"""The study's results as a table: against a perfect filter, the filter with the same text, and no filter.

    python -m benchmarks.settings.table OUT.jsonl [OUT.jsonl ...]

One line a training. gap: gap closed, of calibrated forget losses, against the perfect filter (same tokens). retain: removed model
minus the filter with the same labels and text, nats; rc: its compute ratio to no filter on retain text. full: compute ratios of the
full model on retain and forget text, before (:) and after each end of the phase.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from gradmask.lab.measures.laws import PowerLaw, fit_learning_curves

DEFAULTS = {
    "heads": 2,
    "neurons": 128,
    "new": False,
    "tables": False,
    "rehearsal": 0.1,
    "target": "next_token",
    "words": None,
}
DEFAULTS |= {
    "fit": False,
    "distil": 0.0,
    "after": 0.1,
    "group_rate": 1.0,
    "shared": 0.0,
    "threshold": 0.5,
    "common": "unlabeled",
    "main": 1.0,
    "group_share": 0.0,
}


ROLES = ("retain", "forget")


def cell(task: dict[str, Any]) -> tuple:
    """What references are shared by."""
    return tuple(task[key] for key in ("corpus", "share", "steps", "seed", "width", "layers"))


def read(paths: list[str]) -> list[dict[str, Any]]:
    """Results, without failures."""
    rows = [json.loads(line) for path in paths for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if "failed" not in row]


def laws(rows: list[dict[str, Any]]) -> dict[tuple, tuple[PowerLaw, PowerLaw]]:
    """Of no filter, per cell: retain, forget."""
    made = {}
    for row in rows:
        if row["task"]["arm"] == "no_filter":
            steps, retain, forget = zip(*row["curve"], strict=True)
            made[cell(row["task"])] = tuple(fit_learning_curves([(steps, losses)]) for losses in (retain, forget))
    return made


def described(task: dict[str, Any]) -> str:
    """What differs from the study's middle."""
    middle = {**DEFAULTS, "labeled": 0.9, "undiscovered": 0.2, "mistaken": 0.01}
    values = {**middle, **task["settings"], **task}  # what an earlier version did not write is as in the middle
    return " ".join(f"{key}={values[key]}" for key, value in middle.items() if values[key] != value) or "middle"


def line(row: dict[str, Any], models: dict[str, dict[str, float]], fits: tuple[PowerLaw, PowerLaw]) -> str:
    """One training."""
    removed, same, none = row["removed"], models["filter_text"], models["no_filter"]
    own = [fit.equivalent(none[role]) for fit, role in zip(fits, ROLES, strict=True)]

    def gap(model: dict[str, float]) -> float:
        lost, most = (m["forget_calibrated"] - none["forget_calibrated"] for m in (model, models["perfect"]))
        return lost / most

    def ratio(model: dict[str, float], role: int) -> float:
        return fits[role].equivalent(model[ROLES[role]]) / own[role]

    def both(model: dict[str, float]) -> str:
        return f"{ratio(model, 0):.2f}/{ratio(model, 1):.2f}"

    ends = " ".join(f"{end['share']}x{end['rate']}:{both(end)}" for end in row["ends"])
    retain = f"{removed['retain'] - same['retain']:+.3f} rc {ratio(removed, 0):.2f} (filter {ratio(same, 0):.2f})"
    return f"{gap(removed):6.2f} (filter {gap(same):.2f})  {retain}  full {both(row['full'])} {ends}  {described(row['task'])}"


def title(key: tuple, models: dict[str, dict[str, float]]) -> str:
    """The corpus and its references."""
    none, perfect = models["no_filter"], models["perfect"]
    plain = f"no filter {none['retain']:.3f}/{none['forget']:.3f} ({none['forget_calibrated']:.3f})"
    return f"{key[0]} {key[1]:.0%} {key[2:]}: {plain}, perfect {perfect['retain']:.3f}/({perfect['forget_calibrated']:.3f})"


def main() -> None:
    """See the module."""
    rows = read(sys.argv[1:])
    models: dict[tuple, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        if "model" in row:
            models[cell(row["task"])][row["task"]["arm"]] = row["model"]
    fits = laws(rows)
    for key in sorted(models):
        if not {"no_filter", "perfect", "filter_text"} <= set(models[key]):
            print(*key[:3], "references missing")
            continue
        print(title(key, models[key]))
        for row in rows:
            if cell(row["task"]) == key and "removed" in row:
                print("   ", line(row, models[key], fits[key]))


if __name__ == "__main__":
    main()

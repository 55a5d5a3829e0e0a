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
DEFAULTS |= {"after": 0.1, "group_rate": 1.0, "shared": 0.0, "threshold": 0.5, "retain_below": 0.25}


def cell(task: dict[str, Any]) -> tuple:
    """What references are shared by."""
    return tuple(task[key] for key in ("corpus", "share", "steps", "seed", "width", "layers"))


def read(paths: list[str]) -> list[dict[str, Any]]:
    """Results, without failures."""
    return [row for path in paths for line in open(path, encoding="utf-8") if "failed" not in (row := json.loads(line))]


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
    settings = task["settings"]
    changed = [
        f"{k}={settings[k]:g}" if isinstance(settings[k], float) else f"{k}={settings[k]}"
        for k, v in DEFAULTS.items()
        if settings[k] != v
    ]
    changed += [
        f"{k}={task[k]}" for k, v in {"labeled": 0.9, "undiscovered": 0.2, "mistaken": 0.01}.items() if task[k] != v
    ]
    return " ".join(changed) or "middle"


def line(row: dict[str, Any], models: dict[str, dict[str, float]], fits: tuple[PowerLaw, PowerLaw]) -> str:
    """One training."""
    removed, steps = row["removed"], row["task"]["steps"]
    none, perfect, same = models["no_filter"], models["perfect"], models["filter_text"]
    gap = (removed["forget_calibrated"] - none["forget_calibrated"]) / (
        perfect["forget_calibrated"] - none["forget_calibrated"]
    )
    filtered = (same["forget_calibrated"] - none["forget_calibrated"]) / (
        perfect["forget_calibrated"] - none["forget_calibrated"]
    )
    own = [fit.equivalent(none[role]) for fit, role in zip(fits, ("retain", "forget"), strict=True)]

    def ratios(model: dict[str, float]) -> str:
        return "/".join(
            f"{fit.equivalent(model[r]) / o:.2f}" for fit, r, o in zip(fits, ("retain", "forget"), own, strict=True)
        )

    ends = " ".join(f"{e['share']}x{e['rate']}:{ratios(e)}" for e in row["ends"])
    rc = fits[0].equivalent(removed["retain"]) / own[0]
    return (
        f"{gap:6.2f} (filter {filtered:.2f})  {removed['retain'] - same['retain']:+.3f} rc {rc:.2f} (filter {fits[0].equivalent(same['retain']) / own[0]:.2f})"
        f"  full {ratios(row['full'])} {ends}  {described(row['task'])}"
    )


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
        none, perfect = models[key]["no_filter"], models[key]["perfect"]
        print(
            f"{key[0]} {key[1]:.0%} {key[2]} steps, seed {key[3]}, width {key[4]}: no filter {none['retain']:.3f}/{none['forget']:.3f} ({none['forget_calibrated']:.3f}), perfect {perfect['retain']:.3f}/({perfect['forget_calibrated']:.3f})"
        )
        for row in rows:
            if cell(row["task"]) == key and "removed" in row:
                print("   ", line(row, models[key], fits[key]))


if __name__ == "__main__":
    main()

"""The fault campaign: ``python -m tests.faults.campaign [KILLS] [ROUNDS] [SEED]``. Exit code 1 where anything was lost."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.faults.trials import FAULTS, NEEDS, Reference, Trial, fault, kill


def trials(kills: int, rounds: int, seed: int, folder: Path) -> Iterator[Trial]:
    """Kills first, then every kind of fault so many times."""
    luck, reference = random.Random(seed), Reference.made(folder / "reference")
    for number in range(kills):
        yield kill(reference, folder / f"kill-{number}", luck)
    references = {(): reference}
    for number in range(rounds):
        for kind in FAULTS:
            changes = NEEDS.get(kind, {})
            if tuple(changes) not in references:
                references[tuple(changes)] = Reference.made(folder / f"reference-{number}", **changes)
            yield fault(kind, references[tuple(changes)], folder / f"{kind.replace(' ', '-')}-{number}", luck)


def table(found: list[Trial]) -> str:
    """A row per kind; Markdown."""
    lines = [
        "| what happened | trials | it hit | went on | equal to the uninterrupted run | lost |",
        "| --- |" + " --- |" * 5,
    ]
    for kind in [*dict.fromkeys(t.kind for t in found), ""]:
        of = [t for t in found if t.kind == kind or not kind]
        counts = [len(of), sum(t.hit for t in of), sum(not t.lost for t in of), sum(t.equal for t in of)]
        lines.append(f"| {kind or 'all'} | {' | '.join(map(str, counts))} | {sum(not t.equal for t in of)} |")
    return "\n".join(lines)


def campaign(kills: int = 60, rounds: int = 3, seed: int = 0) -> int:
    """Run it; prints what was lost, and the table. Returns how much was lost."""
    found, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gradmask-faults-") as folder:
        for trial in trials(kills, rounds, seed, Path(folder)):
            found.append(trial)
            if not trial.equal:
                print(f"LOST: {trial.kind} ({trial.what}): {trial.lost or 'not equal'}", flush=True)
            print(f"{len(found)}: {trial.kind}: {trial.what}"[:160], file=sys.stderr, flush=True)
    print(table(found))
    print(f"\n{len(found)} trials in {(time.monotonic() - began) / 60:.1f} min")
    return sum(not t.equal for t in found)


if __name__ == "__main__":
    sys.exit(1 if campaign(*(int(word) for word in sys.argv[1:])) else 0)

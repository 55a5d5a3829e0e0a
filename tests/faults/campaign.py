"""The fault campaign: ``python -m tests.faults.campaign``; ``--help`` lists its parts. Exit code 1 where anything was lost."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.faults.trials import FAULTS, NEEDS, Reference, Trial, fault, kill, kill_command


def trials(
    kills: int, rounds: int, commands: int, kinds: Collection[str], rng: random.Random, folder: Path
) -> Iterator[Trial]:
    """Kills of forked children, then ``kinds`` of faults so many times, then kills of the installed command."""
    reference = Reference.made(folder / "reference")
    for number in range(kills):
        yield kill(reference, folder / f"kill-{number}", rng)
    references = {(): reference}
    for number in range(rounds):
        for kind in (kind for kind in FAULTS if kind in kinds):
            changes = NEEDS.get(kind, {})
            if tuple(changes) not in references:
                references[tuple(changes)] = Reference.made(folder / f"reference-{number}", **changes)
            yield fault(kind, references[tuple(changes)], folder / f"{kind.replace(' ', '-')}-{number}", rng)
    for number in range(commands):
        yield kill_command(reference, folder / f"command-{number}", rng)


def table(found: list[Trial]) -> str:
    """A row per kind; Markdown."""
    lines = [
        "| fault | trials | process failed | resumed | equal to the uninterrupted run | lost |",
        "| --- |" + " --- |" * 5,
    ]
    for kind in [*dict.fromkeys(t.kind for t in found), ""]:
        of = [t for t in found if t.kind == kind or not kind]
        counts = [len(of), sum(t.hit for t in of), sum(not t.lost for t in of), sum(t.equal for t in of)]
        lines.append(f"| {kind or 'all'} | {' | '.join(map(str, counts))} | {sum(not t.equal for t in of)} |")
    return "\n".join(lines)


def campaign(kills: int, rounds: int, commands: int, kinds: Collection[str], seed: int) -> int:
    """Run it; prints what was lost, and the table, of what was done when SIGTERM ends it early too. Returns how much was lost."""
    found, began = [], time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="gradmask-faults-") as folder:
        for trial in trials(kills, rounds, commands, kinds, random.Random(seed), Path(folder)):
            found.append(trial)
            if not trial.equal:
                print(f"LOST: {trial.kind} ({trial.what}): {trial.lost or 'not equal'}", flush=True)
            print(f"{len(found)}: {trial.kind}: {trial.what}"[:160], file=sys.stderr, flush=True)
    print(table(found))
    print(f"\n{len(found)} trials in {(time.monotonic() - began) / 60:.1f} min")
    return sum(not t.equal for t in found)


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(
        description="Kill runs and let their disks, data and processes fail; nothing may be lost."
    )
    parser.add_argument("--kills", type=int, default=60, help="children killed at a random moment or write")
    parser.add_argument("--rounds", type=int, default=3, help="trials of each kind of fault")
    parser.add_argument("--commands", type=int, default=12, help="kills of the installed gradmask train")
    parser.add_argument("--kinds", nargs="+", choices=[*FAULTS], default=[*FAULTS], help="kinds of faults")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(1 if campaign(**vars(arguments())) else 0)

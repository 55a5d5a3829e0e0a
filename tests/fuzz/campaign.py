"""The fuzz campaign: ``python -m tests.fuzz.campaign [COUNT] [FIRST]``. Exit code 1 where an input was not refused as it should."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from tests.fuzz.inputs import Maker
from tests.fuzz.trial import attempt, table


def campaign(count: int, first: int = 0) -> int:
    """Try ``count`` inputs; prints what went wrong, and the table. Returns how many went wrong."""
    outcomes, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gradmask-fuzz-") as folder:
        maker = Maker(Path(folder) / "good")
        for number in range(first, first + count):
            outcome = attempt(maker, number, Path(folder) / "sandbox")
            outcomes.append(outcome)
            if outcome.problem:
                print(f"input {number} ({outcome.input.kind}: {outcome.input.what}): {outcome.problem}", flush=True)
                print(
                    "  " + " ".join(outcome.input.argv[:1]) + "\n  " + outcome.output[-600:].replace("\n", "\n  "),
                    flush=True,
                )
            elif number % 25 == 24:
                print(f"{number + 1 - first} of {count}", file=sys.stderr, flush=True)
    print(table(outcomes))
    wrong = sum(bool(o.problem) for o in outcomes)
    slowest = max(o.seconds for o in outcomes)
    print(f"\n{count} inputs in {(time.monotonic() - began) / 60:.1f} min, the slowest {slowest:.1f} s; wrong: {wrong}")
    return wrong


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(1 if campaign(*(numbers or [500])) else 0)

"""The sweep over Transformers' Auto mappings: ``python -m tests.sweep.campaign``; ``--help`` lists its parts.

Every model type is built tiny from its config, in a process of its own that is ended after a time-out, and must keep the
whole contract (`tests.sweep.promises`) or be refused in words. What it found goes into the tables of docs/architectures.md, whose other rows
stay as they are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.sweep.promises import Outcome, outcome, quiet
from tests.sweep.table import write
from tests.sweep.tiny_models import TASKS, types

TIMEOUT = 120.0


def sweep(wanted: list[tuple[str, str]], timeout: float) -> Iterator[Outcome]:
    """One outcome for each task and type, in order."""
    context = multiprocessing.get_context("fork")
    worker: Any = None
    for task, model_type in wanted:
        if worker is None or not worker[0].is_alive():
            ours, theirs = context.Pipe()
            worker = (context.Process(target=_work, args=(theirs,), daemon=True), ours)
            worker[0].start()
            theirs.close()  # else a dead worker's pipe would seem open
        process, pipe = worker
        pipe.send((task, model_type))
        try:
            arrived = pipe.poll(timeout)
            yield (
                Outcome(**pipe.recv())
                if arrived
                else Outcome(task, model_type, "fails", why=f"takes over {timeout:.0f} s")
            )
        except EOFError:
            arrived = False
            yield Outcome(task, model_type, "fails", why="the process died")
        if not arrived:
            process.kill()
            process.join()
    if worker is not None:
        worker[0].kill()


def _work(pipe: Any) -> None:
    quiet()
    while True:
        task, model_type = pipe.recv()
        pipe.send(asdict(outcome(task, model_type)))


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(description="Try every model type of the Auto mappings, tiny and random.")
    parser.add_argument("--tasks", nargs="+", choices=[*TASKS], default=[*TASKS])
    parser.add_argument("--types", nargs="+", help="these model types only")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for one type")
    parser.add_argument(
        "--found", type=Path, help="where to keep what was found, as JSON lines; what is there is not tried again"
    )
    return parser.parse_args()


def main() -> None:
    """Sweep, print, and write the docs."""
    asked = arguments()
    known = (
        [json.loads(line) for line in asked.found.read_text().splitlines()]
        if asked.found and asked.found.exists()
        else []
    )
    found = [Outcome(**entry) for entry in known]
    done = {(each.task, each.model_type) for each in found}
    listed = [(task, name) for task in asked.tasks for name in types(task) if not asked.types or name in asked.types]
    began = time.monotonic()
    for each in sweep([pair for pair in listed if pair not in done], asked.timeout):
        found.append(each)
        print(
            f"{each.state:9} {each.task:10} {each.model_type:28} {', '.join(each.units):24} {each.why}"[:300],
            flush=True,
        )
        if asked.found:
            with asked.found.open("a") as file:
                file.write(json.dumps(asdict(each)) + "\n")
    print(f"{len(listed)} types in {(time.monotonic() - began) / 60:.1f} min", file=sys.stderr)
    write(found)


if __name__ == "__main__":
    main()

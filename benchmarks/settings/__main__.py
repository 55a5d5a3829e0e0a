"""Run a plan of the study in several processes on one device, until it is done or time is up.

python -m benchmarks.settings FOLDER rules OUT.jsonl [--workers 15] [--seconds 380] [--known EARLIER.jsonl ...]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from queue import Empty

import torch.multiprocessing as mp

from benchmarks.settings.plans import PLANS
from benchmarks.settings.table import cell, read
from benchmarks.settings.working import work


def references_in(files: list[Path]) -> set[tuple]:
    """What of a cell was trained before."""
    tasks = [row["task"] for row in read([str(file) for file in files])]
    return {(*cell(task), task["arm"]) for task in tasks if task["arm"] != "gradmask"}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("plan", choices=PLANS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1e6)
    parser.add_argument(
        "--known", type=Path, nargs="*", default=[], help="results whose references are not trained again"
    )
    options = parser.parse_args()
    until, began = time.time() + options.seconds, time.time()
    os.environ["OMP_NUM_THREADS"] = "1"
    context = mp.get_context("spawn")
    tasks, results = context.Queue(), context.Queue()
    known = references_in(options.known)
    planned = [task for task in dict.fromkeys(PLANS[options.plan]()) if (*cell(asdict(task)), task.arm) not in known]
    planned.sort(key=lambda task: -task.steps)  # a long one that begins last is waited for by all other workers
    for task in planned:
        tasks.put(task)
    workers = [
        context.Process(target=work, args=(options.folder, tasks, results, until), daemon=True)
        for _ in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    done = 0
    with options.out.open("a", encoding="utf-8") as out:
        while done < len(planned) and time.time() < until and any(w.is_alive() for w in workers):
            try:
                result = results.get(timeout=1)
            except Empty:
                continue
            done += 1
            out.write(json.dumps(result) + "\n")
            out.flush()
            if done % 10 == 1 or "failed" in result:
                print(f"{time.time() - began:.0f} s: {done} of {len(planned)}", result.get("why", ""), flush=True)
    print(f"{done} of {len(planned)} in {time.time() - began:.0f} s", flush=True)
    for worker in workers:
        worker.kill()


if __name__ == "__main__":
    main()

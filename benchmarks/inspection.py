"""Time and memory of inspecting a corpus: random words of a Zipf distribution, documents of 1,000 words at most.

python -m benchmarks.inspection [--megabytes 20 200]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gradmask.data import DataSpec, LabelSpec, SourceSpec, inspect

WORDS, LONGEST = 30_000, 1_000


def write(path: Path, megabytes: float) -> None:
    """A JSONL file with two domains; one document in a hundred is held out."""
    draw = np.random.default_rng(0)
    words = np.array(["".join(chr(97 + c) for c in draw.integers(0, 26, draw.integers(2, 10))) for _ in range(WORDS)])
    size = 0
    with path.open("w", encoding="utf-8") as file:
        while size < megabytes * 1e6:
            drawn = np.minimum(draw.zipf(1.2, draw.integers(5, LONGEST)), WORDS) - 1
            split, domain = "test" if draw.random() < 0.01 else "train", "medicine" if draw.random() < 0.05 else "news"
            line = json.dumps({"text": " ".join(words[drawn]), "domain": domain, "split": split}) + "\n"
            size += len(line)
            file.write(line)


def measure(path: Path) -> str:
    """A row of the table."""
    spec = DataSpec(sources=[SourceSpec(kind="jsonl", path=str(path))], labels=LabelSpec(forget=["medicine"]))
    before, began = _peak(), time.perf_counter()
    found = inspect(spec)
    seconds, size = time.perf_counter() - began, path.stat().st_size / 1e6
    documents = found.total("documents")
    return f"{size:>6,.0f} {documents:>10,} {found.compared:>9,} {seconds:>8.1f} {size / seconds:>6.1f} {_peak() - before:>9,.0f}"


def _peak() -> float:
    """Megabytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """A row for each size, measured in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[20.0, 200.0])
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.file:
        print(measure(given.file), flush=True)
        return
    print(f"{'MB':>6} {'documents':>10} {'compared':>9} {'seconds':>8} {'MB/s':>6} {'MB memory':>9}", flush=True)
    with TemporaryDirectory() as folder:
        for size in given.megabytes:
            write(Path(folder) / "x.jsonl", size)
            subprocess.run([sys.executable, "-m", "benchmarks.inspection", "--file", f"{folder}/x.jsonl"], check=True)


if __name__ == "__main__":
    main()

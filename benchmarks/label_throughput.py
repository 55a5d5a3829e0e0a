"""Speed and memory of labeling: reading, scoring, and from JSON lines to Parquet shards, for inputs of several sizes.

python -m benchmarks.label_throughput [--corpus FILE] [--group DOMAIN] [--megabytes 15 60 240] [--scorer tfidf] [--json OUT]

The corpus is read again and again until an input has its size. Without a corpus the built-in stories are used. Each size runs in
a process of its own, whose peak memory is measured. Speeds are in MB of UTF-8 text per second: of the clock, and of the processor
(one core), which does not count what other programs take.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from gradmask.data import label
from gradmask.data.reading import read
from gradmask.data.spec import SourceSpec

EXAMPLES = 50
"""Of each class, that the labeler learns from."""


def corpus_of(path: str | None, group: str | None) -> tuple[list[tuple[str, str]], str]:
    """Texts with their domains, and the domain that must go."""
    source = SourceSpec(path=path) if path else SourceSpec(kind="stories", megabytes=2)
    rows = [(document.text, document.domain) for document in read(source)]
    return rows, group or sorted({domain for _, domain in rows})[-1]


def write_input(rows: list[tuple[str, str]], path: Path, megabytes: float) -> float:
    """JSON lines of about this size; the megabytes of text in it."""
    size = 0
    with path.open("w", encoding="utf-8") as file:
        for text, domain in chain.from_iterable(repeat(rows)):
            file.write(json.dumps({"text": text, "domain": domain}, ensure_ascii=False) + "\n")
            size += len(text.encode())
            if size >= megabytes * 1e6:
                return size / 1e6
    return size / 1e6


def measure(path: Path, labeler: Path, folder: Path, megabytes: float) -> dict[str, Any]:
    """Speeds of the parts and of the whole, and peak memory in MB."""
    opened, sources = label.open(labeler), label.inputs([path])
    before = _peak()
    result: dict[str, Any] = {"megabytes": round(megabytes)}
    labeled: list[Any] = []
    result["whole"] = _speed(lambda: labeled.append(label.score_files(opened, sources, folder)), megabytes)
    result |= {"peak_mb": round(_peak()), "peak_before_mb": round(before), "documents": labeled[0].documents}
    result["read"] = _speed(lambda: sum(1 for _ in read(sources[0])), megabytes)
    for batch in _batches(sources[0]):  # the first batch alone is scored, again and again
        size = sum(len(text.encode()) for text in batch) / 1e6
        result["score"] = _speed(lambda batch=batch: [opened.scores(batch) for _ in range(10)], 10 * size)
        break
    return result


def _batches(source: SourceSpec) -> Iterator[list[str]]:
    yield [document.text for document, _ in zip(read(source), range(2000), strict=False)]


def _speed(work: Callable[[], Any], megabytes: float) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {"wall": round(megabytes / wall, 1), "core": round(megabytes / processor, 1)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--group")
    parser.add_argument("--megabytes", type=float, nargs="+", default=[15.0, 60.0, 240.0])
    parser.add_argument("--scorer", default="tfidf")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows, group = corpus_of(args.corpus, args.group)
    chosen = [[text for text, domain in rows if (domain == group) is wanted] for wanted in (True, False)]
    examples = [part[:: max(1, len(part) // EXAMPLES)][:EXAMPLES] for part in chosen]
    labels = ["forget"] * len(examples[0]) + ["retain"] * len(examples[1])
    unlabeled = [text for text, _ in rows[:: max(1, len(rows) // 5000)]]
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        label.fit(label.Examples([*examples[0], *examples[1]], labels), scorer=args.scorer, unlabeled=unlabeled).save(
            folder / "labeler"
        )
        print("MB of text  documents  whole MB/s (core)  read (core)  score (core)  peak MB (before)", flush=True)
        for size in args.megabytes:
            written = write_input(rows, folder / "input.jsonl", size)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                one = pool.apply(measure, (folder / "input.jsonl", folder / "labeler", folder / f"out{size}", written))
            results.append(one)
            print(_line(one), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _line(one: dict[str, Any]) -> str:
    speeds = "  ".join(f"{one[name]['wall']} ({one[name]['core']})" for name in ("whole", "read", "score"))
    return f"{one['megabytes']}  {one['documents']:,}  {speeds}  {one['peak_mb']} ({one['peak_before_mb']})"


if __name__ == "__main__":
    main()

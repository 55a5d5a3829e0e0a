"""Memory and speed of a recipe's text stream (``data.stream``): the text is made by repetition, and read in one process.

python -m benchmarks.text_streaming [--gigabytes 5] [--format jsonl.gz] [--folder FOLDER]

The files hold stories in two languages with labels; compressed, they take a tenth of the disk. What is printed: for every twentieth
of the text the resident memory of the process, and megabytes of text per second, from the files to batches of token ids.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from gradmask.data import DataSpec, TextStream, prepare
from gradmask.data.stories import generate

FORMATS = ("jsonl", "jsonl.gz", "parquet")
STORIES = 1000
"""Stories of each language, which are repeated."""
LABELS = {"en": ["retain", None], "es": ["forget", None]}


def documents() -> list[dict[str, str | None]]:
    """Labeled in turn."""
    stories = [generate(STORIES, language, seed=0) for language in LABELS]
    pairs = [pair for i, of_each in enumerate(zip(*stories, strict=True)) for pair in _labeled(of_each, i)]
    return [{"text": text, "label": label} for text, label in pairs]


def _labeled(texts: tuple[str, ...], number: int) -> list[tuple[str, str | None]]:
    return [(text, labels[number % 2]) for text, labels in zip(texts, LABELS.values(), strict=True)]


def write(folder: Path, gigabytes: float, files: int, kind: str) -> tuple[float, float]:
    """Files that hold the documents again and again; gigabytes of text, and on the disk."""
    folder.mkdir(parents=True)
    rows = documents()
    size = sum(len(str(row["text"]).encode()) for row in rows)
    times = max(1, round(gigabytes * 1e9 / files / size))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    block, table = gzip.compress(lines) if kind == "jsonl.gz" else lines, pa.Table.from_pylist(rows)
    for number in range(files):
        path = folder / f"{number:05d}.{kind}"
        if kind == "parquet":
            with pq.ParquetWriter(path, table.schema) as writer:
                for _ in range(times):
                    writer.write_table(table)
        else:
            with path.open("wb") as file:
                for _ in range(times):  # gzip allows several streams one after the other
                    file.write(block)
    return times * files * size / 1e9, sum(path.stat().st_size for path in folder.iterdir()) / 1e9


def opened(folder: Path, batch_size: int, sequence_length: int, gigabytes: float) -> tuple[TextStream, float]:
    """The stream, long enough for a pass; and the bytes of text in a sequence."""
    source = {"path": str(folder / "text"), "label_field": "label"}
    given = {
        "sources": [source],
        "labels": {"forget": ["forget"]},
        "sequence_length": sequence_length,
        "test_share": 0.05,
    }
    spec = DataSpec.model_validate({**given, "tokenizer": {"vocab_size": 8192}, "stream": {"sample": 4000}})
    prepared = prepare(spec, folder / "data")
    text = sum(len(prepared.tokenizer.decode(ids)) for ids in prepared.train[:200]["input_ids"]) / 200
    steps = max(1, int(gigabytes * 1e9 / text / batch_size))
    return TextStream(spec, prepared.tokenizer, steps, batch_size, excluded=prepared.held_out), text


def measured(stream: TextStream, text: float, lines: int = 20) -> Iterator[tuple[float, float, float]]:
    """Gigabytes of text that were read, resident MB now, and MB of text per second."""
    process, began = psutil.Process(), time.perf_counter()
    for step in range(stream.steps):
        for position in range(step * stream.batch_size, (step + 1) * stream.batch_size):
            stream[position]
        if (step + 1) % max(1, stream.steps // lines) == 0 or step == 0:
            read = (step + 1) * stream.batch_size * text
            yield read / 1e9, process.memory_info().rss / 1e6, read / 1e6 / (time.perf_counter() - began)


def main() -> None:
    """Print a line for every part of the text, and the peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--format", choices=FORMATS, default="jsonl.gz")
    parser.add_argument("--folder", type=Path, default=Path("runs/text-streaming"))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--sequence-length", type=int, default=1024)
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} exists: name a folder that can be made and removed")
    try:
        text, disk = write(given.folder / "text", given.gigabytes, given.files, given.format)
        print(f"{text:.2f} GB of text in {given.files} files of {disk:.2f} GB", flush=True)
        stream, each = opened(given.folder, given.batch_size, given.sequence_length, text)
        print(f"{stream.lanes} lanes, {len(stream):,} sequences\nread GB   resident MB   MB/s", flush=True)
        for read, memory, speed in measured(stream, each):
            print(f"{read:>7.2f}  {memory:>11,.0f}  {speed:>6,.1f}", flush=True)
        print(f"peak     {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6:>11,.0f}")
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


if __name__ == "__main__":
    main()

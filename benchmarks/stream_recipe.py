"""Memory of a recipe whose text is streamed (``data.stream``): ``gradmask train`` of a tiny model on gigabytes of Parquet.

python -m benchmarks.stream_recipe [--gigabytes 5] [--folder FOLDER]

The text is stories in two languages, of which half have a label, joined to documents of 7 kB and repeated in another order in
every file, stored without compression. A token is a paragraph, so that neither the tokenizer nor the model is what takes the
time: what is measured is the run's memory. A line for every part of the text: the step, gigabytes of text read up to it (with
the held-out documents among them), resident memory, the largest so far, and megabytes read per second since the first step.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gradmask.data.stories import generate

STORIES, JOINED = 4000, 10
"""Stories of each language, and of a document."""
LABELS = {"en": ["retain", None], "es": ["forget", None]}
FILES, ROWS, WORDS = 64, 256, 64
"""Files; documents of a row group (1.8 MB); tokens in the vocabulary."""
BATCH, LENGTH = 256, 128
"""Sequences of a step, and tokens of one (a paragraph each)."""


def documents() -> list[dict[str, str | None]]:
    """Labeled in turn, both languages mixed."""
    rows: list[dict[str, str | None]] = []
    for language, labels in LABELS.items():
        stories = generate(STORIES, language, seed=0)
        texts = [" ".join(stories[i : i + JOINED]) for i in range(0, STORIES, JOINED)]
        rows += [{"text": text, "label": labels[i % 2]} for i, text in enumerate(texts)]
    half = len(rows) // 2
    return [row for pair in zip(rows[:half], rows[half:], strict=True) for row in pair]


def write_text(folder: Path, rows: list[dict[str, str | None]], gigabytes: float) -> None:
    """So many files that hold the documents again and again; each begins at another one."""
    folder.mkdir(parents=True)
    size = sum(len(str(row["text"]).encode()) for row in rows)
    count = round(gigabytes * 1e9 / FILES / size * len(rows))
    schema = pa.schema([("text", pa.string()), ("label", pa.string())])
    for file in range(FILES):
        with pq.ParquetWriter(folder / f"{file:05d}.parquet", schema, compression="none", use_dictionary=False) as out:
            for first in range(0, count, ROWS):
                numbers = range(file * 7 + first, file * 7 + min(first + ROWS, count))
                out.write_table(pa.Table.from_pylist([rows[i % len(rows)] for i in numbers], schema))


def write_tokenizer(folder: Path, rows: list[dict[str, str | None]]) -> float:
    """One token for each paragraph, of which the most frequent have names; the bytes of a token."""
    cut = pre_tokenizers.Split("\n", "removed")
    texts = [str(row["text"]) for row in rows]
    paragraphs = Counter(paragraph for text in texts for paragraph, _ in cut.pre_tokenize_str(text))
    names = ["<unk>", "<|end|>", *(paragraph for paragraph, _ in paragraphs.most_common(WORDS - 2))]
    core: Any = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    core.pre_tokenizer = cut
    PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", eos_token="<|end|>").save_pretrained(folder)
    return sum(len(text.encode()) for text in texts) / (paragraphs.total() + len(texts))


def recipe(folder: Path, steps: int) -> dict[str, Any]:
    """Nothing is left to the rules, and next to nothing is measured."""
    width: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": LENGTH}
    return {
        "name": "stream",
        "output": str(folder / "run"),
        "data": {
            "sources": [{"path": str(folder / "text"), "label_field": "label"}],
            "labels": {"forget": ["forget"]},
            "tokenizer": {"path": str(folder / "tokenizer")},
            "sequence_length": LENGTH,
            "test_share": 0.05,
            "stream": {"sample": 1600},
        },
        "model": {"config": {"model_type": "llama", **width, **heads}},
        "partition": {"groups": {"forget": {"heads": 1, "neurons": 8}}, "self_labeling": False, "rehearsal": None},
        "train": {
            "steps": steps,
            "batch_size": BATCH,
            "consolidation": None,
            "eval_every": max(1, steps // 4),
            "checkpoint_every": max(1, steps // 10),
        },
        "arms": ["gradmask"],
        "evaluate": {"sequences": 8, "during": 4, "calibration_steps": 5, "samples": 1, "sample_tokens": 4},
    }


def watched(command: list[str], folder: Path, steps: int, lines: int) -> Iterator[tuple[int, float, float, float]]:
    """The step that the run is at, its resident MB, the most so far, and seconds since the first step, for so many parts of it.

    Raises:
        SystemExit: the command failed.
    """
    with (folder / "log").open("w", encoding="utf-8") as out:
        run = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        process, began, most, shown = psutil.Process(run.pid), 0.0, 0.0, 0
        while run.poll() is None:
            try:
                now = process.memory_info().rss / 1e6
            except psutil.Error:
                break  # it ends
            most, step = max(most, now), _step(folder / "run")
            began = began or (time.perf_counter() if step else 0.0)
            if step > shown * steps / lines:
                shown = int(step / steps * lines) + 1
                yield step, now, most, time.perf_counter() - began
            time.sleep(0.2)
    if run.wait():
        sys.exit((folder / "log").read_text(encoding="utf-8")[-3000:])


def _step(run: Path) -> int:
    """The last training step in a run's log, 0 before the first."""
    for path in run.rglob("log.jsonl"):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            found = re.findall(rb'"step": (\d+)', file.read())
        return int(found[-1]) if found else 0
    return 0


def main() -> None:
    """Print a line for every part of the text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/stream-recipe"))
    parser.add_argument("--lines", type=int, default=20)
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} exists: name a folder that can be made and removed")
    try:
        rows = documents()
        write_text(given.folder / "text", rows, given.gigabytes)
        each = write_tokenizer(given.folder / "tokenizer", rows)
        steps = int(0.95 * given.gigabytes * 1e9 / each / BATCH / LENGTH)  # 5 % are held out: read, and not trained on
        stored = sum(path.stat().st_size for path in (given.folder / "text").iterdir()) / 1e9
        print(f"{stored:.2f} GB of Parquet in {FILES} files, {each:.0f} bytes per token, {steps:,} steps", flush=True)
        path = given.folder / "recipe.yaml"
        path.write_text(json.dumps(recipe(given.folder, steps)), encoding="utf-8")
        command = [sys.executable, "-m", "gradmask", "train", str(path)]
        print("step    read GB   resident MB   peak MB   MB/s", flush=True)
        for step, now, most, seconds in watched(command, given.folder, steps, given.lines):
            read = step / steps * given.gigabytes
            print(
                f"{step:>5,}  {read:>8.2f}  {now:>12,.0f}  {most:>8,.0f}  {read * 1e3 / max(1, seconds):>5.1f}",
                flush=True,
            )
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


if __name__ == "__main__":
    main()

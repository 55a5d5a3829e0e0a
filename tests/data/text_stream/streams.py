"""Small streams in which each document is one sequence of 16 tokens, so that it is known by what is decoded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gradmask.data import DataSpec, TextStream
from gradmask.data.tokenizer import train_tokenizer

LENGTH = 16
TOKENIZER = train_tokenizer(["a"], 258)
"""A byte is a token."""


def text_of(number: int) -> str:
    """15 bytes that no other number has."""
    return f"document {number:06d}"


def rows(
    numbers: Iterable[int], label: Callable[[int], str | None] = lambda n: ["retain", "forget", None][n % 3]
) -> list[Any]:
    return [{"text": text_of(n), "label": label(n), "domain": ["en", "es"][n % 2]} for n in numbers]


def write(folder: Path, files: Sequence[Sequence[Any]]) -> Path:
    """A folder of JSON lines."""
    folder.mkdir()
    for i, lines in enumerate(files):
        (folder / f"{i:03d}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def corpus(folder: Path, files: int = 4, each: int = 20) -> Path:
    return write(folder / "text", [rows(range(f * each, (f + 1) * each)) for f in range(files)])


def spec(path: Path | str, **changes: Any) -> DataSpec:
    """Of a folder with labels of its own."""
    source = {"kind": "jsonl", "path": str(path), "label_field": "label", **changes.pop("source", {})}
    given = {"sources": [source], "labels": {"forget": ["forget"]}, "sequence_length": LENGTH, "test_share": 0.0}
    return DataSpec.model_validate({**given, "stream": {"shuffle": 8}, **changes})


def stream(own: DataSpec, steps: int = 10, batch_size: int = 8, **how: Any) -> TextStream:
    return TextStream(own, TOKENIZER, steps, batch_size, **how)


def read(examples: TextStream, positions: Iterable[int] | None = None) -> list[tuple[str, Any]]:
    """The text and the data label of each example."""
    chosen = range(len(examples)) if positions is None else positions
    return [
        (TOKENIZER.decode(example["input_ids"][:-1]), example["data_labels"].tolist())
        for example in (examples[i] for i in chosen)
    ]

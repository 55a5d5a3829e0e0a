from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradmask.data.label.duplicates import alike_across_labels

LONG = " ".join(f"word{i}" for i in range(60))
OTHER = " ".join(f"term{i}" for i in range(60))


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    rows = [
        (f"{LONG} end", "a:0", 1),
        (f"{OTHER} one", "a:1", 1),
        (f"{OTHER} two", "a:2", 1),
        (f"{LONG} stop", "a:3", 0),
        (f"start {LONG}", "a:4", -1),
        ("nothing like it at all", "a:5", 0),
    ]
    text, id, label = zip(*rows, strict=True)
    pq.write_table(
        pa.table({"text": text, "id": id, "data_labels": label}), tmp_path / "part.parquet", row_group_size=2
    )
    return tmp_path


def test_what_is_nearly_the_same_with_two_labels_is_found(shards: Path) -> None:
    (pair,) = alike_across_labels(shards, ["medicine"])
    assert [(side.label, side.id) for side in pair.sides] == [("medicine", "a:0"), ("retain", "a:3")]
    assert pair.sides[1].text == f"{LONG} stop"
    assert 0.9 < pair.similarity < 1


def test_of_more_text_a_sample_is_compared(shards: Path) -> None:
    assert alike_across_labels(shards, ["medicine"], limit=10) == []


def test_nothing_labeled_is_nothing_alike(tmp_path: Path) -> None:
    assert alike_across_labels(tmp_path, ["medicine"]) == []

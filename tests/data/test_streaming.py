"""Streams: the same order for any number of ranks and workers, from any step on; flat memory; clear errors."""

from __future__ import annotations

import pickle
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from accelerate.data_loader import BatchSamplerShard
from datasets import load_dataset
from hypothesis import given, strategies as st
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from gradmask.data import Shards, Stream, write_shards
from gradmask.data.streaming import BLOCK
from gradmask.errors import GradmaskError

SIZES = {"retain": 300, "forget": 70}


def rows(name: str, count: int) -> Iterator[dict[str, Any]]:
    for i in range(count):
        yield {"input_ids": [i, i + 1, i + 2], "name": f"{name}-{i}", "data_labels": 7}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shards")
    for name, count in SIZES.items():
        write_shards(rows(name, count), made / name, rows_per_group=8, groups_per_file=4)
    return made


def stream(folder: Path, seed: int = 0, batch_size: int = 8, steps: int = 80, **options: Any) -> Stream:
    sources = {
        "retain": Shards(f"{folder}/retain/*.parquet", 3.0, 0),
        "forget": Shards(f"{folder}/forget/*.parquet", 1.0, 1),
    }
    return Stream(sources, batch_size, steps, seed, **options)


def names(examples: Any) -> list[str]:
    return [example["name"] for example in examples]


def test_what_an_example_holds(folder: Path) -> None:
    example = stream(folder)[0]
    number = int(example["name"].split("-")[1])
    assert example["data_labels"] == (1 if example["name"].startswith("forget") else 0)
    assert isinstance(example["input_ids"], np.ndarray)
    assert example["input_ids"].tolist() == [number, number + 1, number + 2]
    assert set(stream(folder, columns=["name"])[0]) == {"name", "data_labels"}
    assert stream(folder, each=lambda row: {"length": len(row["input_ids"])})[0] == {"length": 3}


def test_labels_of_the_files_where_none_is_given(folder: Path) -> None:
    assert Stream({"one": Shards(f"{folder}/forget/*.parquet")}, 4, 2)[0]["data_labels"] == 7


def test_every_pass_sees_every_row_once_in_another_order(folder: Path) -> None:
    whole = Stream({"one": Shards(f"{folder}/forget/*.parquet")}, batch_size=1, steps=140)
    passes = [names(whole[i] for i in range(start, start + 70)) for start in (0, 70)]
    assert [sorted(each) for each in passes] == [sorted(f"forget-{i}" for i in range(70))] * 2
    assert passes[0] != passes[1]


def test_lanes_share_a_pass_between_them(folder: Path) -> None:
    whole = Stream({"one": Shards(f"{folder}/retain/*.parquet")}, batch_size=8, steps=30)
    assert whole.lanes == 8
    assert max(Counter(names(whole)).values()) == 1


@given(st.integers(0, 2**31), st.sampled_from([1, 2, 4, 8]), st.integers(0, 600))
def test_a_position_is_the_same_however_one_comes_to_it(
    folder: Path, seed: int, batch_size: int, position: int
) -> None:
    one, two = stream(folder, seed, batch_size, 640), stream(folder, seed, batch_size, 640)
    for i in range(max(0, position - 40), position):
        one[i]
    assert one[position]["name"] == two[position]["name"]


def test_the_seed_makes_the_order(folder: Path) -> None:
    assert names(stream(folder, 0)) == names(stream(folder, 0))
    assert names(stream(folder, 0)) != names(stream(folder, 1))


def test_shares_are_kept_in_every_block(folder: Path) -> None:
    drawn = names(stream(folder, batch_size=1, steps=4 * BLOCK))
    for start in range(0, 4 * BLOCK, BLOCK):
        count = sum(name.startswith("forget") for name in drawn[start : start + BLOCK])
        assert abs(count - BLOCK / 4) <= 1
    assert abs(sum(name.startswith("forget") for name in drawn) - BLOCK) <= 1


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_and_workers_share_the_same_batches(folder: Path, ranks: int, workers: int) -> None:
    """As Accelerate shares them; begun after step 3."""
    data, start, parts = stream(folder, steps=12), 3, []
    for rank in range(ranks):
        batches = BatchSampler(SequentialSampler(data), 8 // ranks, drop_last=True)
        mine = list(BatchSamplerShard(batches, ranks, rank))[start:]
        parts.append(
            [names(batch) for batch in DataLoader(data, batch_sampler=mine, num_workers=workers, collate_fn=list)]
        )
    batches = [[name for part in parts for name in part[step]] for step in range(12 - start)]
    assert batches == [names(data[i] for i in range(8 * step, 8 * step + 8)) for step in range(start, 12)]


def test_a_rank_reads_the_row_groups_of_its_lanes_only(folder: Path) -> None:
    read: list[set[tuple[str, int]]] = []
    for rank in range(2):
        data = stream(folder, steps=12)
        for step in range(12):
            for i in range(4 * rank, 4 * rank + 4):
                data[8 * step + i]
        assert len(data._held) <= 4 * 2
        read.append({(data.names[source], key[1]) for (source, _), (key, _) in data._held.items()})
    assert not read[0] & read[1]


def test_a_stream_travels_to_workers_without_what_it_holds(folder: Path) -> None:
    data = stream(folder)
    data[0]
    again = pickle.loads(pickle.dumps(data))
    assert not again._held
    assert names(again) == names(data)


def test_shards_come_from_a_datasets_stream_of_any_format(tmp_path: Path) -> None:
    (tmp_path / "text.jsonl").write_text("".join(f'{{"text": "line {i}"}}\n' for i in range(50)))
    lines = load_dataset(
        "json", data_files=str(tmp_path / "text.jsonl"), split="train", streaming=True, cache_dir=str(tmp_path)
    )
    files = write_shards(lines, tmp_path / "shards", rows_per_group=8, groups_per_file=2)
    assert [file.name for file in files] == [f"part-0000{i}.parquet" for i in range(4)]
    assert sum(pq.ParquetFile(file).metadata.num_rows for file in files) == 50
    data = Stream({"text": Shards(str(tmp_path / "shards" / "*.parquet"), data_label=0)}, 1, 50)
    assert sorted(example["text"] for example in data) == sorted(f"line {i}" for i in range(50))


def test_memory_stays_flat(tmp_path: Path) -> None:
    """64 MB of tokens, of which a stream of 4 lanes holds a sixteenth."""

    def tokens() -> Iterator[dict[str, Any]]:
        for i in range(16 * 1024):
            yield {"input_ids": np.full(1024, i, np.int32)}

    write_shards(tokens(), tmp_path / "big", rows_per_group=256, groups_per_file=8)
    data = Stream({"big": Shards(f"{tmp_path}/big/*.parquet", data_label=0)}, 4, 4096)
    for i in range(4096):
        data[i]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(4096, len(data)):
        data[i]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB
    assert sum(held.nbytes for _, held in data._held.values()) <= 4.1 * 2**20 * 1.01


def test_errors(folder: Path, tmp_path: Path) -> None:
    def refused(text: str, *arguments: Any, **options: Any) -> None:
        with pytest.raises(GradmaskError, match=text):
            Stream(*arguments, **options)

    good = Shards(f"{folder}/forget/*.parquet")
    refused("at least 1 source, batch_size 1 and 1 step, got 0, 1 and 1", {}, 1, 1)
    refused("source 'a': no file matches .*nothing-", {"a": Shards(f"{tmp_path}/nothing-*.parquet")}, 1, 1)
    refused("there is no file .*gone.parquet", {"a": Shards(f"{tmp_path}/gone.parquet")}, 1, 1)
    refused("shares must be positive and finite, got {'a': 0.0}", {"a": Shards(good.files, 0.0)}, 1, 1)
    refused("has no column 'text'; it has input_ids, name", {"a": good}, 1, 1, columns=["text"])
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    refused("torn.parquet is damaged or not a Parquet file", {"a": Shards(f"{tmp_path}/torn.parquet")}, 1, 1)
    write_shards(({"x": i} for i in range(3)), tmp_path / "unlabeled")
    refused(
        "has no column 'data_labels'.*Shards\\(..., data_label=1\\)",
        {"a": Shards(f"{tmp_path}/unlabeled/*.parquet")},
        1,
        1,
    )
    with pytest.raises(GradmaskError, match="unlabeled is not empty: give a new or empty folder"):
        write_shards([{"x": 1}], tmp_path / "unlabeled")
    with pytest.raises(GradmaskError, match="there are no rows to write"):
        write_shards([], tmp_path / "none")
    with pytest.raises(GradmaskError, match=r"a row has the columns \['y'\], but the first row has \['x'\]"):
        write_shards([{"x": 1}, {"y": 1}], tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def test_a_file_that_vanishes_or_is_cut_off_during_a_run(tmp_path: Path) -> None:
    (file,) = write_shards(rows("a", 64), tmp_path / "shards", rows_per_group=8)
    data = Stream({"a": Shards(str(file))}, 1, 64)
    data[0]
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(GradmaskError, match=r"part-00000.parquet, row group \d+, cannot be read"):
        list(data)
    file.unlink()
    with pytest.raises(
        GradmaskError, match="part-00000.parquet was removed: restore it unchanged, then resume the run"
    ):
        list(data)

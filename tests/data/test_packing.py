from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, List, Value
from hypothesis import given, settings, strategies as st

import gradmask as gm
from gradmask.data.packing import pack, pack_tokenwise
from gradmask.data.stories import generate
from gradmask.data.tokenizer import END, train_tokenizer

TOKENIZER = train_tokenizer(generate(50, "en") + generate(50, "es"), 400)
KINDS = [
    ("en", "retain", 0, 0),
    ("en", "retain", 0, -1),
    ("es", "forget", 1, 1),
    ("es", "forget", 1, -1),
    ("en", "retain", 0, 1),
]
Stream = dict[tuple[str, int], list[int]]


def documents(texts: Iterable[str], kinds: Iterable[int]) -> Dataset:
    rows = zip(texts, (KINDS[kind] for kind in kinds), strict=True)
    return Dataset.from_list(
        [{"text": t, "domain": d, "role": r, "group": g, "data_labels": x} for t, (d, r, g, x) in rows]
    )


def stories(count: int) -> Dataset:
    kinds = [i % len(KINDS) for i in range(count)]
    return documents((generate(1, KINDS[kind][0], start=i)[0] for i, kind in enumerate(kinds)), kinds)


def streams(data: Dataset) -> Stream:
    """Slow and plain: the tokens of each domain and label, one document after the other."""
    streams: Stream = {}
    for row in data:
        ids = TOKENIZER(row["text"])["input_ids"]
        streams.setdefault((row["domain"], row["data_labels"]), []).extend([*ids, TOKENIZER.eos_token_id])
    return streams


def packed_streams(packed: Dataset) -> Stream:
    streams: Stream = {}
    for row in packed:
        streams.setdefault((row["domain"], row["data_labels"]), []).extend(row["input_ids"])
    return streams


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.text("ab é\n", max_size=30), st.integers(0, len(KINDS) - 1)), min_size=1, max_size=30),
    st.integers(8, 24),
)
def test_sequences_hold_one_label_and_no_token_is_lost_but_tails(rows: list[tuple[str, int]], length: int) -> None:
    data = documents(*zip(*rows, strict=True))
    expected = streams(data)
    if all(len(ids) < length for ids in expected.values()):
        with pytest.raises(gm.GradmaskError, match="too short"):
            pack(data, TOKENIZER, length)
        return
    packed, counts = pack(data, TOKENIZER, length)
    actual = packed_streams(packed)
    assert actual == {key: ids[: len(ids) // length * length] for key, ids in expected.items() if len(ids) >= length}
    assert all(len(row["input_ids"]) == length for row in packed)
    assert sum(row["documents"] for row in counts) == len(data)
    for row in counts:
        key = (row["domain"], row["data_labels"])
        assert row["tokens"] == len(expected[key])
        assert row["dropped"] == len(expected[key]) - len(actual.get(key, []))


def test_many_batches_of_documents_join_without_a_seam(tmp_path: Path) -> None:
    data = stories(1100)
    packed, counts = pack(data, TOKENIZER, 128)
    assert packed_streams(packed) == {key: ids[: len(ids) // 128 * 128] for key, ids in streams(data).items()}
    assert {(row["role"], row["group"]) for row in packed} == {("retain", 0), ("forget", 1)}
    assert {row["domain"]: row["role"] for row in packed} == {"en": "retain", "es": "forget"}
    on_disk = pack(data, TOKENIZER, 128, tmp_path / "packed.arrow")
    assert on_disk.sequences.cache_files == [{"filename": str(tmp_path / "packed.arrow")}]
    assert on_disk.sequences.to_dict() == packed.to_dict()
    assert on_disk.counts == counts


def test_the_length_is_part_of_the_type_so_that_batches_are_read_as_one_array() -> None:
    packed = pack(stories(60), TOKENIZER, 32).sequences
    assert packed.features["input_ids"] == List(Value("int32"), length=32)
    assert np.asarray(packed.with_format("numpy")[:8]["input_ids"]).shape == (8, 32)


def test_the_name_of_the_end_token_in_a_text_is_no_end_token() -> None:
    data = documents([f"one {END} two " * 20], [0])
    ids = [i for row in pack(data, TOKENIZER, 8).sequences["input_ids"] for i in row]
    assert TOKENIZER.eos_token_id not in ids
    assert TOKENIZER.decode(ids).startswith(f"one {END} two one")


def test_tokenwise_labels_and_truth_follow_their_tokens(tmp_path: Path) -> None:
    data = stories(700)
    packed = pack_tokenwise(data, TOKENIZER, 32, seed=1)
    expected = [
        (token, row["data_labels"], row["group"])
        for row in data.select(np.random.default_rng(1).permutation(len(data)))
        for token in [*TOKENIZER(row["text"])["input_ids"], TOKENIZER.eos_token_id]
    ]
    columns = [[x for row in packed[name] for x in row] for name in ("input_ids", "data_labels", "group")]
    assert list(zip(*columns, strict=True)) == expected[: len(columns[0])]
    assert len(expected) - len(columns[0]) < 32
    assert any(len(set(row)) > 1 for row in packed["data_labels"])
    assert pack_tokenwise(data, TOKENIZER, 32, 1, tmp_path / "x.arrow").to_dict() == packed.to_dict()
    assert pack_tokenwise(data, TOKENIZER, 32, seed=2)["input_ids"][0] != packed["input_ids"][0]


@pytest.mark.parametrize("packing", [pack, pack_tokenwise])
def test_too_little_text_is_said(packing: Any) -> None:
    with pytest.raises(gm.GradmaskError, match="too short for one sequence of 100000 tokens: give more text"):
        packing(stories(2), TOKENIZER, 100_000)

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tests.data.corpus import ROWS, write

import gradmask as gm
from gradmask.data.sources import load_documents
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError


def load(seed: int = 0, test_share: float = 0.3, **fields: Any) -> list[dict[str, Any]]:
    return load_documents([SourceSpec(**fields)], test_share, seed).to_list()


@pytest.fixture
def many(tmp_path: Path) -> str:
    """Documents of two domains without a split, in the order of their numbers; text ``i`` has about ``i`` bytes."""
    return write(tmp_path / "many.jsonl", [{"text": f"{i} " + "x" * i, "domain": "ab"[i % 2]} for i in range(400)])


def test_sources_follow_each_other_in_memory_and_in_a_file(tmp_path: Path) -> None:
    sources = [SourceSpec(kind="jsonl", path=write(tmp_path / f"{i}.jsonl", ROWS[i::2])) for i in range(2)]
    documents = load_documents(sources)
    assert documents.select_columns(list(ROWS[0])).to_list() == ROWS[::2] + ROWS[1::2]
    assert set(documents["topic"]) == {""}
    on_disk = load_documents(sources, path=tmp_path / "documents.arrow")
    assert on_disk.to_list() == documents.to_list()
    assert on_disk.cache_files == [{"filename": str(tmp_path / "documents.arrow")}]


def test_a_document_is_held_out_by_its_own_text(many: str, tmp_path: Path) -> None:
    split = {row["text"]: row["split"] for row in load(kind="jsonl", path=many)}
    assert 80 < Counter(split.values())["test"] < 160
    again = [{"text": text, "domain": "ab"[int(text.split()[0]) % 2]} for text in list(split)[::-3]]
    fewer = load(kind="jsonl", path=write(tmp_path / "few.jsonl", again + again))
    assert all(split[row["text"]] == row["split"] for row in fewer)
    assert {row["text"]: row["split"] for row in load(kind="jsonl", path=many, seed=1)} != split


def test_a_limit_takes_as_much_as_it_says_of_each_domain_and_split(many: str) -> None:
    assert Counter((row["domain"], row["split"]) for row in load(kind="jsonl", path=many, documents=7)) == {
        (domain, split): 7 for domain in "ab" for split in ("train", "test")
    }
    sizes: Counter[tuple[str, str]] = Counter()
    for row in load(kind="jsonl", path=many, megabytes=0.01, megabytes_test=0.003):
        sizes[row["domain"], row["split"]] += len(row["text"])
    assert set(sizes) == {(domain, split) for domain in "ab" for split in ("train", "test")}
    assert all(0 <= size - (10_000 if split == "train" else 3_000) < 404 for (_, split), size in sizes.items())


def test_a_limit_takes_a_random_part_in_order_and_a_larger_one_takes_more(many: str) -> None:
    numbers = [
        [int(row["text"].split()[0]) for row in load(kind="jsonl", path=many, megabytes=size, test_share=0.1)]
        for size in (0.004, 0.012)
    ]
    assert all(column == sorted(column) for column in numbers)
    assert set(numbers[0]) < set(numbers[1])
    assert max(numbers[0]) > 300, "not the first documents only"
    other = load(kind="jsonl", path=many, megabytes=0.004, test_share=0.1, seed=1)
    assert [int(row["text"].split()[0]) for row in other] != numbers[0]


def test_a_limit_beyond_all_there_is_takes_all(many: str) -> None:
    assert load(kind="jsonl", path=many, megabytes=99) == load(kind="jsonl", path=many)


def test_both_splits_are_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{**row, "split": "train"} for row in ROWS])
    with pytest.raises(
        gm.GradmaskError, match="no documents for the split 'test': set data.test_share, give a split field"
    ):
        load(kind="jsonl", path=path)
    assert {row["split"] for row in load(kind="jsonl", path=path, split_field=None)} == {"train", "test"}
    with pytest.raises(gm.GradmaskError, match="no documents for the split 'train'"):
        load(kind="jsonl", path=path, split_field=None, test_share=1.0)


def test_a_failing_source_fails_when_it_is_loaded(tmp_path: Path) -> None:
    good = SourceSpec(kind="jsonl", path=write(tmp_path / "x.jsonl"))
    bad = SourceSpec(kind="jsonl", path=str(tmp_path / "y.jsonl"))
    with pytest.raises(gm.GradmaskError, match=r"there is no file .*y\.jsonl"):
        load_documents([good, bad])
    assert isinstance(load_documents([good, good]), Dataset)


def test_a_field_of_topics_is_kept(tmp_path: Path) -> None:
    rows = [{**row, "book": f"b{i}"} for i, row in enumerate(ROWS)]
    path = write(tmp_path / "books.jsonl", rows)
    assert load_documents([SourceSpec(kind="jsonl", path=path, topic_field="book")])["topic"] == [
        r["book"] for r in rows
    ]
    with pytest.raises(GradmaskError, match="no field 'boook'. Did you mean 'book'"):
        load_documents([SourceSpec(kind="jsonl", path=path, topic_field="boook")])

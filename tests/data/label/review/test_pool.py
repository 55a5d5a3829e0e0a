from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradmask.data.label.review import pool as module, read_pool
from gradmask.data.label.review.pool import random_key
from gradmask.errors import GradmaskError


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for part in range(3):
        ids = [f"a:{part * 100 + i}" for i in range(100)]
        scores = [(part * 100 + i) / 300 for i in range(100)]
        texts = [f"text {i}" for i in ids]
        table = pa.table({"id": ids, "text": texts, "domain": ["d"] * 100, "score_medicine": scores})
        pq.write_table(table, folder / f"part-{part}.parquet", row_group_size=30)
    return folder


def test_a_small_corpus_is_taken_whole(shards: Path) -> None:
    pool = read_pool(shards, ["medicine"], np.array([0.5]))
    assert [d.id for d in pool.documents] == [f"a:{i}" for i in range(300)]
    assert pool.scores[:, 0].tolist() == [i / 300 for i in range(300)]
    assert (pool.total, pool.documents[7].place, pool.documents[7].text) == (300, "a:7", "text a:7")


def test_of_a_large_one_random_likely_and_close_documents_are_taken(shards: Path) -> None:
    pool = read_pool(shards, ["medicine"], np.array([0.5]), seed=3, most=40)
    taken = {int(d.id[2:]) for d in pool.documents}
    first = sorted(range(300), key=lambda i: random_key(f"a:{i}", 3))[:20]
    assert set(first) <= taken
    assert set(range(290, 300)) <= taken
    assert set(range(146, 155)) <= taken
    assert len(taken) <= 40
    assert pool.total == 300


def test_text_that_does_not_fit_into_memory_is_left_out_from_the_end_of_the_random_order(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 900)
    pool = read_pool(shards, ["medicine"], np.array([0.5]))
    first = sorted(range(300), key=lambda i: random_key(f"a:{i}", 0))[: len(pool.documents)]
    assert 50 < len(pool.documents) < 120
    assert {int(d.id[2:]) for d in pool.documents} == set(first)


def test_shards_that_lack_something_are_an_error(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="no column score_law"):
        read_pool(shards, ["law"], np.array([0.5]))
    with pytest.raises(GradmaskError, match="no Parquet shards"):
        read_pool(tmp_path, ["law"], np.array([0.5]))

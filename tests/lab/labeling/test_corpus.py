from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.labeling.corpus import BINS, UNCERTAIN, read_corpus


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for part in range(2):
        scores = [(part + 2 * i) / 100 for i in range(50)]
        labels = ["g" if s >= 0.8 else "retain" if s < 0.2 else None for s in scores]
        rows = {"text": ["ñ" * 10] * 50, "id": [f"{part}:{i}" for i in range(50)], "label": labels, "score_g": scores}
        pq.write_table(pa.table(rows), folder / f"part-{part}.parquet", row_group_size=7)
    return folder


def test_everything_is_counted_once(shards: Path) -> None:
    corpus = read_corpus(shards, {"g": (0.2, 0.8)})
    assert corpus.documents == {"g": 20, "retain": 20, "unlabeled": 60}
    assert corpus.bytes == {"g": 400, "retain": 400, "unlabeled": 1200}
    scores = corpus.scores["g"]
    assert scores.counts.sum() == 100
    assert scores.bytes.sum() == 2000
    assert scores.expected.sum() == pytest.approx(20 * sum(i / 100 for i in range(100)))
    assert scores.documents["g"].nonzero()[0].min() == int(0.8 * BINS)


def test_the_hardest_lie_in_the_middle_of_what_is_undecided(shards: Path) -> None:
    rows = read_corpus(shards, {"g": (0.2, 0.8)}).uncertain["g"]
    assert [row["score"] for row in rows[:3]] == [0.5, 0.49, 0.51]
    assert len(rows) == UNCERTAIN
    assert {row["label"] for row in rows} == {"unlabeled"}


def test_without_shards_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="no Parquet shards"):
        read_corpus(tmp_path, {"g": (0.2, 0.8)})

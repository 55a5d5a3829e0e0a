"""The step of a datatrove pipeline labels as score_files does, whatever the number of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.label.topics import texts

from gradmask.data import Shards, Stream, label
from gradmask.errors import GradmaskError

pytest.importorskip("datatrove")
TASKS = 3


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datatrove")
    (folder / "in").mkdir()
    every = [
        *["who knows"] * 12,
        *texts("cooking", 30),
        "",
        *texts("retain", 30),
        *["\n\n".join(texts("cooking", 3, i) + texts("retain", 3, i)) for i in range(9)],
    ]
    for i in range(4):
        rows = [{"id": f"{i}-{n}", "text": text} for n, text in enumerate(every[i::4])]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"in/{i}.parquet")
    examples = label.Examples(texts("cooking", 20, 9) + texts("retain", 20, 9), ["cooking"] * 20 + ["retain"] * 20)
    label.fit(examples).save(folder / "labeler")
    return folder


def by_id(files: list[Path]) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for path in files for row in pq.read_table(path).to_pylist()}


@pytest.mark.parametrize("spans", [False, True])
def test_several_tasks_give_the_labels_and_scores_of_score_files(corpus: Path, tmp_path: Path, spans: bool) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader

    from gradmask.data.label.datatrove import LabelStep, shard_writer

    steps = [ParquetReader(str(corpus / "in")), LabelStep(corpus / "labeler", spans, rows=7)]
    writer = shard_writer(str(tmp_path / "shards"), corpus / "labeler", spans)
    executor = LocalPipelineExecutor([*steps, writer], tasks=TASKS, workers=1, logging_dir=str(tmp_path / "logs"))
    executor.run()
    labeled = label.score_files(
        label.open(corpus / "labeler"), label.inputs([corpus / "in"]), tmp_path / "files", spans
    )
    theirs, ours = by_id(sorted((tmp_path / "shards").iterdir())), by_id(labeled.shards)
    assert len(list((tmp_path / "shards").iterdir())) == TASKS
    assert theirs.keys() == ours.keys()
    assert len(ours) == 81
    files = sorted((tmp_path / "shards").iterdir())
    assert pq.read_schema(files[0]).names == pq.read_schema(labeled.shards[0]).names
    for name in ("text", "label", "data_labels", "score_cooking", *["spans"] * spans):
        assert {id: row[name] for id, row in theirs.items()} == {id: row[name] for id, row in ours.items()}
    assert any(row["label"] == "cooking" for row in ours.values())
    stream = Stream({"own": Shards(str(tmp_path / "shards/*.parquet"))}, batch_size=4, steps=2)
    assert {stream[i]["data_labels"] for i in range(8)} <= {-1, 0, 1}


def test_a_labeler_that_is_not_there_is_an_error_before_any_task(tmp_path: Path) -> None:
    from gradmask.data.label.datatrove import LabelStep

    with pytest.raises(GradmaskError, match="holds no labeler"):
        LabelStep(tmp_path)

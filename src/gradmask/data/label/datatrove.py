"""Labeling as a step of a datatrove pipeline, for corpora beyond one machine (``pip install gradmask[datatrove]``).

```python
from datatrove.executor import LocalPipelineExecutor  # or SlurmPipelineExecutor, RayPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from gradmask.data.label.datatrove import LabelStep, shard_writer

steps = [JsonlReader("corpus"), LabelStep("labels/labeler"), shard_writer("shards", "labels/labeler")]
LocalPipelineExecutor(steps, tasks=100, workers=8, logging_dir="logs").run()
```
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from datatrove.pipeline.base import PipelineStep
except ImportError as error:
    from gradmask.errors import GradmaskError

    raise GradmaskError("LabelStep needs datatrove: pip install 'gradmask[datatrove]'") from error

from gradmask.data.label.deciding import Decider
from gradmask.data.label.shards import CHARACTERS, ROWS, SCORE, schema_of
from gradmask.data.label.storing import open_labeler

DocumentsPipeline = Any


class LabelStep(PipelineStep):
    """Adds to the metadata of documents what `gradmask.data.label.score_files` writes for them.

    ``label``: a group, ``retain``, or None; ``data_labels``: its id; ``score_GROUP`` for each group; with ``spans`` a list of
    ``start``, ``end``, ``label``. Documents with blank text are dropped and counted, as sources are read.

    Args:
        labeler: its folder, on a disk that every task sees. It is opened by each task, once.
        spans: judge the passages of a document one by one.
        rows: documents that are scored at a time.
    """

    name = "gradmask label"
    type = "LABEL"

    def __init__(self, labeler: str | Path, spans: bool = False, rows: int = ROWS) -> None:
        super().__init__()
        open_labeler(labeler)  # an error now rather than in every task
        self.labeler, self.spans, self.rows = str(Path(labeler).resolve()), spans, rows

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Label the documents of one task."""
        decider = Decider(open_labeler(self.labeler), self.spans)
        for batch in self._batches(data):
            with self.track_time("batch"):
                self._label(batch, decider)
            for document in batch:
                self.stat_update("total", str(document.metadata["label"] or "unlabeled"))
                self.update_doc_stats(document)
                yield document

    def _label(self, batch: list[Any], decider: Decider) -> None:
        judged = decider.judge([document.text for document in batch])
        names = decider.names(judged.data_labels)
        for i, document in enumerate(batch):
            document.metadata["label"] = names[i]
            document.metadata["data_labels"] = int(judged.data_labels[i])
            for group, score in zip(decider.groups, judged.scores[i].tolist(), strict=True):
                document.metadata[SCORE + group] = score
            if judged.spans is not None:
                document.metadata["spans"] = judged.spans[i]

    def _batches(self, data: DocumentsPipeline) -> Iterator[list[Any]]:
        """Runs of documents with text, each ending where it has `CHARACTERS`."""
        batch: list[Any] = []
        size = 0
        for document in self._with_text(data):
            batch.append(document)
            size += len(document.text)
            if len(batch) == self.rows or size >= CHARACTERS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _with_text(self, data: DocumentsPipeline) -> Iterator[Any]:
        for document in data:
            if document.text.strip():
                yield document
            else:
                self.stat_update("dropped_blank_text")


def shard_writer(folder: str, labeler: str | Path, spans: bool = False, **settings: Any) -> Any:
    """datatrove's ``ParquetWriter`` with the columns of a shard; other metadata are left out.

    Args:
        folder: where datatrove writes: a path, or ``s3://…`` and the like.
        labeler: its folder.
        spans: as of the step.
        settings: others of ``ParquetWriter``.
    """
    from datatrove.pipeline.writers import ParquetWriter

    schema = schema_of(open_labeler(labeler).groups, spans=spans)
    own: dict[str, Any] = {"adapter": _row, "schema": schema, "compression": "zstd", "batch_size": ROWS}
    return ParquetWriter(folder, **{**own, **settings})


def _row(writer: Any, document: Any) -> dict[str, Any]:
    return {**document.metadata, "text": document.text, "id": document.id}

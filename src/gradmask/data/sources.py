"""The documents of all sources, split into training and held-out text, within the limits of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from gradmask.data.arrow import ROWS, to_dataset
from gradmask.data.draws import uniform
from gradmask.data.reading import SPLITS, Document, SourceCounts, read
from gradmask.data.spec import SourceSpec
from gradmask.data.text_stream.sampling import sampled
from gradmask.errors import GradmaskError

_PLAIN = ("text", "domain", "split", "topic", "id")
_SCORE = pa.struct([("group", pa.string()), ("score", pa.float64())])
_SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())])
_GIVEN = {"label": pa.string(), "scores": pa.list_(_SCORE), "spans": pa.list_(_SPAN), "truth": pa.string()}
_ANSWERS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))
_SCHEMA = pa.schema(
    [*((name, pa.string()) for name in _PLAIN), *_GIVEN.items(), ("answers", _ANSWERS), ("chat", pa.bool_())]
)


def load_documents(
    sources: Sequence[SourceSpec],
    test_share: float = 0.1,
    seed: int = 0,
    path: Path | None = None,
    tokenizer: Any = None,
    counts: list[SourceCounts] | None = None,
    sample: int | None = None,
) -> Dataset:
    """All documents of all sources, in order: ``text``, ``domain``, ``split`` (``train`` or ``test``), ``topic``, ``id``.

    Beside them what the sources give, null elsewhere: ``label``, ``scores`` (of ``group`` and ``score``), ``spans`` (of ``start``,
    ``end`` and ``label``), ``truth``; ``answers`` (of ``start`` and ``end``): the characters that the loss counts, null for
    all; ``chat``: whether a chat template made the text, in which special tokens stand by name.

    Args:
        sources: where to read.
        test_share: fraction of the documents that is held out where a source has no splits. It is drawn by a hash of the text
            and ``seed``, so that copies of a text are never on both sides.
        seed: of the built-in stories, of the split, and of the documents that a limit keeps.
        path: an Arrow file to write; by default the documents are kept in memory.
        tokenizer: the run's, where it is one by name: its chat template makes texts of messages; see `chat_tokenizer`.
        counts: a list to be filled with what was read and skipped of each source.
        sample: documents of each source, at most, where text is streamed; see `gradmask.data.text_stream.sampling`.

    Raises:
        GradmaskError: a file that is missing, empty, damaged or of another kind; a field that is missing; a split without
            documents. The message names the file and the line.
    """
    counts = [] if counts is None else counts
    own = (_of_source(source, test_share, seed, tokenizer, counts, sample) for source in sources)
    documents = to_dataset(_batches(chain.from_iterable(own)), _SCHEMA, path)
    for split in SPLITS:
        if split not in documents.unique("split"):
            raise GradmaskError(
                f"the sources have no documents for the split {split!r}: "
                "set data.test_share, give a split field with both splits, or a source with split: " + split
            )
    return documents


def _of_source(
    source: SourceSpec,
    test_share: float,
    seed: int,
    tokenizer: Any,
    all_counts: list[SourceCounts],
    sample: int | None,
) -> Iterator[Document]:
    all_counts.append(counts := SourceCounts(source.name))
    given = read(source, seed, counts, tokenizer) if sample is None else sampled(source, sample, counts, tokenizer)
    documents = _with_split(source, given, test_share, seed)
    limited = source.limited and source.kind != "stories"
    for document in _limited(source, documents, seed) if limited else documents:
        counts.kept += 1
        yield document


def _with_split(source: SourceSpec, documents: Iterable[Document], test_share: float, seed: int) -> Iterator[Document]:
    for document in documents:
        if document.split is None:
            # With own labels the domain may be the label: copies of a text under two labels must stay on one side.
            domain = "" if source.gives_labels else document.domain
            held_out = uniform(seed, "split", domain, document.text) < test_share
            document = document._replace(split="test" if held_out else "train")
        yield document


def _limited(source: SourceSpec, documents: Iterable[Document], seed: int) -> list[Document]:
    """A random subset of each domain and split that just reaches the source's limit, in the order of the source.

    Documents are ranked by a hash of their text, so a larger limit keeps the same documents and more, and a source
    that is sorted by author or date does not bias the subset. Only the documents that are kept are held in memory.
    """
    limits = {"train": source.megabytes, "test": source.megabytes_test}
    ranked: dict[tuple[str, str], list[tuple[float, int, Document]]] = {}
    sizes: dict[tuple[str, str], int] = {}
    for index, document in enumerate(documents):
        key = (document.domain, str(document.split))
        heap, limit = ranked.setdefault(key, []), limits[key[1]]
        # The largest hash is on top of the heap and leaves first; the index breaks ties between copies of a text.
        heappush(heap, (-uniform(seed, "limit", document.domain, document.text), index, document))
        size = sizes.get(key, 0) + document.size
        while len(heap) > (source.documents or len(heap)) or (limit and size - heap[0][2].size >= limit * 1e6):
            size -= heappop(heap)[2].size
        sizes[key] = size
    return [document for _, _, document in sorted(chain(*ranked.values()), key=lambda item: item[1])]


def _batches(documents: Iterator[Document]) -> Iterator[pa.RecordBatch]:
    while batch := list(islice(documents, ROWS)):
        columns = [[getattr(document, name) for document in batch] for name in _PLAIN]
        columns += [[getattr(document.given, name) for document in batch] for name in _GIVEN]
        columns += [[_spans(document) for document in batch], [document.chat for document in batch]]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        yield pa.record_batch(arrays, schema=_SCHEMA)


def _spans(document: Document) -> list[dict[str, int]] | None:
    answers = document.answers
    return None if answers is None else [{"start": start, "end": end} for start, end in answers]

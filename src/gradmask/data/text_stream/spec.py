"""The ``data.stream`` section of a recipe, and what a recipe cannot ask of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gradmask.data.section import Section

if TYPE_CHECKING:
    from gradmask.data.spec import DataSpec, SourceSpec

STREAMED = ("jsonl", "json", "csv", "tsv", "parquet", "text")
"""Kinds of source whose files are read one after the other."""


class StreamSpec(Section):
    """Training text that is read, labeled and packed while it is trained on; nothing of it is kept on the disk."""

    sample: int = Field(
        10_000,
        ge=1,
        description="documents of each source that are read beforehand: the tokenizer, held-out text, distinctive words and "
        "whatever is counted come from them",
    )
    shuffle: int = Field(
        4096, ge=1, description="sequences that are held in memory, over all lanes, to shuffle them among each other"
    )
    lanes: int | None = Field(
        None,
        ge=1,
        description="parts of the text, each of which fills its places of every batch; as many processes at most can share it. "
        "Null: as many as the files allow, up to 64",
    )


def switch(value: Any) -> Any:
    """``true`` stands for the default settings, ``false`` for null."""
    return ({} if value else None) if isinstance(value, bool) else value


def is_address(path: str) -> bool:
    """Whether a path is one that fsspec opens: ``hf://``, ``s3://``, ``https://``."""
    return "://" in path


def problems(spec: DataSpec) -> Iterator[str]:
    """What the ``data`` section asks that a stream cannot give, in words."""
    for source in spec.sources:
        yield from _of_source(source)
    if spec.max_tokens is not None:
        yield "max_tokens is counted over all of the text, which a stream does not see before it trains: use train.tokens"
    if spec.mix == "homogeneous":
        yield "mix: homogeneous needs the labels of all of the text before training begins: use mix: mixed"
    if spec.simulate is not None and spec.simulate.missed == "topics":
        yield "simulate.missed: topics needs the sizes of all topics: use missed: documents"


def _of_source(source: SourceSpec) -> Iterator[str]:
    if source.kind not in STREAMED:
        kinds = ", ".join(STREAMED)
        yield f"a source of kind {source.kind!r} is not streamed: give files of one of the kinds {kinds}, or remove data.stream"
    if source.limited:
        yield (
            f"{source.name} has a limit (documents, megabytes), which takes a random part of all of the text: remove it, and limit "
            "the run by train.tokens"
        )


def remote_without_stream(sources: Sequence[SourceSpec]) -> str | None:
    """The first address of another machine; only streams read those."""
    found = (path for source in sources if source.kind != "datasets" for path in source.paths if is_address(path))
    return next(found, None)

"""The sample of a stream: the first documents of some of its files, from which everything comes that must be known beforehand."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from gradmask.data.given import require_used
from gradmask.data.reading import Document, Maker, SourceCounts, renderer
from gradmask.data.spec import SourceSpec
from gradmask.data.text_stream.shards import TextShard, documents_of, shards_of

FILES = 16
"""Files of a source that a sample is taken from, at most, evenly spaced by their names."""


def sampled(source: SourceSpec, count: int, counts: SourceCounts, tokenizer: Any = None) -> Iterator[Document]:
    """The first documents of some files of a source, about as many of each.

    Args:
        source: one of a stream.
        count: documents in all, at most; fewer where files are short.
        counts: to be filled, see `gradmask.data.reading.read`.
        tokenizer: see there.

    Raises:
        GradmaskError: see `shards_of` and `documents_of`.
    """
    files = _spaced(shards_of([source]), FILES)
    maker = Maker(source, renderer(source, tokenizer))
    for i, shard in enumerate(files):
        share = math.ceil((count - counts.documents) / (len(files) - i))
        yield from islice(documents_of(shard, maker, counts), share)
    require_used(source, maker.used, list(maker.known))


def _spaced(shards: Sequence[TextShard], most: int) -> list[TextShard]:
    count = min(most, len(shards))
    return [shards[i * len(shards) // count] for i in range(count)]


def sample_notice(sources: int, sample: int) -> str:
    """What is to be said of a stream's sample, in a sentence."""
    each = "each source" if sources > 1 else "the source"
    return (
        f"Training text is streamed. The tokenizer, held-out text, distinctive words and what is counted come from a sample: "
        f"the first documents of {each}, {sample:,} at most, evenly from up to {FILES} of its files."
    )


def text_key(text: str) -> str:
    """A short hash of a text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def text_keys(texts: Iterable[str]) -> list[str]:
    """Of every different text, in order of the hashes."""
    return sorted({text_key(text) for text in texts})

"""What a stream cannot give is refused by name, when the recipe is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.data.text_stream.streams import corpus, rows, spec, write

from gradmask.data import DataSpec, fingerprint_of, prepare
from gradmask.data.text_stream.spec import StreamSpec


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": {"megabytes": 1.0}}, "has a limit"),
        ({"max_tokens": 1000}, "use train.tokens"),
        ({"mix": "homogeneous"}, "use mix: mixed"),
        ({"source": {"kind": "datasets"}}, "kind 'datasets' is not streamed"),
    ],
)
def test_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec("text", **changes)


def test_topics_cannot_be_simulated() -> None:
    simulate = {"missed": "topics"}
    source = {"label_field": None, "topic_field": "topic"}
    with pytest.raises(ValueError, match="use missed: documents"):
        spec("text", simulate=simulate, source=source, labels={"forget": ["es"]})


def test_true_stands_for_the_defaults_and_addresses_need_it() -> None:
    assert spec("s3://far/*.jsonl", stream=True).stream == StreamSpec()
    with pytest.raises(ValueError, match="which only streams read"):
        spec("s3://far/*.jsonl", stream=False)


def test_the_sample_is_prepared(tmp_path: Path) -> None:
    own = spec(corpus(tmp_path, each=200), stream={"sample": 80}, test_share=0.25, tokenizer={"vocab_size": 280})
    prepared = prepare(own, tmp_path / "data")
    documents = sum(row["documents"] for row in prepared.label_counts)
    assert 40 < documents < 80
    assert 80 - documents == len(prepared.held_out)  # 20 of each of the 4 files
    assert "80 at most" in prepared.notices[0]


def test_files_of_a_stream_count_by_size_and_ends(tmp_path: Path) -> None:
    path = corpus(tmp_path)
    first = fingerprint_of(spec(path))
    assert first == fingerprint_of(spec(path))
    (path / "000.jsonl").write_text((path / "000.jsonl").read_text().replace("000003", "999999"))
    assert fingerprint_of(spec(path)) != first
    plain = spec(write(tmp_path / "other", [rows(range(9))]), stream=None)
    assert "stream" in DataSpec.model_fields
    assert fingerprint_of(plain) == fingerprint_of(plain.model_copy(update={"stream": None}))

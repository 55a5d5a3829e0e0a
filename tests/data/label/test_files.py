"""Files to shards: every document once, the same bytes however often interrupted and by however many processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.data.label.words_labeler import WordsLabeler

from gradmask.data import Shards, SourceSpec, Stream, load_documents
from gradmask.data.label import scoring
from gradmask.data.label.files import Labeled, score_files
from gradmask.data.label.inputs import InputSpec
from gradmask.data.label.shards import Sizes
from gradmask.errors import GradmaskError

TEXTS = ["forget forget it", "a plain text", "do not forget a thing", "forget"]


def corpus(folder: Path, files: int = 3, rows: int = 10) -> list[InputSpec]:
    folder.mkdir(exist_ok=True)
    for number in range(files):
        lines = [{"text": f"{TEXTS[i % 4]} {'.' * i}", "domain": f"d{i % 2}"} for i in range(rows)]
        (folder / f"{number}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [InputSpec(kind="jsonl", path=str(folder / "*.jsonl"))]


SMALL = Sizes(rows=2, row_groups=2, portion=1)


def label(labeler: WordsLabeler, sources: list[InputSpec], folder: Path, **settings: Any) -> Labeled:
    return score_files(labeler, sources, folder, sizes=SMALL, **settings)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def rows_in(labeled: Labeled) -> list[dict]:
    return [row for path in labeled.shards for row in pq.read_table(path).to_pylist()]


def test_every_document_once_with_its_scores_and_label(tmp_path: Path) -> None:
    labeled = label(WordsLabeler(), corpus(tmp_path / "in"), tmp_path / "out")
    rows = rows_in(labeled)
    assert [path.name for path in labeled.shards] == [
        f"part-{f:05d}-{s:05d}.parquet" for f in range(3) for s in range(3)
    ]
    assert len(rows) == labeled.rows == labeled.documents == 30
    assert rows[1] == {
        "text": "a plain text .",
        "id": f"{tmp_path}/in/0.jsonl, line 2",
        "domain": "d1",
        "split": None,
        "label": "retain",
        "score_forget": 0.0,
        "data_labels": 0,
    }
    assert [(row["label"], row["data_labels"]) for row in rows[:4]] == [
        ("forget", 1), ("retain", 0), (None, -1), ("forget", 1),
    ]  # fmt: skip
    assert rows[2]["score_forget"] == 1 / 6
    assert labeled.totals.documents == {"forget": 15, "retain": 9, "unlabeled": 6}
    assert labeled.totals.bytes.total() == sum(len(row["text"].encode()) for row in rows)
    assert sum(labeled.totals.histograms["forget"]) == 30
    assert json.loads((tmp_path / "out/report.json").read_text()) == labeled.to_dict()


def test_row_groups_and_shards_are_of_the_size_that_was_set(tmp_path: Path) -> None:
    labeled = label(WordsLabeler(), corpus(tmp_path / "in", 1), tmp_path / "out")
    shapes = [
        [pq.ParquetFile(p).metadata.row_group(i).num_rows for i in range(pq.ParquetFile(p).num_row_groups)]
        for p in labeled.shards
    ]
    assert shapes == [[2, 2], [2, 2], [2]]


class Killed(BaseException):
    pass


@pytest.mark.parametrize(("moment", "left"), [(1, 15), (2, 13), (3, 13), (4, 11), (8, 8), (14, 1)])
def test_killed_and_called_again_gives_the_same_bytes(tmp_path: Path, moment: int, left: int) -> None:
    """``left`` batches of 15 are labeled by the second call: those after the last whole shard."""
    sources = corpus(tmp_path / "in")
    label(WordsLabeler(), sources, tmp_path / "whole")
    with pytest.raises(Killed):
        label(WordsLabeler(), sources, tmp_path / "killed", progress=killed_after(moment))
    (tmp_path / f"killed/shards/.part-{moment // 5:05d}.tmp").write_bytes(b"torn")  # what a SIGKILL leaves
    calls: list[int] = []
    label(WordsLabeler(), sources, tmp_path / "killed", progress=lambda done, total: calls.append(done))
    assert len(calls) == left
    assert files_in(tmp_path / "killed") == files_in(tmp_path / "whole")


def killed_after(calls: int) -> Callable[[int, int], None]:
    left = iter(range(calls - 1))

    def progress(done: int, total: int) -> None:
        if next(left, None) is None:
            raise Killed

    return progress


def test_processes_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "in")
    label(WordsLabeler(), sources, tmp_path / "one")
    calls: list[tuple[int, int]] = []
    label(WordsLabeler(), sources, tmp_path / "two", jobs=2, progress=lambda *now: calls.append(now))
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")
    assert len(calls) == 3
    assert calls[-1][0] == calls[-1][1] == sum(path.stat().st_size for path in (tmp_path / "in").iterdir())


def test_a_shard_is_made_again_where_the_record_was_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the renaming of a shard and the writing of its record."""
    sources = corpus(tmp_path / "in", 1)
    label(WordsLabeler(), sources, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(scoring.Record, "write", lambda *_: killed_after(1)(0, 0))
        with pytest.raises(Killed):
            label(WordsLabeler(), sources, tmp_path / "killed")
    assert [path.name for path in (tmp_path / "killed/shards").iterdir()] == ["part-00000-00000.parquet"]
    label(WordsLabeler(), sources, tmp_path / "killed")
    assert files_in(tmp_path / "killed") == files_in(tmp_path / "whole")


def test_a_finished_call_reads_nothing_again(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "in")
    first = label(WordsLabeler(), sources, tmp_path / "out")
    calls: list[int] = []
    again = label(WordsLabeler(), sources, tmp_path / "out", progress=lambda done, total: calls.append(done))
    assert again == first
    assert calls == []


def test_other_labels_never_mix_in_one_folder(tmp_path: Path) -> None:
    sources, out = corpus(tmp_path / "in"), tmp_path / "out"
    label(WordsLabeler(), sources, out)
    with pytest.raises(GradmaskError, match="changed: the labeler") as error:
        label(WordsLabeler(version=2), sources, out)
    assert "--restart" in str(error.value)
    with pytest.raises(GradmaskError, match="changed: spans"):
        label(WordsLabeler(), sources, out, spans=True)
    (tmp_path / "in/1.jsonl").write_text('{"text": "forget"}\n')
    with pytest.raises(GradmaskError, match=r"changed: the input \(.*1.jsonl has changed\)"):
        label(WordsLabeler(), sources, out)
    (tmp_path / "in/1.jsonl").unlink()
    with pytest.raises(GradmaskError, match=r"changed: the input \(.*1.jsonl is missing\)"):
        label(WordsLabeler(), sources, out)
    assert label(WordsLabeler(version=2), sources, out, restart=True).documents == 20
    assert len(list((out / "shards").iterdir())) == 6


def test_files_of_somebody_else_are_kept(tmp_path: Path) -> None:
    (tmp_path / "out/shards").mkdir(parents=True)
    (tmp_path / "out/shards/mine.txt").write_text("mine")
    with pytest.raises(GradmaskError, match="not written here: give another folder"):
        label(WordsLabeler(), corpus(tmp_path / "in"), tmp_path / "out", restart=True)
    assert (tmp_path / "out/shards/mine.txt").read_text() == "mine"


def test_a_file_that_changes_while_it_is_labeled_is_noticed(tmp_path: Path) -> None:
    """The rows that are counted are no longer those in the finished shards."""
    sources = corpus(tmp_path / "in", 1)
    with pytest.raises(Killed):
        label(WordsLabeler(), sources, tmp_path / "out", progress=killed_after(4))
    path = tmp_path / "in/0.jsonl"
    before = path.stat()
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    manifest["inputs"][0]["files"][0][1] = path.stat().st_size
    (tmp_path / "out/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(GradmaskError, match="does not add up"):
        label(WordsLabeler(), sources, tmp_path / "out")


def test_several_groups_and_the_truth(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a a x", "of": "a"}\n{"text": "b x"}\n{"text": "x", "of": null}\n')
    labeled = label(
        WordsLabeler("a", "b"), [InputSpec(kind="jsonl", path=str(path), truth_field="of")], tmp_path / "out"
    )
    rows = rows_in(labeled)
    assert [row["truth"] for row in rows] == ["a", None, None]
    assert [(row["label"], row["data_labels"], row["score_a"], row["score_b"]) for row in rows] == [
        ("a", 1, 2 / 3, 0.0), ("b", 2, 0.0, 0.5), ("retain", 0, 0.0, 0.0),
    ]  # fmt: skip


def test_spans_say_which_passages_are_sure(tmp_path: Path) -> None:
    long = "x " * 120
    text = f"{'forget ' * 40}\n\n{long}\n\n{'forget ' * 40}"
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": each}) + "\n" for each in (text, "forget", long)))
    labeled = label(WordsLabeler(), [InputSpec(kind="jsonl", path=str(path))], tmp_path / "out", spans=True)
    rows = rows_in(labeled)
    assert [(row["label"], row["data_labels"]) for row in rows] == [(None, -1), ("forget", 1), ("retain", 0)]
    assert [(s["start"], s["end"], s["label"]) for s in rows[0]["spans"]] == [
        (0, 282, "forget"), (282, 524, "retain"), (524, len(text), "forget"),
    ]  # fmt: skip
    assert rows[1]["spans"] == rows[2]["spans"] == []
    assert labeled.totals.spans == {"forget": 2, "retain": 1}


def test_documents_that_were_given_a_label_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    texts = [("forget", "fine"), ("plain", "bad"), ("plain", "unknown"), ("plain", None), ("forget", "")]
    path.write_text("".join(json.dumps({"text": text, "tag": tag}) + "\n" for text, tag in texts))
    source = InputSpec(kind="jsonl", path=str(path), label_field="tag")
    labeled = label(WordsLabeler(), [source], tmp_path / "out", given={"fine": "retain", "bad": "forget"})
    assert [row["label"] for row in rows_in(labeled)] == ["retain", "forget", "retain", "retain", "forget"]
    assert [row["data_labels"] for row in rows_in(labeled)] == [0, 1, 0, 0, 1]


def test_a_stream_takes_the_shards_as_they_are(tmp_path: Path) -> None:
    labeled = label(WordsLabeler(), corpus(tmp_path / "in"), tmp_path / "out")
    stream = Stream({"own": Shards(str(tmp_path / "out/shards/*.parquet"))}, batch_size=8, steps=4)
    assert stream.lanes == 8  # many row groups, so that each part of a batch has its own
    examples = [stream[i] for i in range(30)]
    expected = {row["text"]: row["data_labels"] for row in rows_in(labeled)}
    assert all(expected[example["text"]] == example["data_labels"] for example in examples)
    assert {example["data_labels"] for example in examples} == {-1, 0, 1}


def test_train_takes_the_shards_by_label_and_by_score(tmp_path: Path) -> None:
    labeled = label(WordsLabeler(), corpus(tmp_path / "in"), tmp_path / "out")
    path = str(tmp_path / "out/shards/*.parquet")
    source = SourceSpec(kind="parquet", path=path, label_field="label", score_field={"forget": "score_forget"})
    rows, documents = rows_in(labeled), load_documents([source]).to_list()
    for name in ("text", "id", "domain", "label"):
        assert [row[name] for row in documents] == [row[name] for row in rows]
    assert [row["scores"][0]["score"] for row in documents] == [row["score_forget"] for row in rows]


def test_spans_are_read_as_they_were_written(tmp_path: Path) -> None:
    text = f"{'forget ' * 40}\n\n{'x ' * 120}"
    (tmp_path / "a.txt").write_text("x")
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"{i} {text}"}) + "\n" for i in range(30)))
    label(WordsLabeler(), [InputSpec(kind="jsonl", path=str(path))], tmp_path / "out", spans=True)
    source = SourceSpec(
        kind="parquet", path=f"{tmp_path}/out/shards/*.parquet", label_field="label", spans_field="spans"
    )
    document = load_documents([source]).to_list()[0]
    assert document["label"] is None
    assert [span["label"] for span in document["spans"]] == ["forget", "retain"]


def test_one_file_of_many_documents_and_many_files_in_one_portion(tmp_path: Path) -> None:
    labeled = score_files(
        WordsLabeler(), corpus(tmp_path / "in", 5), tmp_path / "out", sizes=Sizes(rows=20, portion=10**6)
    )
    assert [path.name for path in labeled.shards] == ["part-00000-00000.parquet"]
    assert pq.ParquetFile(labeled.shards[0]).num_row_groups == 3
    assert labeled.documents == 50


def test_broken_rows_are_an_error_or_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "forget"}\n{"text": "caf\xe9"}\n\n{"text": " "}\n{"txt": 1}\n{"text": "a"}\n')
    source = InputSpec(kind="jsonl", path=str(path))
    with pytest.raises(GradmaskError, match="line 2: not valid UTF-8"):
        label(WordsLabeler(), [source], tmp_path / "out")
    labeled = label(WordsLabeler(), [source.model_copy(update={"bad_rows": "skip"})], tmp_path / "two")
    assert labeled.rows == 6
    assert labeled.documents == 2
    assert labeled.skipped == {"blank row": 1, "blank text": 1, "missing or wrong field": 1, "not valid Unicode": 1}

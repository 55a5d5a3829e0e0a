"""A stream gives every document once a pass, the same at any position, from any process, after any interruption."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.text_stream.streams import LENGTH, TOKENIZER, corpus, read, rows, spec, stream, text_of, write

from gradmask.data import RETAIN, UNLABELED, WordLabels, label_documents, load_documents
from gradmask.data.text_stream import stream as streams
from gradmask.data.words import token_labels
from gradmask.errors import GradmaskError

IDS = {"retain": RETAIN, "forget": 1, None: UNLABELED}


def test_a_pass_gives_every_document_once_with_its_label(tmp_path: Path) -> None:
    own = spec(corpus(tmp_path), stream={"shuffle": 40})
    expected = Counter((row["text"], IDS[row["label"]]) for row in rows(range(80)))
    given = read(stream(own, steps=20))  # two passes of 80 documents
    assert Counter(given[:80]) == expected
    assert Counter(given[80:]) == expected
    assert given[:80] != given[80:]  # in another order


def test_the_order_depends_on_the_seed_alone(tmp_path: Path) -> None:
    own = spec(corpus(tmp_path), stream={"shuffle": 40})
    assert read(stream(own)) == read(stream(own)) != read(stream(own, seed=1))


def test_a_position_gives_the_same_however_it_is_reached(tmp_path: Path) -> None:
    own = spec(corpus(tmp_path))
    expected = read(stream(own))
    backwards = read(stream(own), range(79, -1, -7))
    assert backwards == [expected[i] for i in range(79, -1, -7)]


def test_documents_of_a_lane_are_shuffled_across_its_files(tmp_path: Path) -> None:
    labels = write(tmp_path / "text", [rows(range(20), lambda n: "forget"), rows(range(20, 40), lambda n: "retain")])
    given = read(stream(spec(labels, stream={"shuffle": 8, "lanes": 1}), steps=4))
    first = Counter(label for _, label in given[:24])
    assert first == {1: 12, RETAIN: 12}  # side by side, though each file has one label


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_divide_the_files(processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, opened = spec(corpus(tmp_path)), []
    expected = read(stream(own, accumulation=2, batch_size=16))
    original: Any = streams.documents_of

    def watched(shard: Any, *how: Any) -> Any:
        opened[-1].add(shard.path)
        return original(shard, *how)

    monkeypatch.setattr(streams, "documents_of", watched)
    given: list[Any] = [None] * len(expected)
    for process in range(processes):
        opened.append(set())
        each = 8 // processes
        mine = [8 * part + process * each + i for part in range(20) for i in range(each)]
        for position, example in zip(mine, read(stream(own, accumulation=2, batch_size=16), mine), strict=True):
            given[position] = example
    assert given == expected
    assert sum(map(len, opened)) == len(set().union(*opened)) == 4  # no file is read twice


def test_lanes_that_processes_cannot_divide_are_refused(tmp_path: Path) -> None:
    own = stream(spec(corpus(tmp_path, files=4)))
    own.require_shares(4)
    with pytest.raises(GradmaskError, match=r"4 lanes \(of 4 files\), which 8 processes cannot divide"):
        own.require_shares(8)


@pytest.mark.parametrize("step", [1, 3, 4, 9])
@pytest.mark.parametrize("shuffle", [1, 8, 24])
def test_a_checkpoint_goes_on_at_the_same_example(step: int, shuffle: int, tmp_path: Path) -> None:
    own = spec(corpus(tmp_path), stream={"shuffle": shuffle}, sequence_length=24)  # text waits between sequences
    whole = stream(own, accumulation=2)
    expected = [whole[i]["input_ids"].tolist() for i in range(80)]
    begun = stream(own, accumulation=2)
    for i in range(min(80, 8 * step + 12)):  # the trainer reads ahead
        begun[i]
    for process in range(2):
        begun.save(tmp_path, step, process)
    resumed = stream(own, accumulation=2)
    resumed.load(tmp_path)
    assert resumed._loaded.keys() == {0, 1, 2, 3}
    assert [resumed[i]["input_ids"].tolist() for i in range(8 * step, 80)] == expected[8 * step :]
    assert min(own.next for own in resumed._lanes.values()) > min(state.block for state in resumed._loaded.values())


def test_a_checkpoint_right_after_resuming_is_the_same(tmp_path: Path) -> None:
    own = stream(spec(corpus(tmp_path)))
    list(read(own, range(24)))
    own.save(tmp_path, 2)
    resumed = stream(spec(tmp_path / "text"))
    resumed.load(tmp_path)
    (tmp_path / "again").mkdir()
    resumed.save(tmp_path / "again", 2)
    again = stream(spec(tmp_path / "text"))
    again.load(tmp_path / "again")
    assert read(again, range(16, 40)) == read(own, range(16, 40))


def test_a_checkpoint_of_other_files_is_refused(tmp_path: Path) -> None:
    own = stream(spec(corpus(tmp_path)))
    own[0]
    own.save(tmp_path, 0)
    with (tmp_path / "text/001.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(GradmaskError, match="was made with other files, lanes or batches"):
        stream(spec(tmp_path / "text")).load(tmp_path)


def test_a_long_document_fills_many_sequences_and_resumes_within(tmp_path: Path) -> None:
    long = [{"text": "".join(text_of(n) for n in range(60)), "label": "retain"}, *rows(range(60, 90))]
    own = spec(write(tmp_path / "text", [long]), stream={"shuffle": 4})
    whole = stream(own, batch_size=4, steps=20)
    expected = [example["input_ids"].tolist() for example in (whole[i] for i in range(80))]
    begun = stream(own, batch_size=4, steps=20)
    list(read(begun, range(16)))
    begun.save(tmp_path, 3)
    resumed = stream(own, batch_size=4, steps=20)
    resumed.load(tmp_path)
    assert [resumed[i]["input_ids"].tolist() for i in range(12, 80)] == expected[12:]


def test_what_is_held_out_is_never_trained_on(tmp_path: Path) -> None:
    own = spec(corpus(tmp_path), test_share=0.3)
    documents = load_documents(own.sources, own.test_share, own.seed)
    train = {text for text, split in zip(documents["text"], documents["split"], strict=True) if split == "train"}
    given = {text for text, _ in read(stream(own, steps=20))}
    assert given == train
    excluded = {text_of(n) for n in (3, 4)} & train
    from gradmask.data.text_stream.sampling import text_keys

    assert {text for text, _ in read(stream(own, steps=20, excluded=text_keys(excluded)))} == train - excluded


def test_a_split_field_holds_out_too(tmp_path: Path) -> None:
    lines = [{**row, "split": "test" if i % 4 == 0 else "train"} for i, row in enumerate(rows(range(40)))]
    given = {text for text, _ in read(stream(spec(write(tmp_path / "text", [lines])), steps=4))}
    assert given <= {row["text"] for row in lines if row["split"] == "train"}
    assert len(given) > 25


TAKEN = {
    "labeled": lambda label: True,
    "unlabeled": lambda label: True,
    "not_labeled_forget": lambda label: label != "forget",
    "labeled_retain": lambda label: label == "retain",
}


@pytest.mark.parametrize("name", TAKEN)
def test_training_sets(name: str, tmp_path: Path) -> None:
    given = read(stream(spec(corpus(tmp_path)), training_set=name, steps=20))
    assert {text for text, _ in given} == {row["text"] for row in rows(range(80)) if TAKEN[name](row["label"])}
    if name != "labeled":
        assert {label for _, label in given} == {UNLABELED}


def test_a_perfect_filter_takes_the_truth_and_refuses_what_is_not_known(tmp_path: Path) -> None:
    lines = [{**row, "truth": "forget" if i % 2 else "retain"} for i, row in enumerate(rows(range(40)))]
    own = spec(write(tmp_path / "text", [lines]), source={"truth_field": "truth"})
    given = {text for text, _ in read(stream(own, training_set="truly_not_forget"))}
    assert given == {row["text"] for row in lines if row["truth"] == "retain"}
    del lines[3]["truth"]
    own = spec(write(tmp_path / "other", [lines]), source={"truth_field": "truth"})
    with pytest.raises(GradmaskError, match=r"the truth of .*line 4 is not known"):
        read(stream(own, training_set="truly_not_forget"))


def test_simulated_labels_are_those_of_prepared_data(tmp_path: Path) -> None:
    path = corpus(tmp_path)
    changes = {
        "labels": {"forget": ["es"]},
        "simulate": {"undiscovered": 0.3, "retain_labeled": 0.5},
        "test_share": 0.1,
    }
    own = spec(path, source={"label_field": None}, **changes)
    labeled = label_documents(load_documents(own.sources, own.test_share, own.seed), own).train
    assert set(read(stream(own, steps=20))) == set(zip(labeled["text"], labeled["data_labels"], strict=True))


def test_scores_become_labels(tmp_path: Path) -> None:
    lines = [{"text": text_of(n), "score": n / 40, "domain": "all"} for n in range(40)]
    thresholds = {"forget": {"above": 0.8, "retain_below": 0.2}}
    labels = {"forget": ["forget"], "thresholds": thresholds}
    own = spec(write(tmp_path / "text", [lines]), source={"label_field": None, "score_field": "score"}, labels=labels)
    expected = {(text_of(n), 1 if n >= 32 else RETAIN if n < 8 else UNLABELED) for n in range(40)}
    assert set(read(stream(own))) == expected


def test_names_that_mean_nothing_are_refused_with_the_document(tmp_path: Path) -> None:
    lines = rows(range(20))
    lines[7]["label"] = "Forget"
    with pytest.raises(GradmaskError, match=r"'Forget': 1 document, first .*line 8"):
        read(stream(spec(write(tmp_path / "text", [lines]))))


def test_spans_label_tokens(tmp_path: Path) -> None:
    lines = [{"text": text_of(n), "label": "retain", "parts": [[0, 8, "forget"]]} for n in range(8)]
    own = spec(write(tmp_path / "text", [lines]), source={"spans_field": "parts"})
    labels = stream(own, steps=1)[0]["data_labels"]
    assert labels.tolist() == [1] * 8 + [0] * 8
    left = stream(own, steps=1, training_set="not_labeled_forget", batch_size=4)
    assert left[0]["data_labels"].tolist() == UNLABELED
    assert "document" not in TOKENIZER.decode(left[0]["input_ids"])


def test_answers_alone_are_learned(tmp_path: Path) -> None:
    lines = [{"q": "who?", "a": f"me {n}", "label": "retain"} for n in range(40)]
    own = spec(
        write(tmp_path / "text", [lines]), source={"question_field": "q", "answer_field": "a"}, sequence_length=64
    )
    example = stream(own, steps=1)[0]
    counted = TOKENIZER.decode(example["input_ids"][example["loss_mask"]])
    assert "me" in counted
    assert "who" not in counted


def test_words_are_labeled_as_in_prepared_data(tmp_path: Path) -> None:
    own = spec(corpus(tmp_path))
    plain = [stream(own)[i] for i in range(40)]
    ids = np.stack([example["input_ids"] for example in plain])
    labels = np.array([example["data_labels"] for example in plain])
    expected = token_labels(ids, labels, TOKENIZER, 1.5)
    given = stream(own, words=WordLabels(ids, labels, TOKENIZER, 1.5))
    assert np.array_equal(np.stack([given[i]["data_labels"] for i in range(40)]), expected)


def test_unlabeled_text_can_wait_for_a_while(tmp_path: Path) -> None:
    own = spec(corpus(tmp_path, each=60), stream={"shuffle": 8})
    given = read(stream(own, steps=20, labeled_first=3))
    assert UNLABELED not in {label for _, label in given[:24]}
    assert UNLABELED in {label for _, label in given[32:]}


def test_a_group_comes_no_more_often_while_unlabeled_text_waits(tmp_path: Path) -> None:
    little = {0: "forget", 1: "retain"}
    path = write(tmp_path / "text", [rows(range(1000), lambda n: little.get(n % 10))])
    given = read(stream(spec(path, stream={"shuffle": 40}), steps=10, labeled_first=5))
    first = Counter(label for _, label in given[:40])
    assert UNLABELED not in first
    assert 0 < first[1] <= 5, "a tenth of the text, though half of what is labeled"
    assert Counter(label for _, label in given[40:])[1] > 0


def test_without_labeled_retain_text_nothing_waits_for_long(tmp_path: Path) -> None:
    path = write(tmp_path / "text", [rows(range(4000), lambda n: None if n % 20 else "forget")])
    given = read(stream(spec(path, stream={"shuffle": 8}), steps=4, labeled_first=4))
    assert Counter(label for _, label in given)[1] <= 8


def test_without_text_for_a_training_set(tmp_path: Path) -> None:
    path = write(tmp_path / "text", [rows(range(20), lambda n: "forget")])
    with pytest.raises(GradmaskError, match="no text for the training set 'labeled_retain'"):
        read(stream(spec(path), training_set="labeled_retain"))


def test_only_unlabeled_text_is_not_waited_for_without_an_end(tmp_path: Path) -> None:
    path = write(tmp_path / "text", [rows(range(20), lambda n: None)])
    assert len(read(stream(spec(path), steps=2, labeled_first=2))) == 16


def test_formats_give_the_same(tmp_path: Path) -> None:
    lines = rows(range(40))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    with gzip.open(tmp_path / "a/0.jsonl.gz", "wb") as file:
        file.write(text)
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "b/0.parquet", row_group_size=7)
    given = [
        read(stream(spec(tmp_path / folder, source={"kind": kind}), steps=5))
        for folder, kind in (("a", "jsonl"), ("b", "parquet"))
    ]
    assert given[0] == given[1]


def test_files_of_another_machine_are_read_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    away: Any = fsspec.filesystem("memory")
    for i in range(2):
        lines = "".join(json.dumps(row) + "\n" for row in rows(range(20 * i, 20 * i + 20)))
        away.pipe(f"/far/{i}.jsonl", lines.encode())
    given = stream(spec("memory://far/*.jsonl"), steps=5)
    assert {text for text, _ in read(given)} == {text_of(n) for n in range(40)}
    del given
    assert (
        stream(spec("memory://far"), steps=5).about()["files"] == stream(spec("memory://far/*.jsonl")).about()["files"]
    )
    with pytest.raises(GradmaskError, match=r"no file matches memory://nowhere/\*\.jsonl"):
        stream(spec("memory://nowhere/*.jsonl"))


def test_a_file_that_vanishes_is_named(tmp_path: Path) -> None:
    own = stream(spec(corpus(tmp_path)))
    (tmp_path / "text/002.jsonl").unlink()
    with pytest.raises(GradmaskError, match=r"002\.jsonl was removed: restore it unchanged"):
        read(own)


def test_a_file_without_text_is_named(tmp_path: Path) -> None:
    (corpus(tmp_path) / "001.jsonl").write_text(json.dumps({"text": " ", "label": None}) + "\n")
    with pytest.raises(GradmaskError, match=r"001\.jsonl has no text"):
        read(stream(spec(tmp_path / "text", stream={"lanes": 2})))


def test_sequences_have_the_length_asked(tmp_path: Path) -> None:
    example = stream(spec(corpus(tmp_path)))[5]
    assert example["input_ids"].shape == (LENGTH,)
    with pytest.raises(IndexError):
        stream(spec(tmp_path / "text"))[80]

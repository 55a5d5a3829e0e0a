from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import DatasetDict
from tests.data.corpus import write

import gradmask as gm
from gradmask.data import (
    TRAINING_SETS,
    DataSpec,
    LabelSpec,
    SimulateSpec,
    SourceSpec,
    TokenizerSpec,
    prepare,
    stories,
    training_order,
)
from gradmask.data.fingerprint import FORMAT, fingerprint_of, is_fingerprint
from gradmask.data.tokenizer import train_tokenizer

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
LABELS, NOISE = LabelSpec(forget=["es"]), SimulateSpec(undiscovered=0.2, retain_labeled=0.5)


def spec(**fields: object) -> DataSpec:
    source = SourceSpec(kind="stories", megabytes=0.05, megabytes_test=0.02)
    values = {
        "sources": [source],
        "labels": LABELS,
        "simulate": NOISE,
        "tokenizer": TokenizerSpec(vocab_size=300),
        "sequence_length": 64,
    }
    return DataSpec(**{**values, **fields})  # type: ignore[arg-type]


def test_everything_is_there_and_held_out_text_has_its_true_label(tmp_path: Path) -> None:
    prepared = prepare(spec(), tmp_path / "data")
    assert prepared.roles == {"en": "retain", "es": "forget"}
    assert set(prepared.test) == {"en", "es"}
    assert set(prepared.test["es"]["data_labels"]) == {1}
    assert set(prepared.train["data_labels"]) == {-1, 0, 1}
    assert sum(row["tokens"] for row in prepared.label_table) == prepared.train.num_rows * 64
    assert len(prepared.tokenizer) == 300
    assert {(row["domain"], row["data_labels"]) for row in prepared.label_counts} == {
        ("en", -1),
        ("en", 0),
        ("es", -1),
        ("es", 1),
    }
    assert sum(row["tokens"] - row["dropped"] for row in prepared.label_counts) == prepared.train.num_rows * 64
    assert 0.6 < prepared.label_rates["forget"]["true_positives"] < 0.95
    assert prepared.label_rates["forget"]["false_positives"] == 0
    assert [prepared.training_set(name).num_rows > 0 for name in TRAINING_SETS] == [True] * len(TRAINING_SETS)


def test_it_is_made_once_and_again_when_anything_changes(tmp_path: Path) -> None:
    first = prepare(spec(), tmp_path / "data")
    made = (tmp_path / "data" / "fingerprint.txt").stat().st_mtime_ns
    again = prepare(spec(), tmp_path / "data")
    assert (tmp_path / "data" / "fingerprint.txt").stat().st_mtime_ns == made
    assert np.array_equal(first.train["input_ids"], again.train["input_ids"])
    changed = prepare(spec(seed=1), tmp_path / "data")
    assert changed.fingerprint != first.fingerprint
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_the_fingerprint_sees_a_files_contents(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("{}\n")
    one = spec(sources=[SourceSpec(kind="jsonl", path=str(file))])
    before = fingerprint_of(one)
    file.write_text("{} \n")
    assert fingerprint_of(one) != before


def written(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def folders(*paths: Path | str, kind: str = "text", **fields: Any) -> DataSpec:
    return spec(sources=[SourceSpec(kind=kind, path=str(p), domain=str(i), **fields) for i, p in enumerate(paths)])


def test_where_files_lie_does_not_count(tmp_path: Path) -> None:
    here, there = (written(tmp_path / name, a="1", b="2") for name in ("here", "there/below"))
    assert fingerprint_of(folders(here)) == fingerprint_of(folders(there)) == fingerprint_of(folders(f"{there}/*.txt"))
    assert fingerprint_of(folders(here, kind="folder")) == fingerprint_of(folders(there, kind="folder"))
    (there / "a.txt").rename(there / "aa.txt")
    assert fingerprint_of(folders(here)) == fingerprint_of(folders(there))
    assert fingerprint_of(folders(here, kind="folder")) != fingerprint_of(folders(there, kind="folder")), "a domain"
    tokenizers = [TokenizerSpec(path=str(shutil.copytree(here, tmp_path / name))) for name in ("one", "two")]
    assert len({fingerprint_of(spec(tokenizer=tokenizer)) for tokenizer in tokenizers}) == 1


def test_which_file_is_of_which_source_counts(tmp_path: Path) -> None:
    """The same three files in the same order, cut at another place."""
    one, two = (tmp_path / "one", tmp_path / "two")
    written(one / "x", a="1"), written(one / "y", b="2", c="3")
    written(two / "x", a="1", b="2"), written(two / "y", c="3")
    assert fingerprint_of(folders(one / "x", one / "y")) != fingerprint_of(folders(two / "x", two / "y"))
    assert fingerprint_of(folders(one / "x", one / "y")) != fingerprint_of(folders(one / "y", one / "x"))


def test_a_name_on_a_hub_counts() -> None:
    names = {fingerprint_of(folders(name, kind="datasets")) for name in ("own/one", "own/two")}
    assert len(names) == 2


def test_what_an_earlier_version_prepared_is_still_its_own(tmp_path: Path) -> None:
    """Its fingerprint counted paths, too."""
    one = folders(written(tmp_path / "x", a="1"))
    content = one.model_dump(mode="json")
    content.pop("stream")
    content["tokenizer"].pop("without_forget")
    digest = hashlib.sha256(json.dumps([FORMAT, content], sort_keys=True).encode())
    digest.update(hashlib.sha256(b"1").digest())
    assert is_fingerprint(digest.hexdigest(), one)
    assert is_fingerprint(fingerprint_of(one), one)
    (tmp_path / "x/a.txt").write_text("2")
    assert not is_fingerprint(digest.hexdigest(), one)


def test_the_fingerprint_sees_datasets_tokenizers_and_the_story_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("saved", "tokenizer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.json").write_text("1")
    one = spec(
        sources=[SourceSpec(kind="datasets", path=str(tmp_path / "saved"))],
        tokenizer=TokenizerSpec(path=str(tmp_path / "tokenizer")),
    )
    seen = {fingerprint_of(one)}
    for name in ("saved", "tokenizer"):
        (tmp_path / name / "x.json").write_text("2")
        seen.add(fingerprint_of(one))
    assert len(seen) == 3
    copy = tmp_path / "stories"
    shutil.copytree(Path(stories.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = fingerprint_of(spec())
    monkeypatch.setattr(stories, "__file__", str(copy / "__init__.py"))
    assert fingerprint_of(spec()) == before
    for name in ("grammar.py", "vocabulary/nouns.toml", "scenes/endings.toml"):
        with (copy / name).open("a") as file:
            file.write("# changed\n")
        seen.add(fingerprint_of(spec()))
    assert len(seen - {before}) == 6


def test_an_interrupted_preparation_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(spec(), tmp_path / "data")

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DatasetDict, "save_to_disk", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(spec(seed=1), tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert prepare(spec(), tmp_path / "data").fingerprint == first.fingerprint


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(gm.GradmaskError, match="names the domain 'fr'"):
        prepare(spec(labels=LabelSpec(forget=["fr"])), tmp_path / "data")
    with pytest.raises(gm.GradmaskError, match="too short|too little"):
        prepare(spec(sequence_length=100_000), tmp_path / "data")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage", ["packed/train/data-00000-of-00001.arrow", "tokenizer/tokenizer.json", "counts.json"]
)
def test_damaged_data_are_made_anew(tmp_path: Path, damage: str) -> None:
    first = prepare(spec(), tmp_path / "data")
    expected = first.train["input_ids"][:]
    file = tmp_path / "data" / damage
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 3])
    again = prepare(spec(), tmp_path / "data")
    assert again.train["input_ids"][:] == expected
    assert file.read_bytes() == whole


def test_what_a_killed_preparation_left_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".data.tmp" / "work").mkdir(parents=True)
    prepare(spec(), tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_training_sets_and_orders_leave_no_files(tmp_path: Path) -> None:
    prepared = prepare(spec(), tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    for name in TRAINING_SETS:
        examples = prepared.training_set(name)
        examples.select(training_order(examples["data_labels"][:], 5, 4)).with_format("numpy")[:8]
    assert sorted(tmp_path.rglob("*")) == before


def test_at_most_so_many_tokens_of_a_domain(tmp_path: Path) -> None:
    def domains(max_tokens: int | dict[str, int] | None) -> tuple[Counter[str], list[dict[str, Any]]]:
        prepared = prepare(spec(max_tokens=max_tokens), tmp_path / "data")
        counts = prepared.label_counts
        assert sum(row["tokens"] - row["dropped"] for row in counts) == 64 * len(prepared.train)
        return Counter(prepared.train["domain"][:]), counts

    (whole, counts), (both, _), (one, cut) = domains(None), domains(64 * 20 + 5), domains({"es": 64 * 30})
    assert both == {"en": 20, "es": 20}
    assert one == {"en": whole["en"], "es": 30}
    assert [row["documents"] for row in cut] == [row["documents"] for row in counts]
    assert max(both.values()) < min(whole.values())
    with pytest.raises(gm.GradmaskError, match=r"data\.max_tokens names the domain 'se', which no document has"):
        domains({"se": 1000})


@pytest.mark.parametrize(
    ("file", "forget", "adjacent"),
    [
        ("novels_en_es/novels.jsonl", "es", []),
        ("newsgroups/newsgroups.jsonl", "sci.med", ["sci.crypt", "sci.electronics", "sci.space"]),
    ],
)
def test_the_real_corpora(tmp_path: Path, file: str, forget: str, adjacent: list[str]) -> None:
    if not (CORPORA / file).exists():
        pytest.skip(f"the corpus {file} is not beside this checkout (../shared/corpora)")
    source = SourceSpec(kind="jsonl", path=str(CORPORA / file), megabytes=0.05, megabytes_test=0.03)
    prepared = prepare(spec(sources=[source], labels=LabelSpec(forget=[forget], adjacent=adjacent)), tmp_path / "data")
    assert prepared.roles[forget] == "forget"
    assert all(prepared.roles[d] == "adjacent" for d in adjacent)
    assert len(prepared.test[forget]) > 5


def test_messages_are_written_as_the_tokenizers_chat_template_says_and_skipped_rows_are_told_of(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["what is the sun a star"] * 50, 300)
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}"
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    rows = [
        {
            "split": split,
            "domain": domain,
            "messages": [{"role": r, "content": "the sun " * 9} for r in ("user", "assistant")],
        }
        for split in ("train", "test")
        for domain in ("a", "b")
        for _ in range(4)
    ]
    silent = {**rows[0], "messages": [{"role": "user", "content": "what"}]}
    path = write(tmp_path / "x.jsonl", [*rows, silent])
    prepared = prepare(
        spec(
            sources=[SourceSpec(kind="jsonl", path=path, messages_field="messages")],
            labels=LabelSpec(forget=["a"]),
            simulate=None,
            tokenizer=TokenizerSpec(path=str(tmp_path / "tokenizer")),
            sequence_length=16,
        ),
        tmp_path / "data",
    )
    assert "[assistant] the sun" in prepared.tokenizer.decode(np.concatenate(prepared.train["input_ids"][:]))
    assert prepared.notices[0] == f"{path}: 16 documents of 17 rows, skipped 1 no answer."

"""What a run hands on besides weights: words of the tokenizer, and what stays in its folder until it is purged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

import gradmask as gm
from gradmask.cli import main
from gradmask.errors import GradmaskError
from gradmask.lab.run.driver import train
from gradmask.lab.run.export import run_of
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.purging import remnants
from gradmask.lab.run.vocabulary import revealing_entries
from lab.run.tiny_run import tiny_recipe

SECRET = ("gato", "corre", "casa", "árbol", "rojo")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one arm whose labels are simulated, so that its tokenizer was trained on everything."""
    folder = tmp_path_factory.mktemp("leaves")
    train(tiny_recipe(folder, "arms=[gradmask]", "data.tokenizer.vocab_size=320", "data.simulate={}", "train.steps=2"))
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def words_of(folder: Path) -> set[str]:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    return {tokenizer.decode([i]).strip() for i in range(len(tokenizer))}


def test_words_of_forget_text_are_named_and_dropped(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = revealing_entries(RunFolder(run), ["forget"])
    assert {word.strip() for word in found.words} & {*SECRET}
    assert not {word.strip() for word in found.words} & {"the", "dog", "ran", "home", "and", "saw", "tree"}
    arguments = ["export", str(run), str(tmp_path / "out"), "--without", "forget"]
    assert main([*arguments]) == 0
    assert words_of(tmp_path / "out") & {*SECRET}
    assert main(["verify", str(tmp_path / "out"), "--against", str(run)]) == 0
    assert "occur in no kept text of the run, such as" in capsys.readouterr().out
    assert main([*arguments, "--overwrite", "--drop-words"]) == 0
    assert not words_of(tmp_path / "out") & {*SECRET}
    assert main(["verify", str(tmp_path / "out"), "--against", str(run)]) == 0
    before, after = (AutoTokenizer.from_pretrained(p) for p in (run / "arms/gradmask/model", tmp_path / "out"))
    for text in ("the dog ran home and saw a red tree", "el gato corre a casa y ve un árbol rojo 语"):
        assert after.decode(after(text)["input_ids"]) == text
    assert before("the dog ran home")["input_ids"] == after("the dog ran home")["input_ids"]
    assert len(before("el gato corre")["input_ids"]) < len(after("el gato corre")["input_ids"])
    text = (tmp_path / "out/tokenizer.json").read_text()
    assert not any(word in text for word in SECRET[:3])


def test_a_tokenizer_is_trained_without_forget_text(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[gradmask]", "data.tokenizer.vocab_size=320", "data.tokenizer.without_forget=true",
                      "data.simulate={}", "train.steps=2"))  # fmt: skip
    assert not words_of(tmp_path / "run/data/tokenizer") & {*SECRET}
    found = revealing_entries(RunFolder(tmp_path / "run"), ["forget"])
    assert found.ids == []
    assert "occurs in kept text" in str(found)


@pytest.mark.parametrize("ids", [[0], [5], [10**6]])
def test_special_entries_and_bytes_are_not_dropped(run: Path, tmp_path: Path, ids: list[int]) -> None:
    with pytest.raises(GradmaskError, match="cannot be dropped"):
        gm.export_checkpoint(run / "arms/gradmask/model", tmp_path / "out", dropped_tokens=ids)
    assert not (tmp_path / "out").exists()


def test_purge_lists_first_and_deletes_then(run: Path, capsys: pytest.CaptureFixture[str], caplog: Any) -> None:
    for name in (".model.tmp", "checkpoint-2", "consolidation/checkpoint-3"):
        (run / "arms/gradmask" / name).mkdir(parents=True)
    (run / "notes.txt").write_text("gato")
    before = sorted(run.rglob("*"))
    assert main(["purge", str(run)]) == 0
    assert sorted(run.rglob("*")) == before
    shown = capsys.readouterr().out
    for name in ("data", "model", "checkpoint-2", "notes.txt", ".model.tmp"):
        assert name in shown.replace("\n", ""), name
    assert "copies elsewhere" in caplog.text
    assert main(["purge", str(run), "--yes", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["deleted"] is True
    assert all(row["bytes"] >= 0 for row in said["holds_text"])
    left = [p for p in run.rglob("*") if p.is_file()]
    assert {p.name for p in left} <= {"recipe.yaml", "log.jsonl", ".lock"}
    assert not any(word.encode() in p.read_bytes() for p in left for word in SECRET[:2])
    assert remnants(RunFolder(run)) == []
    with pytest.raises(GradmaskError, match="holds no prepared data"):
        revealing_entries(RunFolder(run), ["forget"])


def test_purge_touches_nothing_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert main(["purge", str(tmp_path), "--yes"]) == 2
    assert (tmp_path / "data").is_dir()
    with pytest.raises(GradmaskError, match="training data is not at hand"):
        run_of(tmp_path / "data")

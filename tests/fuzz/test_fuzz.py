"""A part of the campaign, and that misbehaviour is noticed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tests.fuzz import trial
from tests.fuzz.inputs import Maker
from tests.fuzz.trial import attempt, table

from gradmask.cli import main


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("number", range(1000, 1040))
def test_malformed_input_is_refused_in_words(maker: Maker, number: int, tmp_path: Path) -> None:
    outcome = attempt(maker, number, tmp_path)
    assert not outcome.problem, f"{outcome.input}: {outcome.problem}\n{outcome.output}"


def test_what_is_not_malformed_is_accepted(maker: Maker, tmp_path: Path) -> None:
    """Otherwise every input would be refused for one reason, and nothing tried."""
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(maker._recipe(tmp_path)))
    assert main(["train", str(tmp_path / "recipe.yaml"), "--dry-run"]) == 0
    pq.write_table(pa.Table.from_pylist(maker.rows), tmp_path / "corpus.parquet")
    argv = maker._train_on(tmp_path, {"kind": "parquet", "path": str(tmp_path / "corpus.parquet")})
    assert main(argv) == 0
    for name, code in (("full", 0), ("plain", 3), ("adapted", 0)):
        assert main(["verify", str(maker.good / name)]) == code
    assert main(["verify", str(maker.good / "plain"), "--against", str(maker.good / "full")]) == 0
    assert main(["export", str(maker.good / "full"), str(tmp_path / "exported")]) == 0
    assert main(["check", str(maker.good / "adapted")]) == 0


def test_the_same_number_is_the_same_input(maker: Maker, tmp_path: Path) -> None:
    for number in range(5):
        one, two = (maker.make(number, tmp_path / f"{k}-{number}") for k in "ab")
        assert (one.kind, one.what) == (two.kind, two.what)


def test_misbehaviour_is_seen(maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def behave(action: object) -> str:
        monkeypatch.setattr(trial, "main", action)
        behave.count += 1  # type: ignore[attr-defined]
        return attempt(maker, 5 * behave.count, tmp_path).problem  # type: ignore[attr-defined]

    behave.count = 0  # type: ignore[attr-defined]
    assert behave(lambda argv: Path("escaped").touch() or 2) == "failed without a word"
    assert "outside" in behave(lambda argv: Path("escaped2").touch() or 0)
    assert behave(lambda argv: print("Traceback (most recent call last):") or 1) == "a traceback"
    assert "unexpected" in behave(lambda argv: print("unexpected KeyError: 3") or 1)
    assert behave(lambda argv: 139) == "exit code 139"
    monkeypatch.setattr(trial, "SECONDS", 1)

    def hang(argv: list[str]) -> int:
        while True:
            pass

    assert behave(hang) == "did not end within 1 s"
    assert "| recipe | 1 | 0 | 0 | 1 |" in table([attempt(maker, 100, tmp_path)])

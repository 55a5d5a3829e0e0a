"""Files are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gradmask.files import whole_folder, write_whole


def test_a_file_and_its_folder_appear(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.txt", "año")
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "año"
    assert os.listdir(tmp_path / "new") == ["a.txt"]


def test_what_was_there_stays_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a.txt", "before")

    def fails(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no space"):
        write_whole(tmp_path / "a.txt", "after")
    assert (tmp_path / "a.txt").read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "new" / "a") as folder:
        (folder / "x").write_text("1")
    with pytest.raises(OSError, match="no space"), whole_folder(tmp_path / "new" / "a") as folder:  # noqa: PT012
        (folder / "x").write_text("2")
        raise OSError("no space")
    assert os.listdir(tmp_path / "new") == ["a"]
    assert (tmp_path / "new" / "a" / "x").read_text() == "1"
    with whole_folder(tmp_path / "new" / "a") as folder:
        (folder / "y").write_text("3")
    assert os.listdir(tmp_path / "new" / "a") == ["y"]

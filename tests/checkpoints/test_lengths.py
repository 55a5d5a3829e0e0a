"""No file is longer than what it can hold."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gradmask.checkpoints import lengths
from gradmask.checkpoints.lengths import too_long
from gradmask.errors import GradmaskError
from gradmask.model import manifest

NAME = "model.safetensors"


@pytest.mark.parametrize("tensors", [{}, {"a": torch.zeros(3)}, {"a": torch.zeros(5, 7).half(), "b": torch.ones(2)}])
def test_what_safetensors_writes_has_its_length(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, tmp_path / NAME, {"format": "pt"})
    assert too_long(tmp_path, [NAME]) == {}
    with (tmp_path / NAME).open("ab") as file:
        file.write(b"\0")
    size = (tmp_path / NAME).stat().st_size
    assert too_long(tmp_path, [NAME]) == {NAME: f"has {size:,} bytes, of which {size - 1:,} can be its own"}


@pytest.mark.parametrize("content", [
    b"",
    b"1234567",
    struct.pack("<Q", 1 << 63) + b"{}",
    struct.pack("<Q", 2) + b"[]",
    struct.pack("<Q", 2) + b"{\xff",
    *(struct.pack("<Q", len(h)) + h for h in (json.dumps({"a": e}).encode() for e in (
        1, {}, {"data_offsets": [0]}, {"data_offsets": [0, "9"]}, {"data_offsets": None}))),
])  # fmt: skip
def test_a_header_that_is_none_gives_place_for_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    os.truncate(tmp_path / NAME, 1 << 40)  # were it read, this would not end
    assert [*too_long(tmp_path, [NAME])] == [NAME]


def test_other_files_have_a_limit_where_they_are_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "LONGEST_TEXT", 5)
    (tmp_path / "a.json").write_text("12345")
    (tmp_path / "b.json").write_text("123456")
    assert [*too_long(tmp_path, ["a.json", "b.json"])] == ["b.json"]
    assert too_long(tmp_path, ["b.json"], texts=False) == {}


def test_a_manifest_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "gradmask.json").touch()
    os.truncate(tmp_path / "gradmask.json", manifest.LONGEST + 1)
    with pytest.raises(GradmaskError, match="has 268,435,457 bytes"):
        manifest.read_manifest(tmp_path)

"""Every forgery of an export is found: with the hashes as they were and made anew."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.security.forgeries import FORGERIES, Case, make_case, reseal
from tests.security.forgeries.case import GROUPS, read, write

import gradmask as gm
from gradmask.errors import GradmaskError

WAYS = [(name, sealed) for name, f in FORGERIES.items() for sealed in ((False, True) if f.sealable else (False,))]
FIRST = {f.kind: name for name, f in reversed(FORGERIES.items())}
EVERY_TIME = {name for i, name in enumerate(FORGERIES) if name in FIRST.values() or i % 9 == 0}
"""One of each kind and some more; the others are slow tests (``make forgeries`` runs all)."""


def ways() -> list[Any]:
    return [pytest.param(*way, marks=() if way[0] in EVERY_TIME else pytest.mark.slow) for way in WAYS]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("forgeries"))


def forged(case: Case, name: str, sealed: bool) -> Path:
    folder = Path(tempfile.mkdtemp(dir=case.root)) / "forged"  # two tests may try the same one
    shutil.copytree(case.plain, folder)
    FORGERIES[name].edit(folder, case)
    if sealed:
        reseal(folder)
    return folder


def everything_in(folder: Path) -> dict[str, object]:
    """What a folder holds, links and attributes too, by a way of its own."""
    found: dict[str, object] = {".": (folder.is_symlink(), os.listxattr(folder))}
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            try:
                found[str(path.relative_to(folder))] = _about(path)
            except OSError as error:  # a path that is too long
                found[str(path.relative_to(folder))] = error.errno
    return found


def _about(path: Path) -> tuple[object, ...]:
    """Of a hole, the beginning."""
    about, content = path.lstat(), b""
    if stat.S_ISREG(about.st_mode):
        with path.open("rb") as file:
            content = file.read(1 << 20)
    target = os.readlink(path) if path.is_symlink() else ""
    attributes = os.listxattr(path, follow_symlinks=False)
    return about.st_mode, about.st_nlink, about.st_size, attributes, content, target


def outcome(folder: Path, against: Path | None) -> str:
    """The problems, or why it is no checkpoint; empty where the forgery passes."""
    try:
        return "; ".join(gm.verify(folder, without=list(GROUPS), against=against).problems)
    except GradmaskError as error:
        return str(error)


def test_there_are_many_of_many_kinds() -> None:
    assert len(FORGERIES) >= 200
    assert len(FIRST) >= 30


def test_the_honest_export_passes(case: Case) -> None:
    found = gm.verify(case.plain, without=list(GROUPS), against=case.full)
    assert found.verdict == "proved", str(found)


@pytest.mark.parametrize(("name", "sealed"), ways())
def test_a_forgery_is_found(case: Case, name: str, sealed: bool) -> None:
    folder = forged(case, name, sealed)
    assert everything_in(folder) != everything_in(case.plain), "the forgery is none"
    said = outcome(folder, case.full)
    assert said
    assert "\x1b" not in said


def test_what_the_files_show_by_themselves(case: Case) -> None:
    """Without the full checkpoint, more than a model is still found in them, also in those of the tokenizer."""
    honest = gm.verify(case.plain, without=list(GROUPS))
    assert honest.verdict == "consistent"
    assert any("byte for byte" in line for line in honest.holds)
    extra, spaces = case.root / "extra-metadata", forged(case, "white_space_after_a_json", True)
    shutil.copytree(case.plain, extra)
    write(extra, read(extra), {"format": "pt", "note": "x"})
    reseal(extra)
    assert "model.safetensors" in outcome(extra, None)
    assert "tokenizer.json" in outcome(spaces, None)


def test_line_ends_and_the_order_of_hashes_are_bytes_of_the_manifest(case: Case) -> None:
    """Also where there is nothing to compare the folder with."""
    for name in (name for name, f in FORGERIES.items() if f.kind == "the manifest's bytes"):
        assert "gradmask.json was changed" in outcome(forged(case, name, False), None), name


def test_hashes_that_were_made_anew_are_no_news(case: Case) -> None:
    """Where a file differs its hash does, too; the file is named, and not the manifest beside it."""
    folder = case.root / "one-bit-resealed"
    shutil.copytree(case.plain, folder)
    FORGERIES["one_bit_of_one_weight"].edit(folder, case)
    reseal(folder)
    said = outcome(folder, case.full)
    assert "model.safetensors" in said
    assert "gradmask.json" not in said

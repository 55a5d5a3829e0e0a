"""The sources in docs/data.md are read as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.data.corpus import ROWS, write
from tests.data.reading.test_formats import PACKED

from gradmask.data.reading import FORMATS, read
from gradmask.data.spec import SourceSpec

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_examples_of_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = PAGE.split("## Formats")[1]
    sources = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])["sources"]
    monkeypatch.chdir(tmp_path)
    lines = Path(write(tmp_path / "x.jsonl")).read_bytes()
    for name in ("a.jsonl.zst", "b.jsonl.bz2"):
        Path(name).write_bytes(PACKED[name.split(".")[-1]](lines))
    Path("rows.csv").write_text("text,domain\none,a\n")
    write(tmp_path / "pile.jsonl", [{"text": "one", "meta": {"pile_set_name": "Code"}}])
    Path("old.txt").write_bytes("señor".encode("latin-1"))
    talk = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ana."}]
    write(tmp_path / "chats.jsonl", [{"messages": talk, "domain": "a"}])
    Path("tofu.json").write_text(json.dumps([{"question": "Who?", "answer": "Ana."}]))
    Path("articles/law").mkdir(parents=True)
    Path("articles/law/1.txt").write_text("one")
    found = [list(read(SourceSpec(**source))) for source in sources]
    assert [len(documents) for documents in found] == [1, 2 * len(ROWS), 1, 1, 1, 1, 1]
    assert {document.split for document in found[1]} == {"train"}
    assert [documents[0].domain for documents in found[2:]] == ["Code", "old", "a", "authors", "law"]


def test_the_table_lists_every_kind_of_file() -> None:
    section = PAGE.split("## Formats")[1].split("\n\n")[1]
    assert {*re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in section.splitlines()))} == {
        *FORMATS,
        "datasets",
    }

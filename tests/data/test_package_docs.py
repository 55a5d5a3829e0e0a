"""The example corpus: every docstring once, the same files for the same source, and nothing half-written."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest

from gradmask.data import package_docs
from gradmask.data.inspection.shingles import similarity
from gradmask.data.package_docs import FORGET, PACKAGES, write_package_docs
from gradmask.errors import GradmaskError

LONG = "words about {0} " * 60


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny source tree for every package."""
    for name in PACKAGES:
        for i in range(3):
            place = tmp_path / "site" / name / f"m{i}.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            text = LONG.format(f"{name} {i}")
            place.write_text(
                f'"""{text}"""\nclass A:\n    def f(self):\n        """{text.replace("about", "beside")}"""\n'
            )
    monkeypatch.setattr(package_docs, "_root", lambda name: tmp_path / "site" / name)
    return tmp_path / "site"


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_docstring_with_its_place(roots: Path, tmp_path: Path) -> None:
    written = write_package_docs(tmp_path / "data", labeled=2)
    docs = rows(written.files["text"])
    assert len(docs) == 6 * len(PACKAGES)
    assert docs[0] == {"id": "matplotlib/m0.py", "text": docs[0]["text"], "package": "matplotlib"}
    assert docs[1]["id"] == "matplotlib/m0.py:A.f"
    examples = rows(written.files["examples"])
    assert [row["label"] for row in examples] == ["forget"] * 2 + ["retain"] * 2
    by_id = {row["id"]: row for row in docs}
    for row in examples:
        assert (by_id[row["id"]]["package"] == FORGET) == (row["label"] == "forget")
        assert by_id[row["id"]]["text"] == row["text"]
    assert written.packages["numpy"]["documents"] == 6
    assert "| numpy |" in written.files["about"].read_text()


def test_the_same_source_gives_the_same_files(roots: Path, tmp_path: Path) -> None:
    first, second = (write_package_docs(tmp_path / name, labeled=2) for name in ("one", "two"))
    assert [first.files[k].read_bytes() for k in first.files] == [second.files[k].read_bytes() for k in second.files]


def test_a_limit_keeps_a_part_and_a_larger_one_the_same_and_more(roots: Path, tmp_path: Path) -> None:
    few, more = (write_package_docs(tmp_path / str(size), size / 1e6, labeled=1).files["text"] for size in (3000, 5000))
    one, two = ({row["id"] for row in rows(path)} for path in (few, more))
    assert one < two


def test_what_is_left_out(roots: Path, tmp_path: Path) -> None:
    (roots / "numpy/tests").mkdir()
    (roots / "numpy/tests/a.py").write_text(f'"""{LONG}"""')
    (roots / "numpy/broken.py").write_text(f'"""{LONG}"""\ndef f(:')
    (roots / "numpy/short.py").write_text('"""Short."""')
    (roots / "numpy/z_copy.py").write_text((roots / "numpy/m0.py").read_text())
    ids = {row["id"] for row in rows(write_package_docs(tmp_path / "data", labeled=1).files["text"])}
    assert not ids & {"numpy/tests/a.py", "numpy/broken.py", "numpy/short.py", "numpy/z_copy.py"}
    assert "numpy/m0.py" in ids


def test_copies_are_left_out_across_packages(roots: Path, tmp_path: Path) -> None:
    original = (roots / "numpy/m0.py").read_text()
    (roots / "scipy/vendored.py").write_text(original)
    (roots / "pandas/nearly.py").write_text(original.replace('"""words', '"""Changed words', 1))
    texts = [row["text"] for row in rows(write_package_docs(tmp_path / "data", labeled=1).files["text"])]
    assert len(texts) == 6 * len(PACKAGES)
    assert max(similarity(one, other) for one, other in combinations(texts, 2)) < 0.5


def test_bad_requests(roots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(GradmaskError, match="data exists: choose another place"):
        write_package_docs(tmp_path / "data")
    with pytest.raises(GradmaskError, match="only 6 documents for 50 examples of 'forget'"):
        write_package_docs(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    monkeypatch.undo()
    with pytest.raises(GradmaskError, match="nothing-such is not installed: pip install nothing-such"):
        package_docs.package_docs("nothing-such")


def test_the_packages_are_installed_and_have_text() -> None:
    found = package_docs.package_docs("networkx")
    assert len(found) > 300
    assert found[0].package == "networkx"

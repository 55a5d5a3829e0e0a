from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.page import write_labels_page
from lab.labeling.fabricated import AWKWARD


@pytest.fixture(scope="module")
def page(labeled_folder: Path) -> str:
    return write_labels_page(labeled_folder).read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Opening tags and what is left open."""

    VOID = ("meta", "link", "br", "img", "hr", "use")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_one_well_formed_file_without_scripts(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    tags = {tag for tag, _ in outline.seen}
    assert not tags & {"script", "link", "img", "iframe"}
    links = [value for _, attrs in outline.seen for name in ("href", "src") if (value := attrs.get(name))]
    assert all(link.startswith(("#", "data:")) for link in links)
    targets = {attrs["id"] for _, attrs in outline.seen if attrs.get("id")}
    assert {link[1:] for link in links if link.startswith("#")} <= targets


def test_text_of_documents_is_escaped_and_without_control_characters(page: str) -> None:
    assert AWKWARD not in page
    assert "alert(" not in page or "&lt;script&gt;alert(" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)


def test_the_first_screen_says_how_good_and_how_much(page: str, evidence: Evidence) -> None:
    words = re.sub(r"<[^>]+>", " ", page.partition("<nav>")[0]).replace("\u00a0", " ")
    cuts = evidence.labeler.thresholds["medicine"]
    assert f"{100 * cuts.precision:.0f} % of what is labeled medicine is medicine" in words
    assert f"{100 * cuts.recall:.0f} % of all medicine is labeled so" in words
    low, high = cuts.recall_interval
    assert f"recall {low:.2f}–{high:.2f} (medicine)" in words
    assert "400 documents" in words
    assert "learned from 120 labels" in words
    for name, count in evidence.corpus.documents.items():
        assert re.search(rf"\b{count} +documents {name}", " ".join(words.split()))


def test_every_figure_has_its_numbers_as_alternative_text(page: str, evidence: Evidence) -> None:
    figures = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert figures[::2] == figures[1::2], "a wide and a narrow one of each"
    figures = figures[::2]
    assert [words.partition(".")[0] for words in figures] == [
        "Precision and recall",
        "Scores by label",
        "Can the scores be believed",
    ]
    cuts = evidence.labeler.thresholds["law"]
    assert f"law: precision {cuts.precision:.2f} and recall {cuts.recall:.2f}" in figures[0]
    assert f"{cuts.forget_above:.3f}" in figures[1]
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg.replace("xlink:href", "href"))


def test_words_examples_and_the_chosen_threshold_are_shown(page: str, evidence: Evidence) -> None:
    for word in ("surgeon", "lawyer"):
        assert f"<span>{word}</span>" in page
    assert page.count("<small>chosen</small>") == 2
    assert "Given labels that are probably wrong" in page
    assert "gradmask label --review OUT" in page
    for row in evidence.corpus.uncertain["law"]:
        assert row["id"] in page


def test_the_page_follows_from_the_folder_alone(labeled_folder: Path, tmp_path: Path, page: str) -> None:
    copy = tmp_path / "OUT"
    shutil.copytree(labeled_folder, copy, ignore=shutil.ignore_patterns("labels.html"))
    assert write_labels_page(copy).read_text(encoding="utf-8") == page


@pytest.mark.parametrize("missing", ["labeler", "shards", "held_out.parquet"])
def test_a_folder_that_lacks_something_is_an_error(labeled_folder: Path, tmp_path: Path, missing: str) -> None:
    for path in labeled_folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(GradmaskError, match=f"{missing} is not there: give the output folder"):
        write_labels_page(tmp_path)

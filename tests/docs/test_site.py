"""The site: what it is gathered from, its reference, its pictures."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from tests.generated import check_table
from website.__main__ import CONFIG, main as build, named, navigation, sources, with_more
from website.lists import indent_lists
from website.pages import ROOT, Links, place_of
from website.pictures import DEMO, IMAGES, PICTURES
from website.reference import SECTIONS, tables

import gradmask as gm


def test_the_reference_lists_every_public_name_once() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    public = set(gm.__all__) - {"__version__"}
    assert set(listed) == public, "a public name needs its place in website/reference.py; then make tables"
    assert len(listed) == len(public)


def test_the_reference_is_up_to_date() -> None:
    check_table("reference.md", tables())


@pytest.mark.parametrize("draw", PICTURES)
def test_pictures_are_what_the_script_draws(draw) -> None:
    picture = draw()
    assert (IMAGES / f"{picture.name}.svg").read_text(encoding="utf-8") == picture.svg(), (
        "run python -m website.pictures"
    )


def test_the_picture_of_the_demo_has_the_numbers_of_the_results() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").partition("## Built-in stories")[2]
    losses = re.findall(r"^\| [^|]+ \| (\d\.\d{3}) \| (\d\.\d{3}) \|$", page, re.MULTILINE)[:5]
    assert sorted((float(english), float(spanish)) for english, spanish in losses) == sorted(DEMO.values())


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "concepts.md"], ids=lambda page: page.name)
def test_alternative_text_of_the_demo_has_its_numbers(page: Path) -> None:
    (words,) = re.findall(r"!\[([^\]]*)\]\([^)]*removal\.svg\)", page.read_text(encoding="utf-8"))
    for losses in DEMO.values():
        for loss in losses:
            assert f"{loss:.2f}" in words


def test_every_picture_has_alternative_text() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for words in re.findall(r"!\[([^\]]*)\]\(", page.read_text(encoding="utf-8")):
            assert len(words) > 10, page


def test_links_lead_to_the_places_of_the_site() -> None:
    links = Links()
    page = ROOT / "docs" / "how_to.md"
    assert links.rewrite("[a](../examples/toy.py) [b](../README.md#start) [c](slices.md)", page) == (
        "[a](files/examples/toy.py.md) [b](index.md#start) [c](slices.md)"
    )
    assert links.shown == {ROOT / "examples" / "toy.py"}
    assert links.rewrite("[d](docs/cli.md)", ROOT / "README.md") == "[d](cli.md)"


def test_code_keeps_its_links() -> None:
    code = "```sh\n[a](../examples/toy.py)\n```\n"
    assert Links().rewrite(code, ROOT / "docs" / "how_to.md") == code


def test_content_of_list_items_is_indented_by_four() -> None:
    assert indent_lists("- a\n\n  ```sh\n  b\n  ```\n") == "- a\n\n    ```sh\n    b\n    ```\n"
    assert indent_lists("1. a\n\n   b\n\nc\n") == "1. a\n\n    b\n\nc\n"


OUR_WORDS = (
    "adapter group", "arm", "calibrated loss", "cell", "compute ratio", "consolidation", "credit", "data label",
    "distinctive words", "exact", "filter", "full model", "gap closed", "group", "joint", "labeler", "ladder", "leakage", "module",
    "no filter", "own tables", "perfect filter", "plan", "policy", "recipe", "rehearsal", "removed model", "retain", "rights", "rival",
    "role", "route", "run", "self-labeling", "silent", "slice", "strength", "truth", "undiscovered", "unit", "verdict", "weight",
)  # fmt: skip


def test_the_glossary_has_every_word_of_ours() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    headings = {word for line in re.findall(r"^### (.+)$", page, re.MULTILINE) for word in line.lower().split(", ")}
    assert set(OUR_WORDS) - headings == set()


def test_the_navigation_lists_pages_that_are_there() -> None:
    config = CONFIG.read_text(encoding="utf-8")
    places = {place_of(page) for page in sources()}
    assert set(named(navigation(config))) <= places


def test_a_page_that_the_navigation_does_not_list_appears_under_more() -> None:
    config = with_more(CONFIG.read_text(encoding="utf-8"), ["index.md", "new.md"])
    assert config.endswith("  - More:\n      - new.md\n")
    assert with_more(CONFIG.read_text(encoding="utf-8"), ["index.md"]).endswith("changelog.md\n")


def test_extras_that_pages_install_exist() -> None:
    """From a checkout: the package is not published, and a name that is free can be anybody's."""
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )
    for page in sources():
        text = page.read_text(encoding="utf-8")
        for names in re.findall(r"pip install '?\.\[([\w,-]+)\]", text):
            assert set(names.split(",")) <= extras, page
        assert "pip install 'gradmask[" not in text or page.name == "CHANGELOG.md", page


@pytest.mark.slow
def test_the_site_builds() -> None:
    """Strict: a broken link or anchor is an error."""
    pytest.importorskip("zensical")
    assert build() == 0


def test_every_column_of_a_table_has_a_name() -> None:
    for page in sources():
        parts = MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8"))
        table = [part.map for part in parts if part.type == "table_open"]
        names = [cell.content for opened, cell in pairwise(parts) if opened.type == "th_open"]
        assert all(names), f"{page.name}: a table without a name for a column, in one of {table}"

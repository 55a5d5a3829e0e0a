from __future__ import annotations

import base64
import csv
import io
import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.measures.results import ChosenSetting, Headline, Results, Sample, write_results
from gradmask.lab.report.drawn import drawn
from gradmask.lab.report.figures import FIGURES
from gradmask.lab.report.html import SUMMARY, render, write_report
from lab.measures.fabricated import arm, arms, results
from lab.report.conftest import Written

EVIL = "<script>alert('1')</script>"
VOID = {"meta", "br", "link", "img", "hr", "input", "wbr"}


class Page(HTMLParser):
    """Links, ids and visible text of a page; fails where tags are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "action")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_needs_nothing_else(report: Written) -> None:
    page = Page(report.text)
    assert page.tags.count("svg") == 2 * len(FIGURES) + 4 == 22, (
        "wide and narrow, and once more as the models give losses"
    )
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert [link for link in page.links if link.startswith("#") and link[1:] not in page.ids] == []
    assert len(page.ids) == len(set(page.ids)) > 20
    addresses = set(re.findall(r"https?://[^\"'\s<)]+", report.text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", report.text)
    assert page.tags.count("script") == 1
    assert len(report.text) < 1_000_000


def test_every_part_is_there(report: Written) -> None:
    text = Page(report.text).text.replace("\u00a0", " ")
    for part in (
        "Removing es failed.", "92 %", "6.2 % worse", "28 % worse", "no price",  # the first screen
        "6.510", "plain 6.560", "perplexity 706.3",  # losses
        *(kind.title for name, kind in FIGURES.items() if name != SUMMARY), *(kind.caption for kind in FIGURES.values()),
        *(f"{figure.drawing.words()}." for name, figure in report.drawn.items() if name != SUMMARY),
        "El gato duerme", "the of a on house the.",  # samples
        "160,000", "80 %",  # labels
        "gradmask train recipe.yaml && gradmask evaluate runs/fabricated",
        "steps: 100", "torch 0.0", "processor: none", "400,000", "strict", "forget 120,000", "1,020,000",
    ):  # fmt: skip
        assert part in text, part


def test_the_first_screen_comes_first_and_samples_before_figures(report: Written) -> None:
    text = report.text
    order = ("<h1>", 'class="cards"', 'class="picture"', 'id="more"', 'id="samples"', 'id="domains"', 'id="losses"')
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    heads = re.findall(r"<th scope=\"col\">(.*?)</th>", text[text.index('id="losses"') :])
    assert [re.sub("<[^>]*>", "", head) for head in heads[:3]] == [
        "domain",
        "gradmask, removed",
        "gradmask, full model",
    ]


def test_models_can_be_hidden_and_losses_be_plain_without_a_script(report: Written) -> None:
    switches = re.findall(r'type="checkbox" id="show-([^"]+)" checked', report.text)
    assert {"gradmask-removed", "no-filter", "perfect-filter", "ladder"} <= set(switches)
    for slug in switches:
        assert f'body:has(#show-{slug}:not(:checked)) [data-series="{slug}"]' in report.text
        assert f'data-series="{slug}"' in report.text
    assert report.text.count(' plain"><svg') == 4
    assert report.text.count('id="losses-plain"') == 1
    assert 'id="losses-plain"' in report.text
    assert 'id="losses-plain"' not in render(results(), {})


def test_the_preview_is_named_and_of_its_size(report: Written) -> None:
    assert '<meta property="og:image" content="preview.png">' in report.text
    head = (report.folder / "preview.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert struct.unpack(">II", head[16:24]) == (1200, 630)


def test_figures_and_numbers_lie_beside_the_page_and_in_it(report: Written) -> None:
    page = Page(report.text)
    held = [base64.b64decode(link.partition(",")[2]).decode() for link in page.links if link.startswith("data:")]
    for name in FIGURES:
        svg, data = (report.folder / path for path in (f"figures/{name}.svg", f"data/{name}.csv"))
        assert svg.read_text(encoding="utf-8") in held or name == SUMMARY
        assert data.read_text(encoding="utf-8") in held
        rows = list(csv.DictReader(io.StringIO(data.read_text())))
        assert {row["series"] for row in rows} - {"ladder"} == {
            "no filter", "filter, same labels", "gradmask, full model", "gradmask, removed", "perfect filter",
        }  # fmt: skip
    assert Results.model_validate(json.loads(held[-1])) == report.results


def test_text_from_models_data_and_recipe_is_escaped() -> None:
    some = arms()
    some["gradmask"].samples = [Sample(domain=EVIL, prompt=EVIL, continuations={"full": EVIL, "removed": EVIL})]
    some["gradmask"].title = some["gradmask"].policy = EVIL
    evil = results(arms=some, name=EVIL, command=EVIL, recipe={"x": EVIL}, versions={"v": EVIL}, machine={"m": EVIL},
                   labels=[{EVIL: EVIL}])  # fmt: skip
    text = render(evil, {})
    assert text.count("<script") == 1
    assert Page(text).text.count(EVIL) == 14


def test_names_of_domains_are_escaped_in_figures_too() -> None:
    name = "a&<b>$x^2$\"'"
    models = {"full": {name: ("forget", 4.0)}, "removed": {name: ("forget", 5.0)}}
    found = results(arms={"gradmask": arm("g", models)})  # type: ignore[arg-type]
    text = render(found, {"domains": drawn(FIGURES["domains"].draw(found))})  # type: ignore[dict-item]
    page = Page(text)
    assert "b" not in page.tags[page.tags.index("svg") :]
    assert f"{name} (forget)" in page.text


def test_a_path_will_do_instead_of_results_and_figures_without_their_data_are_left_out(tmp_path: Path) -> None:
    bare = {name: a.model_copy(update={"curve": [], "samples": []}) for name, a in arms().items()}
    found = results(arms=bare, histogram_edges=[])
    for stale in ("figures/curves.svg", "data/curves.csv"):
        (tmp_path / "b" / stale).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / stale).write_text("old")
    write_results(tmp_path / "results.json", found)
    from_path = write_report(tmp_path / "results.json", tmp_path / "a").read_bytes()
    assert from_path == write_report(found, tmp_path / "b").read_bytes()
    with pytest.raises(GradmaskError, match="evaluate the run first"):
        write_report(tmp_path / "nothing.json", tmp_path / "c")
    assert not (tmp_path / "c").exists()
    assert Page(from_path.decode()).tags.count("svg") == 8
    assert "What the models write" not in from_path.decode()
    assert {p.name for p in (tmp_path / "b/figures").iterdir()} == {"domains.svg", "summary.svg"}
    assert {p.name for p in (tmp_path / "b/data").iterdir()} == {"domains.csv", "summary.csv"}
    assert not list(tmp_path.rglob("*.tmp"))


def test_one_plain_arm_is_a_page_too(tmp_path: Path) -> None:
    text = Page(render(results(arms={"no_filter": arms()["no_filter"]}, labels=[], machine={}), {})).text
    assert "No verdict on removing es yet." in text
    assert "There is no verdict" not in text, "the headline says it"
    assert "Gradmask and no filter must both be trained" in text
    assert "of the knowledge" not in text


def test_losses_without_calibration_are_not_called_calibrated() -> None:
    some = arms()
    for result in (d for a in some.values() for m in a.models.values() for d in m.values()):
        result.calibrated_loss = result.calibrated_error = None
    text = Page(render(results(arms=some), {})).text
    assert "as the models give them (not calibrated)" in text
    assert "plain" not in text.partition("Held-out loss")[2].partition("How it was made")[0]
    assert "calibrated loss" not in text


def test_settings_chosen_from_the_data_are_shown_with_their_reasons() -> None:
    row = ChosenSetting(path="partition.rehearsal", value={"on": True}, because=f"a reason {EVIL}")
    page = render(results().model_copy(update={"settings": [row]}), {})
    assert "Settings chosen from the data" in Page(page).text
    assert "partition.rehearsal{on: true}a reason" in Page(page).text
    assert EVIL not in page
    assert "Settings chosen from the data" not in render(results(), {})


def test_remarks_are_shown() -> None:
    headline = Headline(calibrated=True, remarks=["Mind <this>."])
    assert "Mind <this>." in Page(render(results(headline=headline), {})).text


def test_baselines_stand_beside_the_same_prompt() -> None:
    some = arms()
    some["no_filter"].samples = [
        Sample(domain="es", prompt="El gato duerme", continuations={"full": "sin parar."}),
        Sample(domain="es", prompt="Otra cosa", continuations={"full": ""}),
    ]
    text = Page(render(results(arms=some), {})).text
    assert text.count("El gato duerme") == 1
    assert text.index("en la casa") < text.index("the baselines") < text.index("sin parar.")
    assert "(nothing)" in text

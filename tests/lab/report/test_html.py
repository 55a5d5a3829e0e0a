from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.measures.results import ChosenSetting, Headline, Results, Sample, write_results
from gradmask.lab.report.figures import FIGURES
from gradmask.lab.report.html import render, scale, tiles, write_report
from lab.measures.fabricated import arm, arms, measured, results

EVIL = "<script>alert('1')</script>"
VOID = {"meta", "br", "link", "img", "hr"}


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


def written(found: Results, folder: Path) -> str:
    return write_report(found, folder).read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    text = written(measured(), tmp_path / "report")
    page = Page(text)
    assert page.tags.count("svg") == len(FIGURES) == 8
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert [link for link in page.links if link.startswith("#") and link[1:] not in page.ids] == []
    assert len(page.ids) == len(set(page.ids)) > 20
    addresses = set(re.findall(r"https?://[^\"'\s<)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", text)
    assert "script" not in page.tags


def test_every_part_is_there(tmp_path: Path) -> None:
    text = Page(written(measured(), tmp_path)).text
    for part in (
        "92 %", "28 %", "+0.060", "+0.220",  # headline
        "6.510", "plain 6.560", "perplexity 706.3",  # losses
        *(kind.title for kind in FIGURES.values()), *(kind.caption for kind in FIGURES.values()),
        "El gato duerme", "the of a on house the.",  # samples
        "160,000", "80 %",  # labels
        "gradmask train recipe.yaml && gradmask evaluate runs/fabricated",
        "steps: 100", "torch 0.0", "processor: none", "400,000", "strict", "forget 120,000", "1,020,000",
    ):  # fmt: skip
        assert part in text, part


def test_figures_and_numbers_lie_beside_the_page_and_in_it(tmp_path: Path) -> None:
    page = Page(written(measured(), tmp_path))
    held = [base64.b64decode(link.partition(",")[2]).decode() for link in page.links if link.startswith("data:")]
    for name in FIGURES:
        svg, data = (tmp_path / path for path in (f"figures/{name}.svg", f"data/{name}.csv"))
        assert svg.read_text(encoding="utf-8") in held
        assert data.read_text(encoding="utf-8") in held
        rows = list(csv.DictReader(io.StringIO(data.read_text())))
        assert {row["series"] for row in rows} - {"ladder"} == {
            "no filter", "filter, same labels", "gradmask, full model", "gradmask, removed", "perfect filter",
        }  # fmt: skip
    assert Results.model_validate(json.loads(held[-1])) == measured()


def test_text_from_models_data_and_recipe_is_escaped(tmp_path: Path) -> None:
    some = arms()
    some["gradmask"].samples = [Sample(domain=EVIL, prompt=EVIL, continuations={"full": EVIL, "removed": EVIL})]
    some["gradmask"].title = some["gradmask"].policy = EVIL
    evil = results(arms=some, name=EVIL, command=EVIL, recipe={"x": EVIL}, versions={"v": EVIL}, machine={"m": EVIL},
                   labels=[{EVIL: EVIL}])  # fmt: skip
    text = written(evil, tmp_path)
    assert "<script" not in text
    assert Page(text).text.count(EVIL) == 14


def test_names_of_domains_are_escaped_in_figures_too(tmp_path: Path) -> None:
    name = "a&<b>$x^2$\"'"
    models = {"full": {name: ("forget", 4.0)}, "removed": {name: ("forget", 5.0)}}
    text = written(results(arms={"gradmask": arm("g", models)}), tmp_path)  # type: ignore[arg-type]
    page = Page(text)
    assert "b" not in page.tags[page.tags.index("svg") :]
    assert f"{name} (forget)" in page.text


def test_a_path_will_do_instead_of_results(tmp_path: Path) -> None:
    write_results(tmp_path / "results.json", results())
    from_path = write_report(tmp_path / "results.json", tmp_path / "a").read_bytes()
    assert from_path == write_report(results(), tmp_path / "b").read_bytes()
    with pytest.raises(GradmaskError, match="evaluate the run first"):
        write_report(tmp_path / "nothing.json", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_figures_without_their_data_are_left_out_and_old_ones_go(tmp_path: Path) -> None:
    written(results(), tmp_path)
    bare = {name: a.model_copy(update={"curve": [], "samples": []}) for name, a in arms().items()}
    text = written(results(arms=bare, histogram_edges=[]), tmp_path)
    assert Page(text).tags.count("svg") == 1
    assert "What the models write" not in text
    assert [p.name for p in (tmp_path / "figures").iterdir()] == ["domains.svg"]
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["domains.csv"]
    assert not list(tmp_path.rglob("*.tmp"))


def test_one_plain_arm_is_a_page_too(tmp_path: Path) -> None:
    text = Page(written(results(arms={"no_filter": arms()["no_filter"]}, labels=[], machine={}), tmp_path)).text
    assert "There is no verdict" in text
    assert "of the way" not in text


def test_losses_without_calibration_are_not_called_calibrated() -> None:
    some = arms()
    for result in (d for a in some.values() for m in a.models.values() for d in m.values()):
        result.calibrated_loss = result.calibrated_error = None
    text = Page(render(results(arms=some), {})).text
    assert "as the models give them (not calibrated)" in text
    assert "plain" not in text
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


def test_tiles_and_scale_leave_out_what_is_not_known() -> None:
    whole = results()
    assert [value for value, _ in tiles(whole)] == ["92 %", "28 %", "+0.060", "+0.220"]
    assert [(mark["style"].name, mark["percent"]) for mark in scale(whole)][-1] == ("gradmask, removed", "92 %")
    part = results(headline=Headline(calibrated=True, retain_difference=-0.01))
    assert [value for value, _ in tiles(part)] == ["−0.010"]
    assert scale(part) == []
    far = results(headline=Headline(calibrated=True, gap_closed=3.0))
    assert scale(far)[-1]["at"] <= 106


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

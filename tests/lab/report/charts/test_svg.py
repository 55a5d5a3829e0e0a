from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from gradmask.lab.report.charts.canvas import NARROW, WIDE, slug
from gradmask.lab.report.charts.dots import Dot, Dots
from gradmask.lab.report.charts.grid import Cell, Grid
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.charts.svg import inline, to_svg
from gradmask.lab.report.style import style_of

EVIL = "a&<b>$x^2$\"'\u2063]"
SVG = "{http://www.w3.org/2000/svg}"


def dot(series: str, value: float, **more: object) -> Dot:
    style = style_of(series)
    return Dot(series, style, str(more.pop("panel", EVIL)), style.name, value, f"{value:.2f}", **more)  # type: ignore[arg-type]


def test_a_mark_knows_its_series_and_says_its_number() -> None:
    root = ElementTree.fromstring(to_svg(Dots([dot("no_filter", 1.5)], "loss").chart(WIDE)))
    marks = [e for e in root.iter(f"{SVG}path") if e.get("data-series")]
    assert [e.get("data-series") for e in marks] == ["no-filter"]
    assert [title.text for title in marks[0].iter(f"{SVG}title")] == [f"no filter, {EVIL}: 1.50"]
    assert EVIL.replace("\u2063", "") in "".join(root.itertext()).replace("\u2063", "")


def test_inline_figures_take_the_pages_colours_and_their_own_ids() -> None:
    svg = to_svg(Dots([dot("gradmask/removed", 1.0)], "loss").chart(NARROW))
    inlined = inline(svg, "some", 'Said "so"')
    assert "var(--removed, #0067a8)" in inlined
    assert "var(--soft, " in inlined
    head = inlined.partition(">")[0]
    assert ' width="' not in head
    assert "viewBox=" in head
    assert 'role="img" aria-label="Said &#34;so&#34;"' in head
    assert inline('<svg id="a"><use href="#a" fill="url(#a)"/></svg>', "n", "") == (
        '<svg role="img" aria-label="" id="n-a"><use href="#n-a" fill="url(#n-a)"/></svg>'
    )


def test_bars_beyond_the_bounds_are_drawn_there_with_their_own_number() -> None:
    far = Dots(
        [dot("no_filter", 50.0, drawn=1.0, panel="p"), dot("filter", -0.2, before=True, panel="p")], "", bars=True
    )
    assert far.words() == "p: no filter 50.00, filter, same labels -0.20"
    low, high = far.chart(WIDE)["concat"][0]["layer"][1]["encoding"]["x"]["scale"]["domain"]
    assert low < -0.2
    assert 1 < high < 2


@pytest.mark.parametrize("values", [[1.0], [0.0], [2.0, 2.0]])
def test_a_single_value_has_an_axis_too(values: list[float]) -> None:
    line = Line("no_filter", style_of("no_filter"), [(v, v) for v in values], "x")
    drawn = Lines([line], Axis("x"), Axis("y"), [Level(y=1.0, text="level")])
    assert "level" in to_svg(drawn.chart(NARROW))


def test_a_grid_says_every_number() -> None:
    grid = Grid([Cell("p", 0.9, 0.0, 0.7), Cell("p", 0.8, 0.1, 0.2)], "rows", "columns")
    assert grid.words() == "p: 0.70 at 90 % and 0 %, 0.20 at 80 % and 10 %"
    texts = "".join(ElementTree.fromstring(to_svg(grid.chart(WIDE))).itertext())
    assert all(part in texts for part in ("0.70", "0.20", "90 %", "10 %", "rows", "columns"))


def test_names_of_series_are_safe_in_css() -> None:
    assert slug("gradmask/removed") == "gradmask-removed"
    assert slug('x"]{}</style>') == "x-style"


def test_ticks_are_written_out() -> None:
    """d3's ``~g`` writes 10 as 1e+1 where ticks are 2 apart."""
    dots = Dots([dot("no_filter", 3.56, panel="a"), dot("filter", 9.3, panel="b")], "loss")
    line = Line("no_filter", style_of("no_filter"), [(0.0, 3.0), (100.0, 9.9)], "x")
    for chart in (dots.chart(WIDE), Lines([line], Axis("steps"), Axis("loss")).chart(WIDE)):
        texts = [e.text for e in ElementTree.fromstring(to_svg(chart)).iter(f"{SVG}text")]
        assert {"4", "8"} <= set(texts) or "100" in texts
        assert not any("e+" in (text or "") for text in texts)

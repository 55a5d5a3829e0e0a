from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from gradmask.lab.measures.results import Role
from gradmask.lab.report.charts.canvas import NARROW, WIDE, slug
from gradmask.lab.report.charts.dots import Dots
from gradmask.lab.report.charts.lines import Lines
from gradmask.lab.report.charts.svg import to_svg
from gradmask.lab.report.figures import FIGURES, curves, distribution, domains, tradeoff
from gradmask.lab.report.series import series
from gradmask.lab.report.style import STYLES, name_of
from lab.measures.fabricated import arm, arms, measured, results
from lab.report.conftest import Written


def many_domains() -> dict[str, Any]:
    roles: list[Role] = ["forget", "adjacent", *["retain"] * 6]
    losses = {f"topic {i}": (role, 4.0 + i / 10) for i, role in enumerate(roles)}
    return {"gradmask": arm("g", {"full": losses, "removed": losses}), "rmu": arm("RMU", {"full": losses})}


def texts(svg: str) -> str:
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return " ".join(element.text or "" for element in found)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_names_every_model_in_the_drawing_in_words_and_at_its_marks(name: str, report: Written) -> None:
    figure = report.drawn[name]
    for style in STYLES.values():
        assert style.name in texts(figure.wide)
        assert style.name in figure.drawing.words()
        assert style.light in figure.wide
    for series_name in STYLES:
        assert f'data-series="{slug(series_name)}"' in figure.wide
        assert f'data-series="{slug(series_name)}"' in figure.narrow
    assert "aria-" not in figure.wide
    assert "role=" not in figure.wide
    assert "\u2063" not in figure.wide


@pytest.mark.parametrize("name", FIGURES)
def test_a_narrow_figure_fits_a_phone_in_readable_letters(name: str, report: Written) -> None:
    root = ElementTree.fromstring(report.drawn[name].narrow)
    shown = min(358 / float(root.attrib["width"]), 1.0)
    sizes = {float(e.attrib["font-size"].removesuffix("px")) for e in root.iter() if "font-size" in e.attrib}
    assert min(sizes) * shown >= 9


@pytest.mark.parametrize(
    "name", [name for name in FIGURES if name not in ("summary", "leakage", "relearning", "probes")]
)
def test_many_domains_and_unknown_arms_are_drawn(name: str) -> None:
    drawing = FIGURES[name].draw(measured(arms=many_domains()))
    assert drawing is not None
    assert "rmu" in drawing.looks()


def test_a_row_per_domain_where_there_are_many() -> None:
    drawing = domains.draw(results(arms=many_domains()))
    assert isinstance(drawing, Dots)
    assert drawing.rows == [
        f"topic {i} ({'forget' if i == 0 else 'adjacent' if i == 1 else 'retain'})" for i in range(8)
    ]
    svg = to_svg(drawing.chart(WIDE))
    assert "gradmask, removed" in texts(svg)


def test_numbers_stand_at_the_dots_and_as_the_models_give_them(report: Written) -> None:
    figure = report.drawn["domains"]
    for loss in ("6.51", "4.47", "4.25", "4.94", "6.71", "4.22", "4.41", "4.16", "4.27", "4.23"):
        assert loss in texts(figure.wide)
    assert figure.plain is not None
    assert "6.56" in texts(figure.plain.wide)
    assert "6.51" not in texts(figure.plain.wide)
    assert domains.plain(results(headline=results().headline.model_copy(update={"calibrated": False}))) is None


def test_the_retain_axis_is_turned_so_that_better_is_right() -> None:
    drawing = tradeoff.draw(results())
    assert isinstance(drawing, Lines)
    assert drawing.x.turned
    assert drawing.chart(WIDE)["concat"][0]["layer"][0]["encoding"]["x"]["scale"]["reverse"] is True
    assert any(line.points[-1][1] > 6.4 for line in drawing.lines)


def test_panels_follow_the_roles_at_hand() -> None:
    def roles(drawing: Any) -> list[str]:
        return [panel.split()[0] for panel in drawing.panels]

    assert roles(curves.draw(results())) == ["forget", "retain"]
    assert roles(curves.draw(results(arms=many_domains()))) == ["forget", "adjacent", "retain"]


def test_the_curve_shows_where_consolidation_begins() -> None:
    found = results()
    main = found.arms["gradmask"]
    phase = main.model_copy(update={"consolidation": main.steps // 4})
    longer = found.model_copy(update={"arms": {**found.arms, "gradmask": phase}})
    assert curves.phases(found) == []
    begins = main.tokens * (1 - phase.consolidation / main.steps)
    assert curves.phases(longer) == [begins]
    assert [level.x for level in curves.draw(longer).levels] == [begins]  # type: ignore[union-attr]


def test_rows_are_what_is_drawn() -> None:
    found = results()
    assert len(tradeoff.rows(found)) == 5 * 10
    assert len(curves.rows(found)) == 5 * 2 * 10
    assert len(distribution.rows(found)) == 5 * 2 * 64
    shares = [row["share"] for row in distribution.rows(found) if (row["series"], row["domain"]) == ("filter", "es")]
    assert sum(shares) == pytest.approx(1)
    row = next(r for r in domains.rows(found) if (r["series"], r["domain"]) == ("gradmask/removed", "es"))
    assert (row["calibrated_loss"], row["role"]) == (6.51, "forget")


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_drawn_of_nothing(name: str) -> None:
    assert FIGURES[name].draw(results(arms={"no_filter": arm("n", {"full": {}}, curve=[])})) is None


def test_a_curve_of_one_point_is_no_curve() -> None:
    short = {name: a.model_copy(update={"curve": a.curve[:1]}) for name, a in arms().items()}
    assert tradeoff.draw(results(arms=short)) is None
    assert curves.draw(results(arms=short)) is None


def test_series_come_in_one_order_whatever_that_of_the_arms() -> None:
    turned = results(arms=dict(reversed({**arms(), "rmu": arm("RMU", {"full": {"es": ("forget", 5.0)}})}.items())))
    assert [name for name, _, _ in series(turned)] == [*STYLES, "rmu"]
    assert name_of("task_vector/full") == "task vector, full"


def test_the_same_numbers_are_the_same_bytes() -> None:
    chart = domains.draw(results()).chart(NARROW)  # type: ignore[union-attr]
    assert to_svg(chart) == to_svg(chart)

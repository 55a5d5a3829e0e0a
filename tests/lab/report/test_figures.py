from __future__ import annotations

from typing import Any

import pytest

from gradmask.lab.measures.results import Role
from gradmask.lab.report.figures import FIGURES, curves, distribution, domains, tradeoff
from gradmask.lab.report.series import series
from gradmask.lab.report.style import STYLES, color_of, inline, name_of, to_svg
from lab.measures.fabricated import arm, arms, measured, results


def many_domains() -> dict[str, Any]:
    roles: list[Role] = ["forget", "adjacent", *["retain"] * 6]
    losses = {f"topic {i}": (role, 4.0 + i / 10) for i, role in enumerate(roles)}
    return {"gradmask": arm("g", {"full": losses, "removed": losses}), "rmu": arm("RMU", {"full": losses})}


def texts(svg: str) -> str:
    return " ".join(part.partition("</text>")[0].rpartition(">")[2] for part in svg.split("<text")[1:])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_names_every_model_and_is_the_same_twice(name: str) -> None:
    first, second = (to_svg(FIGURES[name].draw(measured())) for _ in range(2))  # type: ignore[arg-type]
    assert first == second
    assert first.startswith("<svg")
    assert "<metadata" not in first
    for style in STYLES.values():
        assert style.name in texts(first)
        assert style.light in first


@pytest.mark.parametrize("name", FIGURES)
def test_many_domains_and_unknown_arms_are_drawn(name: str) -> None:
    found = measured(arms=many_domains())
    svg = to_svg(FIGURES[name].draw(found))  # type: ignore[arg-type]
    assert "rmu" in texts(svg)
    assert color_of("rmu") in svg


def test_a_row_per_domain_where_there_are_many() -> None:
    svg = texts(to_svg(domains.draw(results(arms=many_domains()))))  # type: ignore[arg-type]
    assert all(f"topic {i}" in svg for i in range(8))


def test_numbers_stand_at_the_dots() -> None:
    svg = texts(to_svg(domains.draw(results())))  # type: ignore[arg-type]
    for loss in ("6.51", "4.47", "4.25", "4.94", "6.71", "4.22", "4.41", "4.16", "4.27", "4.23"):
        assert loss in svg


def test_the_retain_axis_is_turned_so_that_better_is_right() -> None:
    axes = tradeoff.draw(results()).axes[0]  # type: ignore[union-attr]
    left, right = axes.get_xlim()
    assert left > right
    ends = {tuple(float(x[0]) for x in line.get_data()) for line in axes.lines if len(line.get_xdata()) == 1}
    assert any(forget > 6.4 for _, forget in ends)


def test_panels_follow_the_roles_at_hand() -> None:
    assert [a.get_title(loc="left").split()[0] for a in curves.draw(results()).axes] == ["forget", "retain"]  # type: ignore[union-attr]
    many = curves.draw(results(arms=many_domains()))
    assert [a.get_title(loc="left").split()[0] for a in many.axes] == ["forget", "adjacent", "retain"]  # type: ignore[union-attr]


def test_the_curve_shows_where_consolidation_begins() -> None:
    found = results()
    main = found.arms["gradmask"]
    phase = main.model_copy(update={"consolidation": main.steps // 4})
    longer = found.model_copy(update={"arms": {**found.arms, "gradmask": phase}})
    assert curves.phases(found) == []
    assert curves.phases(longer) == [main.tokens * (1 - phase.consolidation / main.steps)]
    dotted = [line for line in curves.draw(longer).axes[0].lines if line.get_linestyle() == ":"]  # type: ignore[union-attr]
    assert len(dotted) == 1


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


def test_inline_figures_take_the_pages_colours_and_their_own_ids() -> None:
    svg = to_svg(tradeoff.draw(results()))  # type: ignore[arg-type]
    inlined = inline(svg, "tradeoff", "Trade-off")
    assert "var(--removed, #0067a8)" in inlined
    assert "var(--soft, " in inlined
    assert 'id="tradeoff-' in inlined
    assert 'id="axes_1"' in svg
    assert 'id="axes_1"' not in inlined
    assert "pt" not in inlined.partition(">")[0]
    assert 'aria-label="Trade-off"' in inlined
    assert "DejaVu" not in inlined

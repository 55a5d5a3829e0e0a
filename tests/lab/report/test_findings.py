from __future__ import annotations

from gradmask.lab.report.figures import compute, leakage, probes, relearning
from gradmask.lab.report.findings import columns, gradient_rows, table
from gradmask.lab.report.html import render
from gradmask.lab.report.style import STYLES
from lab.measures.fabricated import arms, measured, results


def test_every_finding_has_its_row_and_every_model_its_column() -> None:
    rows = table(measured())
    cells = {row.title: row.cells for row in rows}
    assert columns(rows) == list(STYLES)
    assert cells["compute ratio, forget"]["no_filter"] == ("0.25", "0.2 to 0.31")
    assert cells["compute ratio, forget, elicited"] == {"perfect_filter": ("0.25", "0.2 to 0.31")}
    assert cells["leakage"]["gradmask/removed"] == ("0.040", "0.030 to 0.050")
    assert cells["relearning"]["gradmask/removed"] == ("12", "full, even, learning rate 0.001")
    assert cells["recovery against the perfect filter"]["filter"] == ("−0.250", "")
    assert cells["unused forget text"]["gradmask/removed"] == ("6.40 → 5.60", "")
    assert cells["after int8, int4, nf4"]["gradmask/removed"] == ("6.400, 6.390", "6.400")
    assert cells["gain by forget text in the prompt"]["filter"] == ("0.030", "± 0.010")
    assert cells["membership inference"]["filter"] == ("0.51", "min-k 0.52, ± 0.04")
    assert cells["extraction strength"]["filter"] == ("0.12 %", "largest 2 %")
    assert cells["generated text"]["filter"] == ("1.0 %", "2.0 %")
    assert cells["quiz, acc"] == {"gradmask/full": ("0.250", "± 0.010")}
    assert "compute ratio, adjacent" not in cells


def test_nothing_found_is_no_section() -> None:
    assert table(results()) == []
    assert gradient_rows(results()) == ([], [])
    page = render(results(), {})
    assert "what was tried" not in page
    assert "Which group a text teaches" not in page


def test_what_was_not_measured_is_noted_and_flags_are_shown() -> None:
    some = measured()
    some.findings.notes, some.findings.flags = ["leakage: none <missed>"], ["rmu: silent"]
    page = render(some, {})
    assert "Not measured: leakage: none &lt;missed&gt;" in page
    assert "A sign of over-unlearning. Rmu: silent." in page
    assert "Which group a text teaches" in page


def test_rows_are_what_is_drawn() -> None:
    some = measured()
    assert len(relearning.rows(some)) == 5 * (4 + 2)
    strongest = [row for row in relearning.rows(some) if row["rank"] == 1 and row["series"] == "filter"]
    assert [row["step"] for row in strongest] == [0, 1, 4, 16]
    assert len(compute.rows(some)) == 5 * 2 + 1
    assert compute.rows(some)[0]["penalty"] == 0.75
    assert [row["series"] for row in leakage.rows(some)][:3] == ["ladder"] * 3
    assert len(leakage.rows(some)) == 3 + 5
    assert len(probes.rows(some)) == 5 * 3


def test_the_attacks_level_is_that_of_no_filter() -> None:
    assert [level.y for level in relearning.draw(measured()).levels] == [4.4]  # type: ignore[union-attr]
    some = measured(arms={"gradmask": arms()["gradmask"]})
    assert relearning.draw(some) is not None

"""A comparison without the truth: against the filter with the same labels, and by that name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lab.measures.fabricated import arms, results
from tests.lab.run.own_run import corpus, labels, own_recipe

from gradmask.lab.compare import table
from gradmask.lab.compare.page import write_page
from gradmask.lab.compare.table import comparison
from gradmask.lab.compare.words import markdown, verdict


def test_gap_closed_is_to_the_filter_and_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ("compare.seeds=[0]", "compare.arms=[gradmask, no_filter, filter]")
    file = corpus(tmp_path / "x.jsonl", label=labels)
    recipe = own_recipe(tmp_path, file, {"label_field": "label"}, *changes)
    some = {name: arm for name, arm in arms().items() if name != "perfect_filter"}
    run = results(arms=some).model_copy(update={"about_labels": ["The truth is not known."]})
    monkeypatch.setattr(table, "results_of", lambda own: run)
    found = comparison(recipe, "gradmask compare recipe.yaml")
    main = found.settings["main"]
    ours = main.rivals["gradmask/removed"]
    assert main.reference == "filter"
    assert ours.gap_closed is not None
    assert ours.gap_closed.mean == pytest.approx((6.51 - 4.25) / (4.94 - 4.25))
    assert verdict(found)[0] == (
        "Over one seed, removal closes 328 % of the gap between no filter and a filter with the same labels."
    )
    assert verdict(found)[-1].startswith("Rivals are not ranked: that takes a perfect filter")
    assert "| gap closed to the filter with the same labels |" in markdown(found)
    page = write_page(found, tmp_path / "page").read_text(encoding="utf-8")
    assert "Labels as given; seeds 0." in page
    assert "% of the forget documents not labeled" not in page
    assert "The truth is not known." in page

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from gradmask.evaluate.results import ArmResult, DomainResult, Headline, Point, Results, Sample
from gradmask.report.html import FIGURES, render, write_report
from gradmask.report.words import verdict

EDGES = np.linspace(0, 16, 5).tolist()


def domain(role: str, loss: float) -> DomainResult:
    return DomainResult(
        role=role, loss=loss, error=0.1, perplexity=9.0, calibrated_loss=loss + 0.1, tokens=9, histogram=[0.25] * 4  # type: ignore[arg-type]
    )  # fmt: skip


def arm(title: str, models: dict[str, tuple[float, float]], text: str = "said") -> ArmResult:
    return ArmResult(
        title=title,
        parameters={"retain": 1000, "forget": 24},
        steps=4,
        tokens=4096,
        seconds=2.0,
        models={m: {"es": domain("forget", f), "en": domain("retain", r)} for m, (f, r) in models.items()},
        curve=[Point(step=i, tokens=i * 1024, losses={m: {"es": f - i, "en": r - i} for m, (f, r) in models.items()}) for i in range(4)],
        samples=[Sample(domain="es", prompt="Había", continuations=dict.fromkeys(models, text))],
    )


@pytest.fixture
def results() -> Results:
    return Results(
        name="a <b> test",
        created="today",
        command="gradmask evaluate x",
        versions={"gradmask": "0"},
        recipe={"name": "x"},
        labels=[{"domain": "es", "role": "forget", "tokens": 12345}],
        histogram_edges=EDGES,
        arms={
            "gradmask": arm("gradmask", {"full": (4.2, 4.1), "removed": (6.3, 4.0)}, "<script>alert(1)</script>"),
            "no_filter": arm("no filter", {"full": (4.0, 4.0)}),
        },
        headline=Headline(gap_closed=0.92, filter_gap_closed=0.1, retain_difference=0.02, full_forget_difference=0.2, calibrated=True),
    )


def test_the_page_is_whole_and_needs_nothing_else(results: Results, tmp_path: Path) -> None:
    page = write_report(results, tmp_path / "report")
    text = page.read_text()
    assert sorted(p.name for p in (tmp_path / "report" / "figures").iterdir()) == sorted(f"{n}.svg" for n in FIGURES)
    assert text.count("<svg") == len(FIGURES)
    outside = re.findall(r"""(?:src|href)=["'](?!data:|#)([^"']+)""", text)
    assert not [link for link in outside if not link.startswith("#")]
    assert not re.search(r"https?://(?!www\.w3\.org|creativecommons|purl\.org)", text)
    assert "92 %" in text
    assert "12,345" in text


def test_text_from_models_is_escaped(results: Results, tmp_path: Path) -> None:
    text = write_report(results, tmp_path).read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &lt;b&gt; test" in text


def test_all_numbers_can_be_downloaded(results: Results) -> None:
    found = re.search(r"data:application/json;base64,([A-Za-z0-9+/=]+)", render(results, {}))
    assert found
    assert Results.model_validate(json.loads(base64.b64decode(found[1]))) == results


def test_the_same_results_give_the_same_page(results: Results, tmp_path: Path) -> None:
    one, two = (write_report(results, tmp_path / name).read_bytes() for name in "ab")
    assert one == two


def test_a_figure_without_its_data_is_left_out(results: Results, tmp_path: Path) -> None:
    bare = {name: a.model_copy(update={"curve": [], "samples": []}) for name, a in results.arms.items()}
    text = write_report(results.model_copy(update={"arms": bare, "histogram_edges": []}), tmp_path).read_text()
    assert text.count("<svg") == 1
    assert "What the models write" not in text


def test_the_verdict_says_what_was_not_tried(results: Results) -> None:
    said = verdict(results)
    assert "goes 92 % of the way" in said[0]
    assert "not evidence against attacks that were not run" in said[-1]
    empty = results.model_copy(update={"headline": Headline(calibrated=False)})
    assert len(verdict(empty)) == 1

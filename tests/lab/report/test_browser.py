"""The pages in a real browser (the system's Chromium): axe-core, the first screen, the keyboard, print, without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.browsing import browser as browser, needs_chromium
from tests.lab.compare.test_table import found as found, recipe as recipe

from gradmask.lab.compare.page import write_page
from gradmask.lab.labeling.page import write_labels_page
from lab.labeling.fabricated import write_out
from lab.report.conftest import Written

axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
pytestmark = needs_chromium
WIDTHS = {390: 844, 768: 1024, 1280: 800}
RUN_AXE = """async () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  const found = await axe.run();
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`);
}"""
OVERPRINTED = """() => {
  const found = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const texts = [...svg.querySelectorAll("text")].filter((t) => t.textContent.trim() && t.getClientRects().length);
    const boxes = texts.map((t) => t.getBoundingClientRect());
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1.5 && high > 3.5) found.push(texts[i].textContent + " / " + texts[i + 1 + j].textContent);
    }));
  }
  return found;
}"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll("figure svg")].filter((s) => s.getClientRects().length)
  .flatMap((svg) => [...svg.querySelectorAll("text")].map((text) =>
    parseFloat(text.getAttribute("font-size")) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)))"""
BEYOND = """() => [...document.querySelectorAll("main *, body")].filter((e) => e.scrollWidth > e.clientWidth + 1 &&
  getComputedStyle(e).overflowX !== "visible").map((e) => e.className || e.tagName)"""

CUT = """() => [...document.querySelectorAll("th, td")].filter((e) => e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.textContent.trim())"""
"""Cells whose words lie over the next one's."""


@pytest.fixture
def pages(report: Written, found: Any, tmp_path: Path) -> dict[str, Path]:
    """A page of each kind."""
    return {"run": report.folder / "index.html", "comparison": write_page(found, tmp_path / "compared")}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_labels_page(write_out(tmp_path / "labels", ["medicine", "law"]))


def shown(browser: Any, path: Path, width: int = 1280, **more: Any) -> Any:
    page = browser.new_page(viewport={"width": width, "height": WIDTHS[width]}, **more)
    page.goto(path.as_uri())
    return page


def violations(page: Any) -> list[str]:
    script = next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
    page.evaluate(f"{script};0")
    return page.evaluate(RUN_AXE)


def test_a_phone_shows_claim_price_and_picture_first_and_axe_finds_nothing(browser: Any, report: Written) -> None:
    page = shown(browser, report.folder / "index.html", 390)
    box = page.locator("figure.picture").bounding_box()
    assert box["y"] + box["height"] <= 844
    assert page.evaluate(SMALLEST) >= 9
    assert page.evaluate(OVERPRINTED) == page.evaluate(CUT) == []
    assert violations(page) == []
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_at_any_width(browser: Any, pages: dict[str, Path], labels: Path, scheme: str) -> None:
    for path in (*pages.values(), labels):
        for width in WIDTHS:
            page = shown(browser, path, width, color_scheme=scheme)
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            page.close()


@pytest.mark.slow
def test_the_first_screen_answers_and_no_number_overprints_another(browser: Any, pages: dict[str, Path]) -> None:
    for path in pages.values():
        for width, height in WIDTHS.items():
            page = shown(browser, path, width)
            text = page.locator("header.first").inner_text()
            assert "Removed" in text
            assert "Price on what is kept" in text
            box = page.locator("figure.picture").bounding_box()
            assert box["y"] + box["height"] <= height, (path, width)
            assert page.evaluate(OVERPRINTED) == [], (path, width)
            assert page.evaluate(SMALLEST) >= 9, (path, width)
            page.close()


@pytest.mark.slow
def test_the_keyboard_reaches_everything(browser: Any, pages: dict[str, Path]) -> None:
    page = shown(browser, pages["run"])
    reached = []
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.className || document.activeElement.id || document.activeElement.tagName"
            )
        )
        if reached[-1] == "BODY":
            break
    assert reached[0] == "skip"
    for part in ("scroll", "show-no-filter", "losses-calibrated"):
        assert part in reached
    drawings = page.locator(".drawing:visible")
    assert sum(part.startswith("drawing") for part in reached) == drawings.count()
    drawings.first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".tip").inner_text() == "gradmask, removed, Knowledge of es that is left: 8 %"
    page.keyboard.press("ArrowLeft")
    assert "perfect filter, Price on what is kept" in page.locator(".tip").inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".tip").is_hidden()
    page.close()


@pytest.mark.slow
def test_models_can_be_hidden_and_losses_be_plain_without_scripts(browser: Any, pages: dict[str, Path]) -> None:
    page = shown(browser, pages["run"], java_script_enabled=False)
    marks = page.locator('[data-series="no-filter"]:visible')
    assert marks.count() > 20
    page.locator("#show-no-filter").uncheck()
    assert marks.count() == 0
    both = page.locator(".calibrated.wide:visible").count(), page.locator(".plain.wide:visible").count()
    assert both == (2, 0), "the first picture, and losses by domain"
    page.locator("#losses-plain").check()
    both = page.locator(".calibrated.wide:visible").count(), page.locator(".plain.wide:visible").count()
    assert both == (0, 2)
    page.close()


@pytest.mark.slow
def test_nothing_is_cut_in_print(browser: Any, pages: dict[str, Path]) -> None:
    for path in pages.values():
        page = browser.new_page(viewport={"width": 680, "height": 960}, color_scheme="dark")
        page.goto(path.as_uri())
        page.emulate_media(media="print")
        assert page.evaluate(BEYOND) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(254, 254, 254)"
        page.close()

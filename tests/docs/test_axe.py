"""The documentation site in a real browser: axe-core on every page, on a desktop and a phone, light and dark (`make test-site`).

The site is built first, and served: a page of errors finds its styles at a server's root only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.browsing import browser as browser, needs_chromium
from website.__main__ import BUILD, main as build

axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.timeout(3600)]
SITE = BUILD / "site"
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
LOOK = """async () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  const wide = document.documentElement.scrollWidth - innerWidth;
  const found = await axe.run({resultTypes: ["violations"]});
  return [...(wide > 0 ? [`wider than the screen by ${wide} pixels`] : []),
    ...found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`)];
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the site without a word."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the site, freshly built, is served."""
    pytest.importorskip("zensical")
    assert build() == 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def violations(page: Any, address: str) -> list[str]:
    script = next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
    page.goto(address)
    page.evaluate(f"{script};0")
    return page.evaluate(LOOK)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing(browser: Any, address: str, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    places = [path.relative_to(SITE).as_posix() for path in sorted(SITE.rglob("*.html"))]
    assert len(places) > 50
    found = {place: said for place in places if (said := violations(page, f"{address}/{place}"))}
    page.close()
    assert found == {}


def test_a_page_with_faults_is_found_out(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    (SITE / "faulty.html").write_text("<html><title>t</title><main><img src=a><p style=width:500px>x", encoding="utf-8")
    try:
        found = " ".join(violations(page, f"{address}/faulty.html"))
    finally:
        (SITE / "faulty.html").unlink()
        page.close()
    assert "wider than the screen by" in found
    assert "image-alt" in found
    assert "html-has-lang" in found

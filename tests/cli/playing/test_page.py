"""The page of ``gradmask play`` in a real browser (the system's Chromium, without a window)."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browsing import browser as browser, needs_chromium

from gradmask.errors import GradmaskError
from gradmask.lab.play.showing import DIFFERENCE, LOSS, Colouring, Mix, Showing
from gradmask.lab.play.stage import OWN_MIX, Stage, stage_of_pair, stage_of_run
from gradmask.lab.play.writing import Sampling
from gradmask.strangers import visible
from lab.play.small import partitioned, plain, saved
from lab.play.test_stage import make_run

pytest.importorskip("gradio", reason="needs Gradio: pip install 'gradmask[play]'")
pytestmark = [pytest.mark.slow, needs_chromium]


def served(stage: Stage) -> Iterator[str]:
    """The address of the page while it is served."""
    import uvicorn

    from gradmask.cli.playing.server import bound, make_app

    opened = bound("127.0.0.1", None)
    server = uvicorn.Server(uvicorn.Config(make_app(stage), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{opened.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return stage_of_run(make_run(tmp_path_factory.mktemp("made")).path)


@pytest.fixture(scope="module")
def address(stage: Stage) -> Iterator[str]:
    yield from served(stage)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, fresh; at the end: nothing was asked of another host, and the console holds no error."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(20_000)
    asked: list[str] = []
    errors: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector("#go")
    yield opened
    opened.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert errors == []


def texts(page: Any, busy: bool = False) -> list[str]:
    """What stands in the cards, once it is no longer (or: while it is) written."""
    page.wait_for_selector(f"#texts .gm-cards[aria-busy={str(busy).lower()}]")
    return page.locator("#texts .gm-text").all_text_contents()


def written(stage: Stage, names: list[str], how: Sampling, mix: Mix | None = None) -> list[str]:
    """The same without a page."""
    prompt = stage.beginnings[0].prompt
    *_, last = Showing(stage).write(prompt, names, how, Colouring(LOSS), mix or Mix())
    return [visible(prompt + text) for text in last[1].texts.values()]


def cells(html: str) -> list[str]:
    """The texts of a table's cells."""
    return [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", html, re.DOTALL)]


def test_texts_are_written_side_by_side_and_coloured(page: Any, stage: Stage) -> None:
    page.click("#go")
    assert texts(page, busy=True)
    assert texts(page) == written(stage, list(stage.shown), Sampling())
    assert page.locator("#texts h2").all_text_contents() == list(stage.shown)
    assert page.locator("#texts .gm-less").count() == 0
    page.get_by_role("radio", name=DIFFERENCE).click()
    page.wait_for_selector("#texts .gm-less")
    assert texts(page) == written(stage, list(stage.shown), Sampling())


def test_a_switch_makes_the_mix_the_removed_model(page: Any, stage: Stage) -> None:
    page.get_by_role("checkbox", name=OWN_MIX).check()
    page.get_by_role("button", name=re.compile("Your mix")).click()
    page.click("#go")
    full, *_, mix = texts(page)
    assert mix == full
    page.get_by_role("checkbox", name="biology runs").uncheck()
    page.wait_for_function("document.querySelector('#texts').innerText.includes('without biology\\n')")
    page.wait_for_function("document.querySelector('#texts .gm-note').innerText.includes('without biology')")
    assert texts(page)[-1] == texts(page)[1]
    slider = page.locator("#strength-1 input[type=range]")
    slider.focus()
    slider.press("ArrowLeft")
    page.wait_for_function("document.querySelector('#texts .gm-note').innerText.includes('chemistry at 0.95')")
    mixed = Mix({"biology": False, "chemistry": True}, {"biology": 1.0, "chemistry": 0.95})
    assert texts(page)[-1] == written(stage, [OWN_MIX], Sampling(), mixed)[0]


def test_a_text_is_read_and_continuations_are_compared(page: Any, stage: Stage) -> None:
    page.get_by_role("tab", name="Read").click()
    page.click("#read-it")
    page.wait_for_selector("#readings table")
    assert page.locator("#readings .gm-card").count() == len(stage.shown)
    page.get_by_role("tab", name="Compare").click()
    page.fill("#continuations textarea", "a red tree\n<b>bold</b>")
    page.click("#compare-them")
    page.wait_for_selector("#probabilities table")
    assert page.locator("#probabilities td").count() == 4 * len(stage.shown)
    assert "<b>bold</b>" in page.locator("#probabilities").inner_text()
    prompt, names = stage.beginnings[0].prompt, list(stage.shown)
    ((html, _),) = Showing(stage).compare(prompt, "a red tree\n<b>bold</b>", names, Mix())
    assert page.locator("#probabilities td").all_text_contents() == cells(html)


def test_errors_are_messages(page: Any) -> None:
    page.fill("#prompt textarea", "")
    page.click("#go")
    alert = page.get_by_role("alert").filter(has_text="there is no text yet")
    alert.wait_for()
    page.fill("#prompt textarea", "z" * 300)
    page.click("#go")
    page.get_by_role("alert").filter(has_text="shorten the text").wait_for()
    assert "Traceback" not in page.content()
    page.fill("#prompt textarea", "the old dog <script>document.title='no'</script>")
    page.click("#go")
    texts(page)
    assert page.get_by_role("alert").filter(has_text="shorten").count() == 0
    assert page.title().startswith("gradmask play")


def test_writing_stops_when_asked(page: Any) -> None:
    page.get_by_role("button", name=re.compile("How it is written")).click()
    page.locator("#tokens input[type=number]").fill("200")
    page.locator("#temperature input[type=number]").fill("0")
    page.click("#go")
    texts(page, busy=True)
    page.click("#stop")
    page.wait_for_timeout(1000)
    before = page.locator("#texts .gm-text").all_text_contents()
    page.wait_for_timeout(1000)
    assert texts(page, busy=True) == before


def test_the_keyboard_and_names_suffice(page: Any) -> None:
    page.locator("#prompt textarea").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "go":
            break
    page.keyboard.press("Enter")
    texts(page)
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, textarea, button, select')].filter(e => e.offsetParent).filter(e =>
        !(e.labels && e.labels.length && [...e.labels].some(l => l.innerText.trim())) && !e.getAttribute('aria-label')
        && !e.getAttribute('aria-labelledby') && !e.innerText.trim() && !e.title).map(e => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.lang") != ""


def test_axe_finds_nothing(page: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
    page.evaluate(next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8"))
    page.click("#go")
    texts(page)
    page.get_by_role("button", name=re.compile("Your mix")).click()
    for tab, button, found in (
        ("Compare", "#compare-them", "#probabilities table"),
        ("Read", "#read-it", "#readings table"),
    ):
        assert page.evaluate("async () => (await axe.run()).violations.map(v => [v.id, v.nodes[0].html])") == []
        page.get_by_role("tab", name=tab).click()
        page.click(button)
        page.wait_for_selector(found)
        page.wait_for_timeout(1000)  # what is new fades in
    assert page.evaluate("async () => (await axe.run()).violations.map(v => [v.id, v.nodes[0].html])") == []


def wide(page: Any, width: int) -> list[str]:
    """What makes the page scroll sideways."""
    if page.evaluate("document.documentElement.scrollWidth") <= width:
        return []
    script = "w => [...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > w + 1)"
    return page.evaluate(script + ".map(e => e.outerHTML.slice(0, 150))", width)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(page: Any, width: int, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.click("#go")
    texts(page)
    for tab, button, found in (
        ("Read", "#read-it", "#readings table"),
        ("Compare", "#compare-them", "#probabilities table"),
    ):
        page.get_by_role("tab", name=tab).click()
        page.click(button)
        page.wait_for_selector(found)
        assert wide(page, width) == []
    assert page.get_by_role("tab").count() == 3


def test_two_plain_models_with_two_tokenizers(browser: Any, tmp_path: Path) -> None:
    for address in served(
        stage_of_pair(
            saved(plain(positions=256), tmp_path / "a"), saved(plain(258, positions=256), tmp_path / "b", 258)
        )
    ):
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto(address)
        page.click("#go")
        assert len(texts(page)) == 2
        page.get_by_role("tab", name="Read").click()
        page.fill("#text textarea", "the old dog")
        page.click("#read-it")
        page.get_by_text("compared by text").wait_for()
        assert page.get_by_text("Your mix").count() == 0
        page.close()


def test_the_server_is_closed_to_others(address: str, tmp_path: Path) -> None:
    import httpx

    from gradmask.cli.playing.server import bound

    assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 400
    own = httpx.get(address)
    assert "default-src 'self'" in own.headers["content-security-policy"]
    port = int(address.rpartition(":")[2])
    with pytest.raises(GradmaskError, match=f"cannot listen at 127.0.0.1, port {port}"):
        bound("127.0.0.1", port)
    assert saved(partitioned(), tmp_path / "model").is_dir()

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Static

from data.label.review.fixture import session, truth
from gradmask.cli.review.app import ReviewApp
from gradmask.data.label import Session


def driven(
    review: Session, act: Callable[[ReviewApp, Pilot[Any]], Awaitable[None]], size: tuple[int, int] = (110, 32)
) -> None:
    """Run the app without a terminal while ``act`` presses its keys."""

    async def run() -> None:
        app = ReviewApp(review)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await act(app, pilot)

    asyncio.run(run())


async def settled(pilot: Pilot[Any]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def words_of(app: ReviewApp, id: str) -> str:
    return str(app.query_one(f"#{id}", Static).render())


def test_keys_answer_and_undo(tmp_path: Path) -> None:
    review = session(tmp_path)

    async def act(app: ReviewApp, pilot: Pilot[Any]) -> None:
        first = app.shown
        assert first is not None
        assert first.document.text in words_of(app, "text")
        await pilot.press("f", "r", "u", "space", "1")
        assert [row["label"] for row in review.answers] == ["medicine", "retain", None, None, "medicine"]
        await pilot.press("b", "backspace")
        assert [row["label"] for row in review.answers] == ["medicine", "retain", None]
        await pilot.press("b", "b", "b")
        assert app.shown == first
        await pilot.press("b")
        assert "no answer to take back" in words_of(app, "message")
        await pilot.press("5")
        assert "There is no group 5; the groups are medicine" in words_of(app, "message")
        assert review.answers == []
        await pilot.press("r", "q")

    driven(review, act)
    assert [row["label"] for row in session(tmp_path).answers] == ["retain"]


def test_it_fits_again_in_the_background_and_shows_what_that_changed(tmp_path: Path) -> None:
    review = session(tmp_path, every=10)

    async def act(app: ReviewApp, pilot: Pilot[Any]) -> None:
        for _ in range(20):
            assert app.shown is not None
            await pilot.press("f" if truth(app.shown.document) == "medicine" else "r")
            await settled(pilot)
        assert [p.answers for p in review.history] == [10, 20]
        assert not app.fitting
        good = " ".join(words_of(app, "good").split())
        assert "held-out medicine answers precision recall 10 0.80 0.90 20 0.80 0.90" in good
        assert "drawn at random medicine:" in good
        assert "words for" in words_of(app, "drivers")
        assert "20 answered" in words_of(app, "head")

    driven(review, act)


def test_search_shows_what_contains_the_words(tmp_path: Path) -> None:
    review = session(tmp_path)

    async def act(app: ReviewApp, pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"n17", "enter")
        await settled(pilot)
        assert app.shown is not None
        assert (app.shown.document.id, app.shown.reason) == ("corpus.jsonl:17", "search")
        assert "1 documents with" in words_of(app, "message")
        await pilot.press("f")
        await pilot.press("slash", *"wheel", "escape")
        assert app.shown.reason != "search"
        assert [row["chosen"] for row in review.answers] == ["search"]

    driven(review, act)


def test_several_groups_are_marked_and_then_answered(tmp_path: Path) -> None:
    review = session(tmp_path)
    review.groups.append("law")
    import numpy as np

    review._scores, review._cuts = np.repeat(review._scores, 2, axis=1), np.array([[0.1, 0.1], [0.9, 0.9]])

    async def act(app: ReviewApp, pilot: Pilot[Any]) -> None:
        await pilot.press("m", "1", "2")
        assert "groups: medicine, law" in words_of(app, "message")
        assert review.answers == []
        await pilot.press("m", "2")
        assert [row["label"] for row in review.answers] == [["medicine", "law"], "law"]

    driven(review, act)


def test_a_long_document_scrolls_and_the_next_starts_at_its_top(tmp_path: Path) -> None:
    review = session(tmp_path)
    review.pool.documents[:] = [
        type(d)(d.id, f"{d.text}\n\x1b[2J" * 80, d.domain, d.place) for d in review.pool.documents
    ]

    async def act(app: ReviewApp, pilot: Pilot[Any]) -> None:
        view = app.query_one("#document", VerticalScroll)
        await pilot.press("pagedown", "down")
        assert view.scroll_y > 20
        await pilot.press("r")
        await settled(pilot)
        assert view.scroll_y == 0
        assert "\x1b" not in words_of(app, "text")

    driven(review, act)


def test_an_answer_that_cannot_be_stored_is_told_and_not_counted(tmp_path: Path) -> None:
    review = session(tmp_path)
    review.path = tmp_path / "nowhere" / "examples.jsonl"

    async def act(app: ReviewApp, pilot: Pilot[Any]) -> None:
        first = app.shown
        await pilot.press("f")
        assert "was not stored" in words_of(app, "message")
        assert app.shown == first

    driven(review, act)
    assert review.answers == []


def test_the_end_is_said(tmp_path: Path) -> None:
    review = session(tmp_path, count=2)

    async def act(app: ReviewApp, pilot: Pilot[Any]) -> None:
        await pilot.press("f", "r", "r")
        assert "Every document has an answer" in words_of(app, "text")
        assert len(review.answers) == 2

    driven(review, act)

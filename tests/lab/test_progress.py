"""Work is shown with its number and the time left, at the pace so far."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.lab.run.tiny_run import Doing

from gradmask.lab import progress
from gradmask.lab.progress import Countdown, Jobs, Lines, heading, showing, status, step, time_left, track


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_goes_by_what_was_done() -> None:
    clock, shown = Clock(), Doing()
    countdown = Countdown([1.0, 3.0, 2.0], clock)
    with showing(shown):
        with countdown.next():
            status("first")
            clock.now = 10.0
        with countdown.next():
            status("second")
            clock.now = 40.0
        with countdown.next():
            status("third")
        status("over")
    assert shown.statuses == [
        "1 of 3: first",
        "2 of 3: second (about 50 s left)",
        "3 of 3: third (about 20 s left)",
        "over",
    ]


def test_jobs_that_are_done_already_take_no_time() -> None:
    clock, shown = Clock(), Doing()
    countdown = Countdown([1.0, 9.0, 30.0], clock)
    countdown.skip(1)
    with showing(shown), heading("run"):
        with countdown.next():
            clock.now = 10.0
        with countdown.next(), heading("model"):
            status("x")
        status("")
    assert shown.statuses == ["run: 2 of 3: model: x (about 5 min left)", ""]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no test asks for silence; see conftest."""
    monkeypatch.setattr(progress, "SOON", 2.0)


def test_in_a_file_long_work_is_told_now_and_then() -> None:
    clock, lines = Clock(), list[str]()
    with showing(Lines(lines.append, clock)), heading("run"):
        for n, clock.now in enumerate([1.0, 61.0, 62.0, 130.0, 3600.0, 3659.0, 3660.0]):
            status(f"job {n}")
        clock.now = 5000.0
        status("")
    assert lines == ["run: job 1", "run: job 3", "run: job 4", "run: job 6"]


def test_in_a_file_the_first_lines_come_soon() -> None:
    clock, lines = Clock(), list[str]()
    with showing(Lines(lines.append, clock)), track("arm", 1000):
        for done in range(1, 1000):
            clock.now += 0.5
            step(done)
    told = [int(line.split()[2]) / 2 for line in lines]
    assert told[:4] == [2.0, 4.0, 6.0, 8.0]
    assert 25 < len(told) < 70
    assert all(after - before <= max(2.0, 0.1 * after + 1.0) for before, after in pairwise(told))


def test_arms_have_a_number_and_the_time_left_of_all() -> None:
    clock, lines = Clock(), list[str]()
    jobs = Jobs("arm", {"one": 10, "two": 40, "three": 50}, {"one"}, clock)
    with showing(Lines(lines.append, clock)):
        with jobs.job("two"):
            with track("two", 30, 20):
                clock.now = 50.0
                step(25)
            clock.now = 60.0
            status("measuring")
            with track("two, consolidation", 10, before=30):
                clock.now = 100.0
                step(5)
        with jobs.job("three"), track("three", 50):
            clock.now = 200.0
            step(10, loss="1.5")
    assert lines == [
        "arm 2 of 3: two: step 25 of 30, about 50 s left, all arms about 11 min left",
        "arm 2 of 3: measuring",
        "arm 2 of 3: two, consolidation: step 5 of 10, about 40 s left, all arms about 7 min left",
        "arm 3 of 3: three: step 10 of 50, about 7 min left, loss 1.5",
    ]


def test_a_single_arm_needs_no_number() -> None:
    clock, lines = Clock(), list[str]()
    with showing(Lines(lines.append, clock)), Jobs("arm", {"one": 10}, (), clock).job("one"), track("one", 10):
        clock.now = 50.0
        step(5)
    assert lines == ["one: step 5 of 10, about 50 s left"]


def test_in_a_file_steps_are_told_now_and_then() -> None:
    clock, lines = Clock(), list[str]()
    with showing(Lines(lines.append, clock)), track("arm", 100, 40):
        step(40)
        for number in range(41, 101):
            clock.now += 25.0
            step(number, loss="2.5") if number == 43 else step(number)
    assert lines[2:4] == [
        "arm: step 43 of 100, about 24 min left, loss 2.5",
        "arm: step 44 of 100, about 23 min left, loss 2.5",
    ]
    assert len(lines) < 40


def test_seconds_then_minutes() -> None:
    assert [time_left(s) for s in (0.1, 89, 91, 600)] == [
        "about 1 s left", "about 89 s left", "about 2 min left", "about 10 min left",
    ]  # fmt: skip

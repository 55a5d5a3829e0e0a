"""Work is shown with its number and the time left, at the pace so far."""

from __future__ import annotations

from tests.lab.run.tiny_run import Doing

from gradmask.lab.progress import Countdown, Lines, heading, showing, status, step, time_left, track


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


def test_in_a_file_long_work_is_told_now_and_then() -> None:
    clock, lines = Clock(), list[str]()
    with showing(Lines(lines.append, clock)), heading("run"):
        for n, clock.now in enumerate([1.0, 61.0, 62.0, 130.0]):
            status(f"job {n}")
        clock.now = 1000.0
        status("")
    assert lines == ["run: job 1", "run: job 3"]


def test_in_a_file_steps_are_told_now_and_then() -> None:
    clock, lines = Clock(), list[str]()
    with showing(Lines(lines.append, clock)), track("arm", 100, 40):
        step(40)
        for number in range(41, 101):
            clock.now += 25.0
            step(number, loss="2.5") if number == 43 else step(number)
    assert lines[:2] == [
        "arm: step 43 of 100, loss 2.5, about 24 min left",
        "arm: step 46 of 100, loss 2.5, about 22 min left",
    ]
    assert lines[-1] == "arm: step 100 of 100, loss 2.5"


def test_seconds_then_minutes() -> None:
    assert [time_left(s) for s in (0.1, 89, 91, 600)] == [
        "about 1 s left", "about 89 s left", "about 2 min left", "about 10 min left",
    ]  # fmt: skip

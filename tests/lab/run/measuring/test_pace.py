from __future__ import annotations

from gradmask.lab.run.measuring.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_goes_by_what_was_done() -> None:
    clock, lines = Clock(), list[str]()
    pace = Pace(lines.append, [1.0, 3.0, 2.0], clock)
    pace.line("first")
    clock.now = 10.0
    pace.end()
    pace.line("second")
    clock.now = 40.0
    pace.end()
    pace.line("third")
    pace.end()
    pace.line("over")
    assert lines == [
        "1 of 3: first",
        "2 of 3: second (about 50 s left)",
        "3 of 3: third (about 20 s left)",
        "3 of 3: over",
    ]


def test_jobs_that_are_done_already_take_no_time() -> None:
    clock, lines = Clock(), list[str]()
    pace = Pace(lines.append, [1.0, 9.0, 30.0], clock)
    pace.skip(1)
    clock.now = 10.0
    pace.end()
    pace.line("x")
    assert lines == ["2 of 3: x (about 5 min left)"]

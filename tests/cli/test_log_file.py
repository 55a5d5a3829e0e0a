"""Output that goes to a file, under a scheduler: whole lines, written at once, without control characters."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import subprocess
import sys

import pytest

from gradmask.cli import output
from gradmask.lab import progress

SCRIPT = """
from gradmask.cli.output import logger, work_shown
from gradmask.lab import progress
progress.SOON = progress.SECONDS = 0.0
with work_shown():
    progress.status("preparing [the data]")
    with progress.track("gradmask", 4):
        for done in range(1, 5):
            progress.step(done, loss="2.5")
            if done == 2:
                logger.info("gradmask step 2/4   full: en 1.000")
                print("now", flush=True)
"""


def told(**environment: str) -> str:
    """What the script writes to standard error where that is a file."""
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", SCRIPT], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env, check=True).stderr  # fmt: skip


def test_a_file_gets_whole_lines_without_control_characters() -> None:
    lines = told().splitlines()
    assert lines[0] == "preparing [the data]"
    assert [line.split(",")[0] for line in lines if "of 4" in line] == [
        f"gradmask: step {n} of 4" for n in (1, 2, 3, 4)
    ]
    assert lines[3] == "gradmask step 2/4   full: en 1.000"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", "".join(lines))


class Slow(io.StringIO):
    """Keeps what was flushed, as a file does that is read while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = ""

    def flush(self) -> None:
        self.seen = self.getvalue()


def test_every_line_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SOON", 0.0)
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    file = Slow()
    monkeypatch.setattr(sys, "stderr", file)
    with output.work_shown(), progress.track("arm", 9):
        for done in (1, 2, 3):
            progress.step(done)
            assert file.seen.splitlines()[-1].startswith(f"arm: step {done} of 9")
        logging.getLogger("gradmask.cli").info("a message")
        assert file.seen.endswith("a message\n")


def in_terminal(**environment: str) -> str:
    """What the script writes where it runs in a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=follower, stdout=subprocess.DEVNULL, env={**os.environ, **environment})  # fmt: skip
    process.wait()
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:
        pass
    os.close(leader)
    return shown.decode()


@pytest.mark.parametrize(("environment", "colors", "moves"), [({"TERM": "xterm-256color"}, True, True), ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)])  # fmt: skip
def test_a_terminal_gets_what_it_can_show(environment: dict[str, str], colors: bool, moves: bool) -> None:
    shown = in_terminal(**environment)
    assert bool(re.search(r"\x1b\[(3[0-7]|38)", shown)) == colors
    assert ("\x1b[?25l" in shown) == moves
    assert "gradmask step 2/4" in shown

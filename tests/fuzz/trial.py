"""One malformed input through the program, and what may not happen."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.fuzz.inputs import Input, Maker

from gradmask.cli import main

SECONDS = 60
"""An input that takes longer is counted as a hang."""


@dataclass(frozen=True)
class Outcome:
    """What an input came to. ``problem`` is empty where the program behaved."""

    input: Input
    code: int | None
    seconds: float
    output: str
    problem: str


class Hang(BaseException):
    """The time was up."""


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise `Hang` when the time is up."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def files_under(folder: Path) -> set[str]:
    """Every path below a folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def attempt(maker: Maker, number: int, sandbox: Path) -> Outcome:
    """Run one input with the sandbox as the working folder, and look at everything that it left."""
    folder = sandbox / f"input-{number}"
    given = maker.make(number, folder)
    before = files_under(sandbox)
    out, err, code, hung, began = io.StringIO(), io.StringIO(), None, False, time.monotonic()
    home = Path.cwd()
    os.chdir(sandbox)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), within(SECONDS):
            code = main(given.argv)
    except Hang:
        hung = True
    finally:
        os.chdir(home)
    output = out.getvalue() + err.getvalue()
    # a recipe without an output writes into ./runs
    outside = {p for p in files_under(sandbox) - before if not p.startswith((f"input-{number}/out", "runs"))}
    return Outcome(given, code, time.monotonic() - began, output, _problem(code, hung, output, outside))


def _problem(code: int | None, hung: bool, output: str, outside: set[str]) -> str:
    if hung:
        return f"did not end within {SECONDS} s"
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if "Traceback" in output:
        return "a traceback"
    if surprise := [line for line in output.splitlines() if line.startswith("unexpected ")]:
        return f"an unexpected error: {surprise[0]}"
    if code and not output.strip():
        return "failed without a word"
    if outside:
        return f"wrote outside of its output folder: {sorted(outside)[:3]}"
    return ""


def table(outcomes: list[Outcome]) -> str:
    """Kind by kind: how many were refused, and how many were good after all; Markdown."""
    kinds = list(dict.fromkeys(o.input.kind for o in outcomes))
    lines = [
        "| input | tried | refused with a message | harmless, accepted | wrong |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in kinds:
        of = [o for o in outcomes if o.input.kind == kind]
        codes = Counter("wrong" if o.problem else "accepted" if o.code == 0 else "refused" for o in of)
        lines.append(f"| {kind} | {len(of)} | {codes['refused']} | {codes['accepted']} | {codes['wrong']} |")
    return "\n".join(lines)

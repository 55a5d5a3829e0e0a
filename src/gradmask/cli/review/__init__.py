"""Review in the terminal: documents, the most useful first, answered by a key each."""

from __future__ import annotations

import sys
from pathlib import Path

from gradmask.errors import GradmaskError


def review(folder: Path, every: int = 10) -> int:
    """Review the documents that ``gradmask label`` scored into ``folder``; returns the number of answers that hold.

    Args:
        folder: the output folder of ``gradmask label``.
        every: answers after which the labeler is fitted again.

    Raises:
        GradmaskError: there is no terminal, or the folder lacks what a review needs.
    """
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if not stream.isatty():
            raise GradmaskError(
                f"a review needs a terminal, and standard {name} is none: run it in a terminal without a pipe; a program "
                "answers with gradmask.data.label.Session"
            )
    from gradmask.cli.review.app import ReviewApp
    from gradmask.data import label

    session = label.open_session(folder, every=every)
    ReviewApp(session, str(folder)).run()
    return len(session.answers)

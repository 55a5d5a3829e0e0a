"""How a run ended, kept in its folder while it is trained: ``gradmask runs`` tells a failure from a kill by it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradmask.files import write_whole
from gradmask.lab.run.failures import Interrupted

FILE = "state.json"
RUNNING, ENDED, STOPPED, FAILED = "running", "ended", "stopped", "failed"
LONGEST = 500
"""Characters of an error's message that are kept."""


@contextmanager
def recorded(folder: Path) -> Iterator[None]:
    """Within: the folder says that a run is going on; afterwards, how it ended. A kill leaves the first of the two behind."""
    _write(folder, RUNNING, pid=os.getpid(), host=socket.gethostname())
    try:
        yield
    except Interrupted as signaled:
        _write(folder, STOPPED, message=str(signaled))
        raise
    except BaseException as error:
        _write(folder, FAILED, message=(str(error) or type(error).__name__)[:LONGEST])
        raise
    _write(folder, ENDED)


def _write(folder: Path, state: str, **more: Any) -> None:
    told = {"state": state, "when": datetime.now(UTC).isoformat(timespec="seconds"), **more}
    try:
        write_whole(folder / FILE, json.dumps(told, indent=1) + "\n")
    except OSError:  # a full disk must not hide the error that the run failed with
        if state == RUNNING:
            raise


def recorded_state(folder: Path) -> dict[str, Any]:
    """What `recorded` wrote last; empty where nothing whole is there."""
    try:
        told: Any = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}

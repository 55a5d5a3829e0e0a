"""What a launcher (torchrun, accelerate launch) says of this process, without starting anything."""

from __future__ import annotations

import os


def launched() -> int:
    """How many processes a launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def speaks() -> bool:
    """Whether this process talks to the user, also before and after it belongs to a team."""
    return launched() == 1 or os.environ.get("RANK", "0") == "0"

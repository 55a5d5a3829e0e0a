"""Numbers and lists as they stand in sentences and tables."""

from __future__ import annotations

import re
from typing import Any

PLAIN = r"(?!(true|false|null|yes|no|on|off)$)[A-Za-z_./][\w ./-]*"
"""A text that needs no quotes in YAML."""


def percent(share: float | None) -> str:
    """A share as a percentage, or a dash."""
    return "–" if share is None else f"{100 * share:.0f} %".replace("-", "−")


def nats(value: float | None, sign: bool = False) -> str:
    """A loss or a difference of losses, or a dash."""
    return "–" if value is None else f"{value:{'+' if sign else ''}.3f}".replace("-", "−")


def listed(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def as_written(value: Any) -> str:
    """A value as it stands in a recipe, in a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_written, value))}]"
    if isinstance(value, str) and not re.fullmatch(PLAIN, value):
        return repr(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

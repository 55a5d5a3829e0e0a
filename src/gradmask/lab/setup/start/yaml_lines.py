"""YAML with a comment for each value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

PLAIN = re.compile(r"[A-Za-z_./~][\w./~+-]*( [\w./+-]+)*")
"""Texts that every YAML reader takes for themselves without quotes; words that mean something else are listed in `WORDS`."""
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", ".nan", ".inf"}
WIDTH = 110
"""Columns; a comment that would pass them stands above its value."""


class Lines:
    """Collects lines of a block of YAML."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def comment(self, text: str, indent: int = 0) -> None:
        self.lines.append(f"{'  ' * indent}# {text}")

    def key(self, name: str, indent: int = 0, why: str = "") -> None:
        """A key whose value follows in further lines."""
        self._add(f"{'  ' * indent}{name}:", indent, why)

    def value(self, name: str, value: Any, indent: int = 0, why: str = "") -> None:
        self._add(f"{'  ' * indent}{name}: {flow(value)}", indent, why)

    def _add(self, text: str, indent: int, why: str) -> None:
        if why and len(text) + len(why) + 4 > WIDTH:
            self.comment(why, indent + text.lstrip().startswith("- "))
            why = ""
        self.lines.append(f"{text}  # {why}" if why else text)

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"


def flow(value: Any) -> str:
    """Plain data on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        plain = PLAIN.fullmatch(value) and value.lower() not in WORDS
        return value if plain else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """As JSON writes it; characters that YAML does not allow as they are, by their number."""
    return "".join(c if c.isprintable() else _escape(ord(c)) for c in json.dumps(text, ensure_ascii=False))


def _escape(number: int) -> str:
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


class Number(str):
    """A number as it is to be written, such as ``2e-3``."""

"""What names and files that somebody else made may not do: reach a terminal as commands, or lead out of their folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gradmask.errors import GradmaskError

# C0 without tab and line feed, DEL, C1 (some terminals obey U+009B as ESC [), and marks that reorder or hide text
_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """A text as a terminal may get it: control characters, and those that reorder or hide text, are escaped."""
    return _COMMANDS.sub(lambda match: ascii(match[0])[1:-1], text)


def visible_json(text: str) -> str:
    """`visible` for a text that is JSON, and stays it."""
    return _COMMANDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def printable(name: str) -> str:
    """A name of a file from a stranger's folder: what is invisible, or only looks like ASCII, is escaped too."""
    return name if name.isascii() and name.isprintable() and name == name.strip() else ascii(name)


def require_own_files(folder: Path) -> None:
    """Refuse a model's folder that takes weights from elsewhere: by an index of weights, or as an adapter of another model.

    Raises:
        GradmaskError: it names a path or a base, or an index cannot be read.
    """
    for path in sorted(folder.glob("*.index.json")):
        try:
            files = {str(file) for file in json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise GradmaskError(f"{path} is not an index of weights ({type(error).__name__})") from None
        for file in sorted(files):
            if "/" in file or "\\" in file or "\0" in file or file in ("", "..", "."):
                raise GradmaskError(
                    f"{path} takes weights from {file!r}, outside its folder: do not trust this checkpoint"
                )
    if (folder / "adapter_config.json").exists() and not (folder / "gradmask.json").exists():
        raise GradmaskError(
            f"{folder} is an adapter of another model (adapter_config.json), whose weights lie elsewhere: merge it into that "
            "model first, and give the folder of the result"
        )

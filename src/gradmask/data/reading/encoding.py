"""Text files in any encoding, read as UTF-8; and what to write in the recipe where a file is in another one."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import Any, cast

from gradmask.data.reading.opening import Recoded, open_bytes

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, the longer ones first."""
SAMPLE = 1 << 20
WESTERN = 0.25
"""Share of letters beyond ASCII up to which a text in one byte a letter is taken for a Western European language."""
SUSPECTS = "cp1251 or koi8-r (Cyrillic), gb18030 or big5 (Chinese), shift_jis (Japanese), euc-kr (Korean)"


def open_text(path: Path, encoding: str = "utf-8") -> io.BufferedReader:
    """A text file as bytes in UTF-8 without a byte order mark.

    A mark of UTF-16 or UTF-32 is believed. What is not valid UTF-8 in a file that should be is passed on as it is, so that the
    caller can name the line; other encodings raise UnicodeDecodeError.
    """
    file = open_bytes(path)
    start = file.peek(4)
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    actual = marked or codecs.lookup(encoding).name
    if actual in ("utf-8", "utf-8-sig", "ascii"):
        if start.startswith(codecs.BOM_UTF8):
            file.read(3)
        return file
    return io.BufferedReader(cast(Any, Recoded(file, codecs.getincrementaldecoder(actual)())))


def advice(path: Path, line: bytes) -> str:
    """What to do about a file whose ``line`` is not valid UTF-8: the likely encoding, as a line of the recipe.

    A file that is UTF-8 elsewhere has a damaged line, not another encoding.
    """
    with open_bytes(path) as file:
        sample = file.read(SAMPLE)
    if sample.count(b"\0") > len(sample) // 4:
        zeros_first = sample[0::2].count(b"\0") > sample[1::2].count(b"\0")
        return f"this looks like UTF-16: write encoding: utf-16-{'be' if zeros_first else 'le'}"
    if _mostly_utf8(sample):
        return "the rest of the file is UTF-8, so this line is damaged: repair it, or write bad_rows: skip"
    high = [byte for byte in sample + line if byte >= 0x80]
    letters = sum(chr(byte).isalpha() for byte in sample + line)
    if len(high) > WESTERN * max(1, letters):
        return f"write its encoding, such as {SUSPECTS}: encoding: …"
    return f"this looks like {'cp1252' if any(byte < 0xA0 for byte in high) else 'latin-1'}: write encoding: " + (
        "cp1252" if any(byte < 0xA0 for byte in high) else "latin-1"
    )


def _mostly_utf8(sample: bytes) -> bool:
    """Whether the sample has letters beyond ASCII that are valid UTF-8, and more of them than of others."""
    text = sample.decode(errors="replace")
    broken = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) - broken > broken

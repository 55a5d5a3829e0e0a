"""What a file is, told from its first bytes, so that a file of another kind is called by its name."""

from __future__ import annotations

import re
from pathlib import Path

from gradmask.data.reading.opening import head_of
from gradmask.errors import GradmaskError

BINARY = {
    b"PAR1": "a Parquet file: write kind: parquet",
    b"PK\x03\x04": "a zip archive (or a spreadsheet): unpack it, or export it as CSV",
    b"%PDF": "a PDF document: convert it to text",
    b"ARROW1": "an Arrow file: write kind: datasets and the folder that it is in, or convert it to Parquet",
    b"SQLite format 3": "a SQLite database: export a table as CSV",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run git lfs pull",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
}
"""First bytes -> what the file is, and what to do."""
PICKLE = re.compile(rb"\x80[\x02-\x05][}\]\x95c(K\x8c]")
HTML = re.compile(rb"\s*<(!doctype\s+html|html)[\s>]", re.IGNORECASE)


def described(head: bytes) -> str | None:
    """What content that is no text is, and what to do with it; None for anything else."""
    for magic, description in BINARY.items():
        if head.startswith(magic):
            return description
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it, and give its folder"
    if PICKLE.match(head):
        return "a Python pickle, which may run code when it is opened and never is here: convert it to JSON lines"
    return None


def require_kind(path: Path, kind: str) -> None:
    """Refuse a text file whose content is of another kind.

    Raises:
        GradmaskError: says what it is, and what to write in the recipe.
    """
    head = head_of(path)
    other = described(head) or _other_text(head.removeprefix(b"\xef\xbb\xbf"), kind)
    if other:
        raise GradmaskError(f"{path} is {other} (given as kind: {kind})")


def _other_text(head: bytes, kind: str) -> str | None:
    start = head.lstrip()[:1]
    if kind not in ("text", "folder") and HTML.match(head):
        return "an HTML page, perhaps an error page instead of the download: get the file again, or convert it to text"
    if kind == "jsonl" and start == b"[":
        return "a JSON array, not JSON lines: write kind: json"
    if kind in ("csv", "tsv") and start == b"{":
        return "JSON lines, not a table: write kind: jsonl"
    if kind in ("csv", "tsv") and head.lstrip().startswith((b"[{", b"[\n", b"[\r\n", b"[ {")):
        return "a JSON array, not a table: write kind: json"
    return None


def looks_like(line: bytes) -> str:
    """A guess, for messages, at what a first line is that is not JSON."""
    text = line.decode(errors="replace").strip()
    if text.startswith(("{", "[")):
        return ""
    delimiter = max(("\t", ",", ";"), key=text.count)
    if text.count(delimiter) and '":' not in text and len(text) < 2000:
        return f". It looks like the header of a table: write kind: {'tsv' if delimiter == chr(9) else 'csv'}"
    return ". It looks like plain text: write kind: text, with a domain"

"""Files as streams of bytes: decompressed by what is in them, whatever their name says."""

from __future__ import annotations

import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from gradmask.errors import GradmaskError

COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
"""First bytes of a compressed file -> the codec."""
DAMAGE = (OSError, EOFError, lzma.LZMAError, pa.ArrowException, UnicodeDecodeError)
"""What reading a damaged file raises."""
HEAD = 4096
"""Bytes from which the kind of a file's content is told."""


def open_bytes(path: Path) -> io.BufferedReader:
    """The bytes of a file, decompressed on the fly (gzip, bz2, xz, zstd, lz4; several streams one after the other too)."""
    with path.open("rb") as file:
        start = file.read(8)
    codec = next((codec for magic, codec in COMPRESSIONS.items() if start.startswith(magic)), None)
    if codec is None:
        return path.open("rb")
    if codec == "xz":
        return io.BufferedReader(cast(Any, lzma.open(path, "rb")))
    return io.BufferedReader(cast(Any, _Stream(pa.CompressedInputStream(pa.OSFile(str(path)), codec))))


def head_of(path: Path) -> bytes:
    """The first bytes of a file, decompressed; empty where they cannot be."""
    try:
        with open_bytes(path) as file:
            return file.read(HEAD)
    except DAMAGE:
        return b""


@contextmanager
def naming_damage(path: Path, place: Callable[[], str]) -> Iterator[None]:
    """Turn what a damaged file raises into an error with its name. ``place``: how far it was read, such as ``line 7``."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise GradmaskError(f"{path}, after {place()}: not valid {error.encoding} ({error.reason})") from None
    except OSError as error:
        if error.errno:
            raise GradmaskError(f"{path} cannot be read after {place()}: {error.strerror}") from None
        raise GradmaskError(f"{path} is damaged or truncated after {place()}: {first_line(error)}") from None
    except DAMAGE as error:
        raise GradmaskError(f"{path} is damaged or truncated after {place()}: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """What an error of another library says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _Stream(io.RawIOBase):
    """An Arrow stream as Python's kind of stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.stream.close()
        super().close()


class Recoded(io.RawIOBase):
    """A stream in another encoding, as UTF-8 without a byte order mark."""

    def __init__(self, file: IO[bytes], decoder: Any) -> None:
        self.file, self.decoder, self.waiting, self.begun = file, decoder, b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.waiting:
            data = self.file.read(1 << 16)
            text = self.decoder.decode(data, final=not data)
            if text and not self.begun:
                text, self.begun = text.removeprefix("\ufeff"), True
            self.waiting = text.encode()
            if not data and not self.waiting:
                return 0
        part, self.waiting = self.waiting[: len(buffer)], self.waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self.file.close()
        super().close()

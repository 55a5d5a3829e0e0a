"""What lies in a folder, read without following or opening anything: an export holds plain files and nothing else."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradmask.strangers import printable

KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
SYSTEM_ATTRIBUTES = ("security.selinux",)
"""Set by the operating system on every file. A label is a short text; see `LONGEST_LABEL`."""
LONGEST_LABEL = 255
LONGEST_NAME = 255
"""Characters of a name that is said to be unreadable."""
NO_ATTRIBUTES = (errno.ENOTSUP, errno.ENOSYS)


@dataclass(frozen=True)
class Entry:
    """One name in a folder, with ``/`` between folders, and what is wrong about its kind (not its content), if anything."""

    name: str
    is_file: bool
    is_folder: bool
    problems: tuple[str, ...]


def entries(folder: Path) -> list[Entry]:
    """Everything below a folder, sorted by name; links are not followed."""
    return sorted(_walk(folder, ""), key=lambda entry: entry.name)


def folder_problems(folder: Path) -> list[str]:
    """What is wrong about the folder itself."""
    if folder.is_symlink():
        return [f"{printable(str(folder))} is a link: give the folder itself, {printable(str(folder.resolve()))}"]
    return [f"the folder itself has {attribute}" for attribute in _attributes(folder)]


def _walk(folder: Path, prefix: str) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as found:
            items = list(found)
    except OSError as error:  # no right to read it, or a path that is too long to be opened
        yield _unreadable(prefix, error)
        return
    for item in items:
        yield from _entries(item, prefix + item.name)


def _entries(item: os.DirEntry[str], name: str) -> Iterator[Entry]:
    try:
        about = item.stat(follow_symlinks=False)
        problems = tuple(_problems(printable(name), about, Path(item.path)))
    except OSError as error:
        yield _unreadable(name, error)
        return
    yield Entry(name, stat.S_ISREG(about.st_mode), stat.S_ISDIR(about.st_mode), problems)
    if stat.S_ISDIR(about.st_mode):
        yield from _walk(Path(item.path), f"{name}/")


def _unreadable(name: str, error: OSError) -> Entry:
    where = printable(name.rstrip("/") or ".")
    short = where if len(where) <= LONGEST_NAME else f"{where[:LONGEST_NAME]}..."
    return Entry(name, False, False, (f"{short} cannot be read ({error.strerror})",))


def _problems(name: str, about: os.stat_result, path: Path) -> Iterator[str]:
    kind = stat.S_IFMT(about.st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        yield from (f"{name} has {attribute}" for attribute in _attributes(path))
    else:
        yield f"{name} is {KINDS.get(kind, 'not a file')}"
    if kind == stat.S_IFREG and about.st_nlink > 1:
        yield f"{name} has another name elsewhere (a hard link), through which it can be changed: copy the folder"


def _attributes(path: Path) -> Iterator[str]:
    """Extended attributes that are not the system's own."""
    if not hasattr(os, "listxattr"):
        return
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in NO_ATTRIBUTES:  # of the file system
            return
        raise
    for name in names:
        if name in SYSTEM_ATTRIBUTES and len(os.getxattr(path, name, follow_symlinks=False)) <= LONGEST_LABEL:
            continue
        yield f"an extended attribute, {printable(name)}"

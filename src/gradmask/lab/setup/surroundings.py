"""What is around a run: the PATH, the disk of its output, caches, limits of the system."""

from __future__ import annotations

import math
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gradmask.lab.setup.findings import Finding, ok, problem, warning

MIB, GIB = 1 << 20, 1 << 30
LITTLE_DISK = 2 * GIB
LITTLE_SHARED = 512 * MIB
FEW_FILES = 1024
SHARED = Path("/dev/shm")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def path_found() -> Iterator[Finding]:
    """Whether ``gradmask`` in a shell is this installation."""
    own = Path(sysconfig.get_path("scripts")) / "gradmask"
    found = shutil.which("gradmask")
    if not own.is_file():
        yield warning("PATH", f"{own} does not exist", "install gradmask into this environment: pip install .")
    elif found is None:
        yield warning("PATH", "a shell does not find gradmask", f"{_activate()}, or call {own}")
    elif not _same(Path(found), own):
        yield warning("PATH", f"a shell finds another gradmask, {found}", f"{_activate()}, or call {own}")
    else:
        yield ok("PATH", f"gradmask is {found}")


def _same(one: Path, other: Path) -> bool:
    """The same file, or an alias of it: a folder of programs may be a link."""
    return one.resolve() == other.resolve()


def _activate() -> str:
    script = Path(sys.prefix) / "bin" / "activate"
    return f"source {script}" if script.is_file() else f'export PATH="{sysconfig.get_path("scripts")}:$PATH"'


def output_found(output: Path) -> Iterator[Finding]:
    """Whether files can be written where a run goes, and how much space is left there."""
    place = next(folder for folder in (output.absolute(), *output.absolute().parents) if folder.exists())
    if not place.is_dir():
        yield problem("output", f"{place} is a file, not a folder", "choose another output")
        return
    try:
        with tempfile.TemporaryDirectory(prefix=".gradmask-doctor-", dir=place) as folder:
            first, second = Path(folder) / "first", Path(folder) / "second"
            first.write_bytes(b"gradmask" * 1000)
            os.replace(first, second)
            assert second.read_bytes() == b"gradmask" * 1000
    except OSError as error:
        text = f"files cannot be written in {place}: {error.strerror}"
        yield problem("output", text, "run from another folder, or set output: in the recipe")
        return
    free = shutil.disk_usage(place).free
    text = f"{place} can be written to, {free / GIB:.1f} GiB free"
    if free < LITTLE_DISK:
        yield warning("output", text, "free some space, or keep fewer checkpoints (train.keep)")
    else:
        yield ok("output", text)


def temporary_found() -> Iterator[Finding]:
    """The folder for temporary files."""
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    if free < GIB:
        yield warning("temporary files", f"{place} has {free / GIB:.1f} GiB free", "free some space, or set TMPDIR")


def caches_found() -> Iterator[Finding]:
    """Where models and datasets from the Hub are kept, and whether they may be downloaded."""
    home = Path(os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser())
    offline = [name for name in OFFLINE if os.environ.get(name, "").lower() in ("1", "true", "yes", "on")]
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(place, os.W_OK):
        yield warning("hub", f"the cache {home} cannot be written to", "set HF_HOME to a folder of yours")
    elif offline:
        advice = f"unset {' '.join(offline)} to download; local folders work either way"
        yield Finding("hub", "ok", f"offline ({', '.join(offline)}): only what is in {home}", advice)
    else:
        yield ok("hub", f"models and datasets by name are downloaded to {home}")


def limits_found() -> Iterator[Finding]:
    """Shared memory and open files, which several processes and data-loading workers need."""
    shared, files = _shared_memory(), _open_files()
    if shared < LITTLE_SHARED:
        advice = "keep train.workers at 0, or give the container more (docker run --shm-size=2g)"
        yield warning("limits", f"/dev/shm holds {shared / MIB:.0f} MiB", advice)
    if files < FEW_FILES:
        yield warning("limits", f"a process may open {files:.0f} files", "ulimit -n 4096")
    if shared >= LITTLE_SHARED and files >= FEW_FILES:
        yield ok("limits", "shared memory and open files are sufficient")


def _shared_memory() -> float:
    """Bytes; infinite where the system has no such limit."""
    return shutil.disk_usage(SHARED).total if SHARED.is_dir() else math.inf


def _open_files() -> float:
    if sys.platform == "win32":
        return math.inf
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit

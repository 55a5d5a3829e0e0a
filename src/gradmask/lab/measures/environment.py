"""Where the numbers were made: versions of what computed them, and the machine."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from gradmask.version import __version__

PARTS = ("torch", "transformers", "datasets", "tokenizers", "numpy")


def versions() -> dict[str, str]:
    """Name -> version of gradmask, Python, and the libraries that the numbers depend on."""
    return {"gradmask": __version__, "python": sys.version.split()[0], **{p: version(p) for p in PARTS}}


def machine() -> dict[str, str]:
    """What kind of machine this is; nothing that names it."""
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count() or 1),
        "threads": str(torch.get_num_threads()),
    }
    if torch.cuda.is_available():
        facts["accelerator"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    if known.is_file():
        for line in known.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"

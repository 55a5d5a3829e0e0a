"""The commands of a shell block: expanded by bash, recorded instead of run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROGRAMS = (
    "accelerate", "cat", "cd", "curl", "docker", "gradmask", "jq", "make", "openssl", "pip", "python", "sbatch", "torchrun", "uv", "vllm",
)  # fmt: skip
"""What the documentation calls. Anything else is an error of the page, or belongs here."""


def commands(code: str, folder: Path) -> list[list[str]]:
    """The argument lists of every command that a block calls; loops and variables are bash's."""
    log = folder / "commands"
    log.write_text("")
    # in one write, which a line break would divide: the commands of a pipe run at the same time
    record = f"""{{ printf "%s\\0" "$0" "$@" $'\\1' >> "{log}"; }}"""
    stubs = "".join(f"{name}() {record.replace('$0', name)}\n" for name in PROGRAMS)
    script = f"set -euo pipefail\n{stubs}\n{code.replace('.venv/bin/', '')}"
    environment = {"PATH": "", "HOME": str(folder), "PWD": str(folder)}
    done = subprocess.run(
        ["/bin/bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = log.read_text().split("\0\1\0")
    return [line.split("\0") for line in lines if line]


def without_launcher(words: list[str]) -> list[str]:
    """A command without what starts its processes: ``torchrun ... -m gradmask train`` is ``gradmask train``."""
    if "-m" in words and words[0] in ("torchrun", "accelerate", "python"):
        module = words.index("-m") + 1
        if words[module] == "gradmask":
            return words[module:]
    return words


def environment(*first: Path) -> dict[str, str]:
    """The environment with folders before everything else on the PATH."""
    return {**os.environ, "PATH": os.pathsep.join([*map(str, first), os.environ["PATH"]])}

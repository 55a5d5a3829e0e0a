"""A round of mutants (mutmut, ``[tool.mutmut]`` in pyproject.toml): a sample drawn by a seed, and the share that tests kill."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

SAMPLE, SEED = 110, 0
PROGRAM = str(Path(sys.executable).with_name("mutmut"))


def outcomes() -> dict[str, int | None]:
    """Mutant -> the exit code of its tests: 1 killed, 0 survived, 33 no test, None not tried."""
    found: dict[str, int | None] = {}
    for path in sorted(Path("mutants/src").rglob("*.meta")):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def main() -> None:
    # a name that no mutant has: the mutants are made, and none is tried
    subprocess.run([PROGRAM, "run", "none"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    names = random.Random(SEED).sample(sorted(outcomes()), SAMPLE)
    subprocess.run([PROGRAM, "run", "--max-children", "1", *names], check=False)
    codes = outcomes()
    tried = [name for name in names if codes[name] is not None]
    left = [name for name in tried if codes[name] in (0, 33)]
    print("\n".join(["survived:", *left]))
    print(f"{len(tried) - len(left)} of {len(tried)} mutants killed, of {len(codes)}")


if __name__ == "__main__":
    main()

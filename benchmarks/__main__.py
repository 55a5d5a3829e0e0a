"""Every benchmark, one after another, each in a process of its own.

    python -m benchmarks [--quick] [--folder runs/benchmarks]

Prints the tables and writes one JSON file per benchmark. ``--quick``: fewer rounds and smaller shapes, in minutes; its
figures only show that everything runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FULL = {
    "step": ["step"],
    "training": ["training"],
    "compiled": ["training", "--compile", "--width", "256"],
    "memory": ["memory"],
    "export_memory": ["export_memory"],
    "growth": ["growth"],
    "pipeline": ["pipeline"],
    "gpu": ["gpu"],
}
QUICK = {
    "step": ["step", "--entries", "1000000", "--rounds", "5"],
    "training": ["training", "--width", "64", "--rounds", "2"],
    "compiled": ["training", "--compile", "--width", "64", "--precision", "fp32", "--rounds", "2"],
    "memory": ["memory", "--width", "64"],
    "export_memory": ["export_memory", "--width", "64", "--layers", "2"],
    "growth": ["growth", "--widths", "64", "128", "--groups", "1", "2", "--group-width", "64", "--rounds", "2"],
    "pipeline": ["pipeline", "--documents", "200", "--width", "64"],
    "gpu": ["gpu", "--width", "256", "--layers", "2", "--rounds", "2"],
}


def commands(quick: bool, folder: Path) -> list[list[str]]:
    """One command line per benchmark; the operation counts come last, checked against what was measured."""
    chosen = QUICK if quick else FULL
    made = [[*words, "--json", str(folder / f"{name}.json")] for name, words in chosen.items()]
    measured = [str(folder / f"{name}.json") for name in ("training", "growth")]
    return [*made, ["costs", "--measured", *measured, "--json", str(folder / "costs.json")]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmarks"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for module, *options in commands(args.quick, args.folder):
        print(f"\n== python -m benchmarks.{module} {' '.join(options)}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *options]).returncode:
            failed.append(module)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed) > 0


if __name__ == "__main__":
    sys.exit(main())

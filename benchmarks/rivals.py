"""All rivals on real text: every arm on novels (a language) and newsgroups (a topic), three seeds, one table per corpus.

    python -m benchmarks.rivals OUT [--jobs 8] [--seeds 0 1 2] [--recipes novels_en_es newsgroups] [--dry-run]

Runs ``gradmask compare`` on recipes/novels_en_es.yaml and recipes/newsgroups.yaml with every arm, and writes OUT/rivals.md and
OUT/rivals.json with the commit that made them. The same command resumes. ``--dry-run`` lists the runs and how long they take.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gradmask.cli import main as command
from gradmask.errors import GradmaskError
from gradmask.lab.compare.results import Compared, Rival, read_comparison
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.statistics import Estimate
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.recipe.arms import ARMS, NO_FILTER

RECIPES = Path(__file__).parents[1] / "recipes"
NAMES = ("novels_en_es", "newsgroups")
MEASURES = ("compute", "relearning", "membership", "membership_reference", "privleak", "extraction", "quantization")
COLUMNS = {
    "gap closed": lambda r: percent(r.gap_closed),
    "retain loss over no filter": lambda r: signed(r.differences.get("retain")),
    "compute, retain": lambda r: number(r.compute.get("retain")),
    "compute, forget": lambda r: number(r.compute.get("forget")),
    "steps to 90 %, of the perfect filter's": lambda r: number(r.most_ratio),
    "PrivLeak": lambda r: signed(r.evidence.get("PrivLeak"), 1),
}
"""Column -> what it says of a rival."""
FULL = {
    "retain": lambda r: signed(r.differences.get("retain")),
    "forget": lambda r: signed(r.differences.get("forget")),
}
"""Column -> what it says of the full model, over no filter."""


def number(value: Estimate | None, digits: int = 2, scale: float = 1.0, end: str = "", sign: str = "") -> str:
    """A mean with half its interval; a dash where it was not measured."""
    if value is None:
        return "-"
    reach = f" ± {scale * value.reach:.{digits}f}" if value.reach else ""
    return f"{scale * value.mean:{sign}.{digits}f}{reach}{end}".replace("-", "−")


def percent(value: Estimate | None) -> str:
    return number(value, 0, 100, " %")


def signed(value: Estimate | None, digits: int = 3) -> str:
    return number(value, digits, sign="+")


def table(compared: Compared) -> str:
    """The rivals of one corpus as a Markdown table, those closest to a perfect filter first, no filter last."""
    none = [r for r in compared.rivals.values() if r.arm == NO_FILTER]
    whole = {r.arm: r for r in compared.rivals.values() if r.view == "full" and r.arm != NO_FILTER}
    rows = [["rival", *COLUMNS, *(f"full model: {name}" for name in FULL)], ["--"] * (1 + len(COLUMNS) + len(FULL))]
    rows += [row(rival, whole.get(rival.arm)) for rival in [*removed_rivals(compared), *none]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def row(rival: Rival, full: Rival | None) -> list[str]:
    """A removed model, or one from which nothing can be removed; and the full model that it came from."""
    cells = [rival.title.removesuffix(", removed"), *(cell(rival) for cell in COLUMNS.values())]
    return cells + ["-" if full is None or rival.view == "full" else cell(full) for cell in FULL.values()]


def compare(name: str, out: Path, seeds: Sequence[int], jobs: int, dry_run: bool, changes: Sequence[str]) -> Path:
    """Run ``gradmask compare`` on a recipe with every arm; returns where its results are.

    Raises:
        GradmaskError: it failed.
    """
    target = out / name
    settings = [
        f"output={target}",
        f"compare.arms=[{', '.join(ARMS)}]",
        f"compare.seeds=[{', '.join(map(str, seeds))}]",
        f"compare.measures=[{', '.join(MEASURES)}]",
        *changes,
    ]
    words = ["compare", str(RECIPES / f"{name}.yaml"), *(word for s in settings for word in ("--set", s))]
    words += ["--dry-run"] if dry_run else ["--jobs", str(jobs)]
    if command(words):
        raise GradmaskError(f"gradmask {' '.join(words)} failed")
    return target.with_name(f"{target.name}-compared") / "compare.json"


def commit() -> str:
    """The commit of the code, with a mark where files differ from it."""
    git = ["git", "-C", str(RECIPES.parent), "describe", "--always", "--dirty", "--abbrev=40"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def main(words: Sequence[str] | None = None) -> None:
    """Compare on every corpus, then write and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipes", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args(words)
    made = commit()
    files = {
        name: compare(name, given.out, given.seeds, given.jobs, given.dry_run, given.changes) for name in given.recipes
    }
    if given.dry_run:
        return
    if commit() != made:
        raise GradmaskError(f"the code changed on the way, from {made} to {commit()}: run it again, in one go")
    results = {name: read_comparison(file) for name, file in files.items()}
    tables = {name: table(found.settings[MAIN]) for name, found in results.items()}
    pages = [f"## {name}\n\n{text}\n" for name, text in tables.items()]
    page = f"Means over seeds {given.seeds}, 95 % intervals; commit {made}.\n\n" + "\n".join(pages)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "rivals.md").write_text(page, encoding="utf-8")
    plain = {"commit": made, "settings": {name: found.model_dump(mode="json") for name, found in results.items()}}
    (given.out / "rivals.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()

"""How far real mistakes of a labeler differ from mistakes that are drawn: one corpus, three kinds of labels.

    python -m benchmarks.label_mistakes ../shared/corpora/newsgroups/newsgroups.jsonl OUT [--steps 800]

50 training documents of each domain are given with their label; ``gradmask label`` labels the rest. Then three runs: with those
labels (whose mistakes come in topics), with the true labels, and with labels drawn at the same rates (``data.simulate``). Baselines
that do not depend on labels are trained in the first run alone; the order of examples is the same in all. Prints a table of
calibrated losses and the gap closed. Model, group and training are those of benchmarks/recipes/newsgroups.yaml.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gradmask.cli import main as command
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.spec import Recipe

GROUP, GIVEN = "forget", 50
RECIPE = Path(__file__).parent / "recipes" / "newsgroups.yaml"


def hide(corpus: Path, forget: set[str], path: Path, given: int = GIVEN, seed: int = 0) -> None:
    """Write the corpus with the truth as ``truth``, and with a ``label`` on so many training documents of each domain."""
    rows = [json.loads(line) for line in corpus.open(encoding="utf-8")]
    rng, of_domain = random.Random(seed), {}
    for number, row in enumerate(rows):
        if row["split"] == "train":
            of_domain.setdefault(row["domain"], []).append(number)
    shown = {number for numbers in of_domain.values() for number in rng.sample(numbers, min(given, len(numbers)))}
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            truth = GROUP if row["domain"] in forget else "retain"
            kept = {name: row[name] for name in ("text", "domain", "split")}
            label = {"label": truth} if number in shown else {}
            file.write(json.dumps({**kept, "truth": truth, **label}) + "\n")


def rates(shards: Path) -> dict[str, float]:
    """The settings of ``data.simulate`` with which as many training labels are drawn wrong, or not at all."""
    counts: Counter[tuple[str, str | None]] = Counter()
    for path in sorted(shards.glob("*.parquet")):
        table = pq.read_table(path, columns=["split", "truth", "label"]).to_pylist()
        counts.update((row["truth"], row["label"]) for row in table if row["split"] == "train")
    own, others = ({k: n for k, n in counts.items() if (k[0] == GROUP) is mine} for mine in (True, False))
    return {
        "undiscovered": 1 - own.get((GROUP, GROUP), 0) / sum(own.values()),
        "false_positives": others.get(("retain", GROUP), 0) / sum(others.values()),
        "retain_labeled": others.get(("retain", "retain"), 0) / sum(others.values()),
    }


def recipe(recipe: Recipe, out: Path, name: str, data: Mapping[str, Any], arms: list[str], steps: int) -> Path:
    """The recipe with other labels, arms and length, as a file."""
    plain = recipe.model_dump(mode="json", exclude={"compare"})
    plain["data"] |= {"simulate": None, **data}
    plain["data"]["sources"] = [{"kind": "parquet", "path": str(out / "labels/shards/*.parquet"), **data["sources"]}]
    plain["evaluate"] |= {"measures": ["compute"]}
    plain["train"] |= {"steps": steps, "warmup": min(plain["train"]["warmup"], steps // 4)}
    path = out / f"{name}.yaml"
    path.write_text(json.dumps({**plain, "name": name, "output": str(out / name), "arms": arms}), encoding="utf-8")
    return path


def run(*arguments: str) -> None:
    """A command of gradmask.

    Raises:
        GradmaskError: it failed.
    """
    if command(list(arguments)):
        raise GradmaskError(f"gradmask {' '.join(arguments)} failed")


def losses(folder: Path) -> dict[str, dict[str, float]]:
    """``arm, model`` -> role -> mean calibrated loss."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    table: dict[str, dict[str, float]] = {}
    for arm, result in results["arms"].items():
        for model, domains in result["models"].items():
            roles: dict[str, list[float]] = {}
            for domain in domains.values():
                roles.setdefault(domain["role"], []).append(domain["calibrated_loss"] or domain["loss"])
            table[f"{arm}, {model}"] = {role: sum(values) / len(values) for role, values in roles.items()}
    return table


def main() -> None:
    """Label, train three times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--forget", default="sci.med", help="a domain of the corpus")
    parser.add_argument("--steps", type=int, default=800)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    hidden, labels, base = given.out / "hidden.jsonl", given.out / "labels", load_recipe(RECIPE, trial=False)
    hide(given.corpus, {given.forget}, hidden)
    options = ("--label-field", "label", "--group", GROUP, "--truth-field", "truth")
    run("label", str(hidden), *options, "--output", str(labels))
    same = rates(labels / "shards")
    kinds: dict[str, dict[str, Any]] = {
        "labeled": {"sources": {"label_field": "label", "truth_field": "truth"}},
        "true": {"sources": {"label_field": "truth", "truth_field": "truth"}},
        "drawn": {"sources": {}, "simulate": same},
    }
    print("labels of the training documents:", {name: round(rate, 4) for name, rate in same.items()})
    tables = {}
    for kind, data in kinds.items():
        arms = ["gradmask", "filter", *(["no_filter", "perfect_filter"] if kind == "labeled" else [])]
        path = recipe(base, given.out, kind, data, arms, given.steps)
        run("train", str(path))
        run("evaluate", str(given.out / kind))
        tables[kind] = losses(given.out / kind)
    low, high = (tables["labeled"][f"{name}, full"]["forget"] for name in ("no_filter", "perfect_filter"))
    for kind, table in tables.items():
        for name, roles in table.items():
            closed = (roles["forget"] - low) / (high - low)
            print(
                kind, name, *(f"{role} {loss:.3f}" for role, loss in sorted(roles.items())), f"gap closed {closed:.2f}"
            )


if __name__ == "__main__":
    main()

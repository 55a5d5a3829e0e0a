"""How good labels from few examples are, on a corpus whose truth is known.

    python -m benchmarks.labels_quality ../shared/corpora/newsgroups/newsgroups.jsonl --forget sci.med
    python -m benchmarks.labels_quality corpora/docs.jsonl --forget django         # made by python -m benchmarks.corpora
    python -m benchmarks.labels_quality corpora/code.jsonl --forget javascript

Examples are drawn from the train split: 50 of every domain (``each``) or 50 of the forget domain and 50 of all others together
(``pair``). Measured on the rest of the corpus, which is also the unlabeled text, as when a corpus is labeled (``rest``); and on
the test split, with unlabeled text of the train split only (``new``). Recall is the best at a precision of 0.8, at the
corpus' own share of the forget domain (``natural``) and where both classes weigh the same (``balanced``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradmask.data import label

PRECISION = 0.8
GROUP = "forget"


class Corpus:
    """Texts, whether each is of the forget domain, and splits."""

    def __init__(self, path: Path, forget: str) -> None:
        rows = [json.loads(line) for line in path.open(encoding="utf-8")]
        self.texts = [row["text"] for row in rows]
        self.domains = np.array([row["domain"] for row in rows])
        self.forget = self.domains == forget
        self.train = np.array([row["split"] == "train" for row in rows])

    def draw(self, how: str, count: int, seed: int) -> np.ndarray:
        """Rows of the train split to be labeled."""
        rng = np.random.default_rng(seed)
        of = self.domains if how == "each" else np.where(self.forget, "forget", "other")
        return np.concatenate(
            [rng.choice(np.flatnonzero(self.train & (of == name)), count, replace=False) for name in np.unique(of)]
        )

    def fit(self, rows: np.ndarray, unlabeled: np.ndarray, seed: int, given: np.ndarray | None = None) -> label.Labeler:
        """A labeler from these rows, with their true labels or others."""
        named = [GROUP if own else "retain" for own in (self.forget[rows] if given is None else given)]
        examples = label.Examples([self.texts[i] for i in rows], named)
        return label.fit(examples, [GROUP], unlabeled=[self.texts[i] for i in unlabeled], seed=seed)

    def score(self, labeler: label.Labeler, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores and truth of these rows."""
        return labeler.scores([self.texts[i] for i in rows])[:, 0], self.forget[rows]


def recall_at(scores: np.ndarray, truth: np.ndarray, balanced: bool = False, precision: float = PRECISION) -> float:
    """The best recall at this precision, over all cuts."""
    weights = np.where(truth, 1 / truth.sum(), 1 / (~truth).sum()) if balanced else np.ones(len(truth))
    order = np.argsort(-scores, kind="stable")
    hits, taken = np.cumsum((weights * truth)[order]), np.cumsum(weights[order])
    return float(np.max(np.where(hits / taken >= precision, hits / hits[-1], 0)))


def both(scores: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Recall at the precision, at both prevalences."""
    return {"natural": recall_at(scores, truth), "balanced": recall_at(scores, truth, balanced=True)}


def one_fit(corpus: Corpus, how: str, count: int, seed: int) -> dict[str, float]:
    """Figures of one draw of examples."""
    rows = corpus.draw(how, count, seed)
    rest = np.setdiff1d(np.arange(len(corpus.texts)), rows)
    start = time.process_time()
    labeler = corpus.fit(rows, rest, seed)
    figures = {"fit seconds": time.process_time() - start}
    start = time.process_time()
    scores, truth = corpus.score(labeler, rest)
    figures["MB/s"] = sum(len(corpus.texts[i].encode()) for i in rest) / 1e6 / (time.process_time() - start)
    figures |= {f"rest {name}": value for name, value in both(scores, truth).items()}
    figures |= promises(labeler, scores, truth)
    unseen = np.flatnonzero(~corpus.train)
    new = corpus.fit(rows, np.setdiff1d(np.flatnonzero(corpus.train), rows), seed)
    figures |= {f"new {name}": value for name, value in both(*corpus.score(new, unseen)).items()}
    alone = corpus.fit(rows, rest[:0], seed)
    return figures | {
        f"examples alone, new {name}": value for name, value in both(*corpus.score(alone, unseen)).items()
    }


def promises(labeler: label.Labeler, scores: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """What the thresholds promise beside what they do, and how far scores are from probabilities."""
    cuts, labels = labeler.thresholds[GROUP], labeler.split(scores[:, None])
    forget, retain = labels == 1, labels == 0
    bins = np.array_split(np.argsort(scores, kind="stable"), 10)
    error = sum(abs(scores[part].sum() - truth[part].sum()) for part in bins) / len(scores)
    return {
        "prevalence": float(truth.mean()),
        "prevalence, estimated": labeler.prevalence[GROUP],
        "precision, promised": cuts.precision,
        "precision, got": float(truth[forget].mean()) if forget.any() else float("nan"),
        "recall, promised": cuts.recall,
        "recall, got": float(forget[truth].mean()),
        "missed, promised": cuts.missed,
        "missed, got": float(retain[truth].mean()),
        "unlabeled": float((labels == -1).mean()),
        "calibration error": error,
    }


def ceiling(corpus: Corpus) -> dict[str, float]:
    """The same scorer with every label of the train split, on the test split."""
    labeler = corpus.fit(np.flatnonzero(corpus.train), np.zeros(0, dtype=int), 0)
    return both(*corpus.score(labeler, np.flatnonzero(~corpus.train)))


def wrong_labels(corpus: Corpus, how: str, count: int, seed: int, share: float = 0.1) -> dict[str, float]:
    """How many of flipped labels are pointed at, how many of those pointed at are flipped, and what leaving them out gives."""
    rows = corpus.draw(how, count, seed)
    flip = np.random.default_rng(seed).choice(len(rows), int(share * len(rows)), replace=False)
    rest, given = np.setdiff1d(np.arange(len(corpus.texts)), rows), corpus.forget[rows].copy()
    given[flip] ^= True
    kept = corpus.fit(rows, rest, seed, given)
    pointed = {one.row for one in kept.suspicious}
    others = np.setdiff1d(np.arange(len(rows)), list(pointed))
    left_out = corpus.fit(rows[others], rest, seed, given[others])
    right = len(pointed & set(flip.tolist()))
    return {
        "flips found": right / len(flip),
        "of those pointed at, flipped": right / max(1, len(pointed)),
        "kept, rest natural": recall_at(*corpus.score(kept, rest)),
        "left out, rest natural": recall_at(*corpus.score(left_out, rest)),
    }


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Means and standard deviations over seeds."""
    names = list(dict.fromkeys(name for runs in results.values() for run in runs for name in run))
    lines = ["| figure | " + " | ".join(results) + " |", "| -- |" + " -- |" * len(results)]
    for name in names:
        cells = (_cell([run[name] for run in runs if name in run]) for runs in results.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--forget", required=True, help="the domain to find")
    parser.add_argument("--count", type=int, default=50, help="labeled documents per class")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--wrong", action="store_true", help="also with 10 %% of the labels flipped")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    corpus = Corpus(args.corpus, args.forget)
    results: dict[str, list[dict[str, float]]] = {}
    for how in ("each", "pair"):
        for seed in range(args.seeds):
            figures = one_fit(corpus, how, args.count, seed)
            if args.wrong:
                figures |= wrong_labels(corpus, how, args.count, seed)
            results.setdefault(how, []).append(figures)
            print(how, seed, json.dumps(figures), file=sys.stderr, flush=True)
    results["every train label"] = [{f"new {name}": value for name, value in ceiling(corpus).items()}]
    print(f"{len(corpus.texts)} documents, {corpus.forget.mean():.1%} of {args.forget}\n")
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

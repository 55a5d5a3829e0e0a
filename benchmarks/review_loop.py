"""How many labels a review saves: documents in the order of the review loop, against documents in random order.

    python -m benchmarks.review_loop [--corpus ../shared/corpora/newsgroups/newsgroups.jsonl] [--topic sci.med] [--seeds 5]

Both start with the same few given examples, and both are answered by the truth. After every 20 answers the default scorer is
fitted, and its recall at a precision of at least 0.8 is measured on the test split (the best threshold of each, so that the
ranking is compared and not the choice of a threshold). Prints a table; ``--json`` also writes it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import write
from gradmask.data import label
from gradmask.data.label.review.opening import Fitting
from gradmask.errors import GradmaskError

PRECISION = 0.8
TIMES = 3
"""As many labels in random order are compared with."""
TARGET = {"precision": PRECISION}


def read(path: Path, topic: str) -> dict[str, tuple[list[str], np.ndarray]]:
    """Split -> (texts, whether each is of the topic)."""
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    parts: dict[str, tuple[list[str], np.ndarray]] = {}
    for split in ("train", "test"):
        mine = [row for row in rows if row["split"] == split]
        parts[split] = [row["text"] for row in mine], np.array([row["domain"] == topic for row in mine])
    return parts


def recall_at(scores: np.ndarray, positive: np.ndarray, precision: float = PRECISION) -> float:
    """The most recall of all thresholds with at least this precision; 0 where there is none."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    enough = hits / np.arange(1, len(hits) + 1) >= precision
    return float(hits[enough].max() / positive.sum()) if enough.any() else 0.0


def given(positive: np.ndarray, each: int, rng: np.random.Generator) -> list[int]:
    """Rows of the examples that both orders start with."""
    kinds = (np.flatnonzero(positive), np.flatnonzero(~positive))
    return [int(row) for kind in kinds for row in rng.choice(kind, each, replace=False)]


def reviewed(session: label.Session, answers: int, step: int, truth: dict[str, str]) -> Iterator[tuple[int, Any]]:
    """(Answers, labeler) along a review that the truth answers."""
    for done in range(1, answers + 1):
        shown = session.next()
        assert shown is not None
        session.answer(shown, truth[shown.document.id])
        if session.due:
            session.refit()
        if done % step == 0:
            yield done, session.labeler


def in_random_order(fit: Fitting, start: list[tuple[str, str]], rest: list[tuple[str, str]], steps: list[int]):
    """(Answers, labeler) after so many documents in random order."""
    for done in steps:
        texts, labels = zip(*start, *rest[:done], strict=True)
        try:
            yield done, fit(texts, labels)
        except GradmaskError:
            yield done, None


def measure(parts: dict[str, Any], seed: int, args: argparse.Namespace) -> dict[str, dict[int, Any]]:
    """Order -> answers -> what `judged` says."""
    (texts, positive), test = parts["train"], parts["test"]
    rng = np.random.default_rng(seed)
    names = np.where(positive, "topic", "retain").tolist()
    start = given(positive, args.given, rng)
    documents = [label.Document(f"train:{i}", text) for i, text in enumerate(texts)]
    pool = label.Pool.of(documents, np.full((len(texts), 1), 0.5), seed)
    fit = Fitting(pool, ["topic"], TARGET, seed=seed)
    rest = [i for i in np.argsort(pool.order).tolist() if i not in set(start)]
    pairs, ordered = ([(texts[i], names[i]) for i in rows] for rows in (start, rest))
    once = range(args.step, args.review + 1, args.step)
    steps = sorted({*once, *(TIMES * n for n in once)})
    with tempfile.TemporaryDirectory() as folder:
        session = label.Session(pool, ["topic"], log_of(Path(folder), start, pairs), fit, every=args.every)
        session.refit()
        truth = {document.id: name for document, name in zip(documents, names, strict=True)}
        review = {n: judged(x, *test) for n, x in reviewed(session, args.review, args.step, truth)}
    return {"review": review, "random": {n: judged(x, *test) for n, x in in_random_order(fit, pairs, ordered, steps)}}


def log_of(folder: Path, rows: list[int], pairs: list[tuple[str, str]]) -> Path:
    """The examples that are given, as a review's log."""
    lines = [
        json.dumps({"text": text, "label": name, "id": f"train:{i}", "source": "given"})
        for i, (text, name) in zip(rows, pairs, strict=True)
    ]
    path = folder / "examples.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def judged(labeler: Any, texts: list[str], positive: np.ndarray) -> dict[str, float]:
    """Recall at `PRECISION` on the test split; precision and recall there at the labeler's own threshold, and what it says."""
    if labeler is None:
        return {"recall": 0.0}
    scores, cuts = labeler.scores(texts)[:, 0], labeler.thresholds["topic"]
    taken = scores >= cuts.forget_above
    own = {
        "own_precision": float(positive[taken].mean()) if taken.any() else 1.0,
        "own_recall": float(taken[positive].mean()),
    }
    said = {"said_precision": cuts.precision, "said_recall": cuts.recall}
    return {"recall": recall_at(scores, positive), **own, **said}


def table(curves: list[dict[str, dict[int, Any]]]) -> None:
    """Mean recall over seeds: the review, as many answers in random order, and three times as many."""
    print(f"{'answers':>8}{'review':>9}{'random':>9}{'random, 3 times':>17}{'seeds where review is ahead of that':>37}")
    for n in curves[0]["review"]:
        columns = (("review", n), ("random", n), ("random", TIMES * n))
        review, once, thrice = ([c[order][k]["recall"] for c in curves] for order, k in columns)
        ahead = sum(a >= b for a, b in zip(review, thrice, strict=True))
        print(f"{n:>8}{np.mean(review):>9.3f}{np.mean(once):>9.3f}{np.mean(thrice):>17.3f}{ahead:>32} of {len(curves)}")
    print(f"\nat its own threshold, after a review\n{'answers':>8}{'precision':>11}{'said':>7}{'recall':>9}{'said':>7}")
    for n in curves[0]["review"]:
        keys = ("own_precision", "said_precision", "own_recall", "said_recall")
        means = [np.mean([c["review"][n][key] for c in curves]) for key in keys]
        print(f"{n:>8}{means[0]:>11.2f}{means[1]:>7.2f}{means[2]:>9.2f}{means[3]:>7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpora/newsgroups/newsgroups.jsonl"))
    parser.add_argument("--topic", default="sci.med")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--given", type=int, default=10, help="examples of the topic, and as many others, given at the start"
    )
    parser.add_argument("--review", type=int, default=60, help="answers in the order of the review")
    parser.add_argument("--every", type=int, default=10, help="answers after which the review fits again")
    parser.add_argument("--step", type=int, default=20, help="answers between two measurements")
    parser.add_argument("--json")
    args = parser.parse_args()
    parts = read(args.corpus, args.topic)
    curves = []
    for seed in range(args.seeds):
        start = time.perf_counter()
        curves.append(measure(parts, seed, args))
        print(f"seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
    table(curves)
    write(args.json, {"arguments": {k: str(v) for k, v in vars(args).items()}, "curves": curves})


if __name__ == "__main__":
    main()

"""An output folder of ``gradmask label``, made without it: two groups, made-up words, a few awkward texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gradmask.data import label

WORDS = {
    "medicine": ["dose", "pill", "nurse", "fever", "cough", "clinic", "remedy", "surgeon"],
    "law": ["court", "judge", "appeal", "verdict", "clause", "lawyer", "statute", "bail"],
    "retain": ["motor", "wheel", "brake", "clutch", "gear", "engine", "road", "tyre"],
}
COMMON = ["the", "of", "and", "a", "with", "for", "was", "that"]
AWKWARD = '<script>alert("x")</script> \x1b[31mred\u202e dose court & motor'


def text_of(name: str, i: int) -> str:
    """Words of the topic, common ones, and a few of the other topics."""
    rng = np.random.default_rng([len(name), i])
    others = [word for other, words in WORDS.items() if other != name for word in words]
    words = [*rng.choice(WORDS[name], 6), *rng.choice(COMMON, 12), *rng.choice(others, 1 + i % 4)]
    return " ".join(rng.permutation(words).tolist())


def labeled(groups: list[str], each: int = 40) -> tuple[list[str], list[str]]:
    """Texts and labels, a few of them wrong."""
    names = [*groups, "retain"]
    rows = [(text_of(name, i), name) for name in names for i in range(each)]
    return [text for text, _ in rows], ["retain" if i == 3 else name for i, (_, name) in enumerate(rows)]


def write_out(folder: Path, groups: list[str], documents: int = 400) -> Path:
    """Fill ``folder`` as ``gradmask label`` does; returns it."""
    texts, labels = labeled(groups)
    corpus = [
        text_of([*groups, "retain", "retain", "retain"][i % (len(groups) + 3)], 1000 + i) for i in range(documents)
    ]
    corpus[5] = AWKWARD
    ids = [f"train.jsonl:{i}" for i in range(len(texts))]
    labeler = label.fit(label.Examples(texts, labels, ids), groups, unlabeled=corpus)
    labeler.save(folder / "labeler")
    held = {f"score_{g}": labeler.held_out.scores[:, i] for i, g in enumerate(groups)}
    pq.write_table(
        pa.table({"text": texts, "label": labels, "fold": labeler.held_out.fold, **held}), folder / "held_out.parquet"
    )
    rows = [{"text": t, "label": n, "id": i, "source": "given"} for t, n, i in zip(texts, labels, ids, strict=True)]
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _write_shard(folder / "shards", corpus, labeler)
    (folder / "report.json").write_text("{}", encoding="utf-8")
    return folder


def _write_shard(folder: Path, corpus: list[str], labeler: label.Labeler) -> None:
    scores = labeler.scores(corpus)
    ids = labeler.split(scores)
    columns = {
        "text": corpus,
        "id": [f"corpus.jsonl:{i}" for i in range(len(corpus))],
        "domain": ["wards & roads"] * len(corpus),
        "label": labeler.names(ids),
        **{f"score_{g}": scores[:, i] for i, g in enumerate(labeler.groups)},
        "data_labels": ids,
    }
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "part-00000-00000.parquet", row_group_size=64)

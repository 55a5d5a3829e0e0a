"""A whole run from labels of passages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.lab.run.own_run import corpus, finished, labels, own_recipe

from gradmask.data import prepare
from gradmask.lab.run.folder import RunFolder


def mixed(language: str, i: int) -> list[list[Any]]:
    """A part of most documents in Spanish is a span."""
    return [[100, 180, "forget"]] if language == "es" and i % 3 != 2 else []


def test_spans(tmp_path: Path) -> None:
    file = corpus(tmp_path / "x.jsonl", label=labels, spans=mixed)
    both = [json.loads(line) for line in file.read_text().splitlines()]
    for row in both:
        row["label"] = "retain" if row["label"] == "forget" else row["label"]
    file.write_text("".join(json.dumps(row) + "\n" for row in both))
    recipe = own_recipe(
        tmp_path, file, {"label_field": "label", "spans_field": "spans"}, "evaluate.measures=[relearning]"
    )
    results, page = finished(recipe)
    assert "60 have labels of parts of their text" in page
    assert {r.role for r in results.arms["gradmask"].models["removed"].values()} == {"forget", "retain"}
    prepared = prepare(recipe.data, RunFolder.of(recipe).data)
    per_token = np.asarray(prepared.train["data_labels"][:])
    assert per_token.ndim == 2
    assert set(np.unique(per_token)) == {-1, 0, 1}
    assert set(prepared.by_label["data_labels"]) == {0, 1}
    assert sum(row["tokens"] for row in prepared.label_table) == per_token.size
    assert results.arms["gradmask"].findings["removed"].relearning is not None

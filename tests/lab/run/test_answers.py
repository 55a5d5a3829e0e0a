"""A whole run on messages, whose answers alone are learned, and one on spans, with labels per token."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lab.run.tiny_run import WORDS, tiny_data

from gradmask.data import prepare
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.run.driver import train


def rows(kind: str) -> list[dict[str, Any]]:
    made = []
    for i in range(96):
        domain, words = list(WORDS.items())[i % 2]
        own = " ".join(random.Random(i).choices(words.split(), k=50))
        row: dict[str, Any] = {"split": "test" if i % 4 > 1 else "train"}
        if kind == "answers":
            row |= {
                "domain": domain,
                "messages": [{"role": "user", "content": "say it"}, {"role": "assistant", "content": own}],
            }
        else:
            row |= {
                "text": own + " the dog",
                "spans": [{"start": 0, "end": len(own), "label": "forget"}] if i % 2 else None,
            }
            row |= {"label": "retain" if i % 4 < 3 else None}
        made.append(row)
    return made


@pytest.mark.parametrize("kind", ["answers", "spans"])
def test_a_whole_run(tmp_path: Path, kind: str) -> None:
    data = tiny_data(tmp_path)
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(kind)), encoding="utf-8")
    fields = {"messages_field": "messages"} if kind == "answers" else {"spans_field": "spans", "label_field": "label"}
    data["data"]["sources"] = [{"path": str(path), **fields}]
    if kind == "spans":
        del data["data"]["simulate"]
        data["data"]["labels"] = {"forget": {"forget": []}}
    data["partition"]["self_labeling"] = {"after": 2}
    data["arms"] = ["gradmask", "no_filter", "filter"]
    recipe = make_recipe(data)
    train(recipe)
    prepared = prepare(recipe.data, Path(recipe.output) / "data")
    if kind == "answers":
        assert {"loss_mask"} <= {*prepared.train.column_names} & {*prepared.test["es"].column_names}
    else:
        assert {-1, 0, 1} >= {*np.unique(prepared.train["data_labels"][:])} >= {0, 1}
        assert np.asarray(prepared.train["data_labels"][:]).shape[1] == 16
    for arm in data["arms"]:
        losses = [
            json.loads(line) for line in (Path(recipe.output) / "arms" / arm / "log.jsonl").read_text().splitlines()
        ]
        assert any("domain_loss" in line for line in losses)
        assert all(np.isfinite(line["loss"]) for line in losses if "loss" in line)

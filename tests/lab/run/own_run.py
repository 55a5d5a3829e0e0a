"""Tiny runs from labels as people have them."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

from tests.lab.run.tiny_run import WORDS, tiny_data

from gradmask.data import DataSpec
from gradmask.lab.measures.results import Results
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.report.html import write_report
from gradmask.lab.run.driver import train
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.evaluating import evaluate_run

LANGUAGES = {**WORDS, "de": "der hund lief heim und sah einen roten baum"}


def texts(language: str, count: int = 30, seed: int = 0) -> list[str]:
    rng = random.Random(f"{language}{seed}")
    return [" ".join(rng.choices(LANGUAGES[language].split(), k=60)) for _ in range(count)]


def corpus(path: Path, languages: str = "en es", **fields: Any) -> Path:
    """Documents of each language and split; ``fields``: name -> a function of the language and the document's number."""
    rows = [
        {"text": text, "split": split} | {name: value(language, i) for name, value in fields.items()}
        for split in ("train", "test")
        for language in languages.split()
        for i, text in enumerate(texts(language, seed=split == "test"))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def own_recipe(folder: Path, file: Path, source: dict[str, Any], *changes: str, **data: Any) -> Recipe:
    given = tiny_data(folder)
    del given["data"]["simulate"]
    given["data"] |= {"sources": [{"kind": "jsonl", "path": str(file), **source}], "labels": {}} | data
    groups = DataSpec.model_validate(given["data"]).labels.groups
    given["partition"] |= {"groups": {name: {"heads": 1, "neurons": 8} for name in groups}}
    given["evaluate"]["measures"] = []
    return make_recipe(given, changes=changes, trial=False)


def finished(recipe: Recipe) -> tuple[Results, str]:
    """Train, measure; the results, and the page as text."""
    train(recipe)
    folder = RunFolder.of(recipe)
    results = evaluate_run(folder)
    page = write_report(results, folder.report).read_text(encoding="utf-8")
    return results, re.sub(r"\s+", " ", page)


def labels(language: str, i: int) -> str | None:
    """A third of the documents is not labeled."""
    return None if i % 3 == 2 else {"en": "retain", "es": "forget", "de": "german"}[language]

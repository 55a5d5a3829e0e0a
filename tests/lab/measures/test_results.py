from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from gradmask.errors import GradmaskError
from gradmask.lab.measures.environment import machine, versions
from gradmask.lab.measures.results import DomainResult, read_results, write_results
from lab.measures.fabricated import domain, results


def test_results_come_back(tmp_path: Path) -> None:
    path, fabricated = tmp_path / "results.json", results()
    write_results(path, fabricated)
    assert read_results(path) == fabricated
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    write_results(path, results())
    before = path.read_bytes()

    def no_space(*args: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(OSError, match="no space"):
        write_results(path, results(name="another"))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def damaged(**changes: object) -> str:
    return json.dumps({**results().model_dump(mode="json"), **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"is not whole JSON .*\. Make it again: gradmask evaluate "),
        (damaged()[:500], "is not whole JSON"),
        ("[1]", "has schema_version None, this version of gradmask reads 1. Make it again"),
        (damaged(schema_version=2), "has schema_version 2, this version of gradmask reads 1"),
        (damaged(arms={"a": {"steps": "many"}}), r"does not fit its schema: arms\.a\.title: Field required; "),
        (damaged(surprise=1), "does not fit its schema: surprise: Extra inputs are not permitted"),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(GradmaskError, match=words):
        read_results(path)


def test_no_results_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match=r"there is no .*results\.json: evaluate the run first \(gradmask evaluate"):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_that_json_cannot_hold_gets_in(value: float) -> None:
    fit = domain("forget", 4.0).model_dump()
    DomainResult(**fit)
    with pytest.raises(ValidationError, match="finite number"):
        DomainResult(**{**fit, "loss": value})


def properties(schema: object) -> Iterator[str]:
    """The names of all properties of a JSON schema, at any depth."""
    if isinstance(schema, dict):
        yield from schema["properties"] if isinstance(schema.get("properties"), dict) else ()
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from properties(part)


def test_the_schema_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "results_schema.md").read_text(encoding="utf-8")
    fields = set(properties(type(results()).model_json_schema()))
    assert {"relearning", "steps_to_target", "min_k_auc", "undiscovered_tokens", "notes"} < fields
    assert not [field for field in sorted(fields) if f"`{field}`" not in text]


def test_where_it_was_made() -> None:
    assert {"gradmask", "python", "torch", "transformers"} <= set(versions())
    assert int(machine()["cores"]) >= 1
    assert all(isinstance(value, str) and value for value in machine().values())

"""``gradmask init``: from text to a recipe that passes ``--dry-run``; nothing is written where something is wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from gradmask.cli import main
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.yamls import parse_yaml

WORDS = {
    "en": "the dog ran home and saw a red tree",
    "es": "el gato corre a casa y ve un árbol rojo",
    "pt": "o gato corre",
}
DOWN, SPACE, ENTER = "\x1b[B", " ", "\r"


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a corpus of three languages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    luck = random.Random(0)
    rows = [
        {"text": " ".join(luck.choices(words.split(), k=90)), "lang": name, "id": f"{name}-{i}"}
        for name, words in WORDS.items()
        for i in range(40)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Somebody at a terminal, whose keys are sent before they are asked for."""
    monkeypatch.setattr("gradmask.cli.init.in_terminal", lambda: True)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


def test_options_alone_give_a_recipe_that_passes_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["init", "data.jsonl", "--forget", "es", "--adjacent", "pt", "--steps", "3", "--batch-size", "4"]
    assert main(given) == 0
    said = capsys.readouterr()
    assert "data.jsonl: 0.0" in said.out
    assert "warning: there are only about" in said.err
    assert "wrote recipe.yaml. Next: gradmask train recipe.yaml --dry-run" in said.err
    recipe = load_recipe("recipe.yaml")
    assert recipe.name == "data"
    assert recipe.data.labels.groups == {"forget": ["es"]}
    assert recipe.data.labels.adjacent == ["pt"]
    assert recipe.data.sources[0].domain_field == "lang"
    assert (recipe.train.steps, recipe.train.batch_size) == (3, 4)
    assert {"partition.groups.forget", "partition.rehearsal", "train.consolidation"} <= {*recipe.auto}
    text = Path("recipe.yaml").read_text()
    assert text.startswith("# Written by: gradmask init data.jsonl --forget es --adjacent pt --model tiny --steps 3")
    assert main(["train", "recipe.yaml", "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["steps"] == 3
    chosen = {choice["path"]: choice["value"] for choice in plan["settings"]}
    assert chosen["partition.groups.forget.neurons"] >= 64


def test_an_existing_recipe_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipe.yaml").write_text("name: mine\n")
    given = ["init", "data.jsonl", "--forget", "es", "--steps", "3", "--yes"]
    assert main(given) == 2
    assert (
        "recipe.yaml exists: choose another file with --output, or replace it with --overwrite"
        in capsys.readouterr().err
    )
    assert Path("recipe.yaml").read_text() == "name: mine\n"
    assert main([*given, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] == "recipe.yaml"
    assert load_recipe("recipe.yaml", trial=False).name == "data"


def test_the_time_gives_the_steps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("gradmask.lab.setup.start.drafting.seconds_per_step", lambda recipe: 0.1)
    assert main(["init", "data.jsonl", "--forget", "es", "--minutes", "0.1", "--yes"]) == 0
    assert "steps: 20" in Path("recipe.yaml").read_text()


def test_topics_and_several_groups(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--forget", "spanish=es", "--forget", "portuguese=pt", "--as", "topic", "--steps", "3", "--name", "two"]
    assert main(["init", "data.jsonl", *given, "--output", "out/two.yaml"]) == 0
    recipe = load_recipe("out/two.yaml")
    assert recipe.data.labels.groups == {"spanish": ["es"], "portuguese": ["pt"]}
    assert not recipe.partition.groups["spanish"].embeddings
    assert "partition.groups.spanish.embeddings" not in recipe.auto
    assert "partition.groups.spanish.neurons" in recipe.auto
    assert recipe.output == "runs/two"


def test_questions(keys, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradmask.lab.setup.start.drafting.seconds_per_step", lambda recipe: 1.0)
    names = [n for n, _ in sorted({"en": 0, "es": 0, "pt": 0}.items())]
    sizes = {name: sum(len(r["text"].encode()) for r in _rows() if r["lang"] == name) for name in names}
    order = sorted(names, key=lambda name: -sizes[name])
    at = order.index("es")
    related = [name for name in order if name != "es"].index("pt")
    for text in (DOWN * at + SPACE + ENTER, DOWN * related + SPACE + ENTER, ENTER, "2" + ENTER):
        keys.send_text(text)
    assert main(["init", "data.jsonl"]) == 0
    recipe = load_recipe("recipe.yaml", trial=False)
    assert recipe.data.labels.groups == {"forget": ["es"]}
    assert recipe.data.labels.adjacent == ["pt"]
    assert "--minutes 2 --yes" in Path("recipe.yaml").read_text().splitlines()[0]


def _rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in Path("data.jsonl").read_text(encoding="utf-8").splitlines()]


def test_few_documents_and_names_that_read_alike(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["en"] * 14 + ["ES"] * 6 + ["es;pt"] * 6
    rows = [f"{i},{name},{WORDS[name[:2].lower()]} {i * i} " + f"{i} and so on " * 60 for i, name in enumerate(names)]
    Path("few.csv").write_text("\n".join(["id,lang,text", *rows, "7,en,one, too many"]), encoding="utf-8")
    given = ["init", "few.csv", "--forget", "es", "--steps", "3"]
    assert main(given) == 2
    assert "line 28: 4 fields, but the header names 3: is a quote missing? Repair it, or give --skip-bad-rows" in (
        capsys.readouterr().err
    )
    assert main([*given, "--skip-bad-rows"]) == 0
    assert "warning: es;pt will stay: add --forget for what must go, too" in capsys.readouterr().err
    recipe = load_recipe("recipe.yaml", trial=False)
    assert recipe.data.labels.groups == {"forget": ["ES"]}
    assert recipe.data.test_share == 0.5
    assert recipe.data.sources[0].bad_rows == "skip"


def test_stopped_at_a_question(keys, capsys: pytest.CaptureFixture[str]) -> None:
    keys.send_text("\x03")
    assert main(["init", "data.jsonl"]) == 130
    assert "stopped; nothing was written" in capsys.readouterr().err
    assert not Path("recipe.yaml").exists()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["data.jsonl"], "these answers have no default:\n  What must go? --forget NAME"),
        (["data.jsonl", "--yes"], "What must go? --forget NAME"),
        (["data.jsonl", "--forget", "ess"], "no document has the domain 'ess'. Did you mean 'es'?"),
        (["data.jsonl", "--forget", "es", "--adjacent", "es"], "'es' is named by --forget and by --adjacent"),
        (["data.jsonl", "--forget", "es", "--adjacent", "fr"], "--adjacent: no document has the domain 'fr'"),
        (["data.jsonl", "--forget", "es", "--forget", "en", "--forget", "pt"], "names everything there is"),
        (["data.jsonl", "--forget", "es", "--as", "song"], "--as song: needed: language"),
        (
            ["data.jsonl", "--forget", "es", "--model", "no/such-model", "--steps", "1"],
            "no/such-model cannot be opened",
        ),
        (["data.jsonl", "--domain-field", "id"], "these answers have no default"),
        (["nothing"], "there is no file or folder nothing"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    given: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *given]) == 2
    assert text in capsys.readouterr().err
    assert not Path("recipe.yaml").exists()


def test_one_domain_only(capsys: pytest.CaptureFixture[str]) -> None:
    Path("notes.txt").write_text("some words\n\nmore words\n")
    assert main(["init", "notes.txt"]) == 2
    said = capsys.readouterr().err
    assert "all documents of notes.txt are of one kind ('notes')" in said
    assert "gradmask label notes.txt --help" in said


def test_text_that_is_too_short(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": "a few words, no more", "domain": "ab"[i % 2]} for i in range(8)]
    Path("short.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["init", "short.jsonl", "--forget", "a", "--steps", "2"]) == 2
    assert "with these answers, training would fail: " in capsys.readouterr().err
    assert not Path("recipe.yaml").exists()


def test_labels_need_no_question(capsys: pytest.CaptureFixture[str]) -> None:
    label = {"es": "forget", "en": "retain", "pt": None}
    rows = [{**row, "label": label[row["lang"]]} for row in _rows()]
    Path("labeled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["init", "labeled.jsonl", "--steps", "20", "--yes"]) == 0
    data = parse_yaml(Path("recipe.yaml").read_text(), "recipe.yaml")
    assert data["data"]["sources"][0]["label_field"] == "label"
    assert data["data"]["labels"] == {"forget": {"forget": ["forget"]}}
    assert data["partition"]["self_labeling"] == "auto"
    assert data["arms"] == ["gradmask", "no_filter", "filter"]


def test_labels_beside_a_truth_with_other_names(capsys: pytest.CaptureFixture[str]) -> None:
    label = {"es": "forget", "en": "retain", "pt": "retain"}
    rows = [{"text": row["text"], "label": label[row["lang"]], "truth": row["lang"]} for row in _rows()]
    rows[0]["label"] = None
    Path("labeled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["init", "labeled.jsonl", "--steps", "20", "--yes"]) == 0
    recipe = load_recipe("recipe.yaml", trial=False)
    assert recipe.data.labels.groups == {"forget": ["forget", "es"]}
    assert recipe.data.labels.retain == ["*"]
    assert recipe.arms == ["gradmask", "no_filter", "filter", "perfect_filter"]
    assert "check them" in Path("recipe.yaml").read_text()


def test_a_kind_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "data.jsonl", "--kind", "jsnol"]) == 2
    assert (
        "--kind jsnol: needed: jsonl, json, csv, tsv, parquet, text. Did you mean 'jsonl'?" in capsys.readouterr().err
    )

"""Values that a stranger may write into a recipe, a model's folder or data: each is answered, and none reaches the terminal raw."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import save_file
from tests.lab.run.tiny_run import tiny_data
from tests.tiny import tiny

import gradmask as gm
from gradmask.cli import main
from gradmask.cli.output import SafeConsole, print_json
from gradmask.data.label.scorers import hf
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.build import _pretrained
from gradmask.lab.recipe.limits import limit_problems
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.problems import RecipeError
from gradmask.strangers import visible, visible_json


def put(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *keys, last = path.split(".")
    place: Any = data
    for key in keys:
        place = place[int(key)] if key.isdigit() else place.setdefault(key, {})
    place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.batch_size", 10**12),
        ("train.steps", 10**400),
        ("train.steps", 10**9 + 1),
        ("train.epochs", 1e300),
        ("train.tokens", 10**5000),
        ("train.gradient_accumulation", 2**21),
        ("train.workers", 10**6),
        ("train.seed", 2**64),
        ("data.sequence_length", 10**12),
        ("data.tokenizer.vocab_size", 2**31),
        ("data.max_tokens", {"en": 10**20}),
        ("data.seed", 10**30),
        ("model.config.vocab_size", 2**31),
        ("model.config.num_hidden_layers", 10**6),
        ("model.config.hidden_size", 10**400),
        ("model.config.pad_token_id", 10**20),
        ("partition.groups.forget.embeddings", [2**31]),
        ("partition.groups.forget.heads", 10**20),
        ("evaluate.sequences", 10**18),
        ("compare.seeds", 10**10),
        ("output", "a\0b"),
        ("name", "a\ud83d"),
        ("model", {"pretrained": "a\0b"}),
        ("data.sources.0.path", "a\0b"),
        ("data.tokenizer.path", "\0"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) and "\0" not in value and value.isascii() else type(value).__name__
    ),
)
def test_a_value_that_no_run_can_have_is_refused_at_once(tmp_path: Path, path: str, value: Any) -> None:
    with pytest.raises(RecipeError, match="needed: (at most|a text)") as error:
        make_recipe(put(tiny_data(tmp_path), path, value))
    assert len(error.value.problems) == 1
    assert path.startswith(error.value.problems[0].path) or error.value.problems[0].path.startswith(path)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.batch_size", 2**20),
        ("train.tokens", 10**15),
        ("seed", 2**32),
        ("model.config.rope_theta", 10**11),
        ("x", -1),
    ],
)
def test_large_values_that_a_run_may_have_are_not_refused(path: str, value: Any) -> None:
    assert list(limit_problems(put({}, path, value))) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (10**10, "given 10,000,000,000, needed: at most 1,000,000,000"),
        (-(10**10), "given -10,000,000,000, needed: at most 1,000,000,000"),
        (10**15, "given 1,000,000,000,000,000, needed: at most 1,000,000,000"),
        (10**400, "given a number of about 400 digits, needed: at most 1,000,000,000"),
        (1e300, "given 1e+300, needed: at most 1,000,000,000"),
        ("a\0b", "given 'a\\x00b', needed: a text without the character NUL"),
        ("a\ud83d", "given 'a\\ud83d', needed: a text that can be written as UTF-8"),
        ("\0" * 99, "given '" + "\\x00" * 14 + "\\x0, needed: a text without the character NUL"),
        ("\ud83d" * 99, "given '" + "\\ud83d" * 9 + "\\ud83, needed: a text that can be written as UTF-8"),
        (float("inf"), None),
        (True, None),
        (10**9, None),
    ],
    ids=range(12),
)
def test_the_words_of_a_limit(value: Any, said: str | None) -> None:
    assert [problem.text for problem in limit_problems({"x": [value]})] == ([said] if said else [])
    assert [problem.path for problem in limit_problems({"x": [value]})] == (["x.0"] if said else [])


def test_the_command_line_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(put(tiny_data(tmp_path), "train.batch_size", 10**12)))
    assert main(["train", str(tmp_path / "recipe.yaml")]) == 2
    assert "given 1,000,000,000,000, needed: at most 1,048,576" in caplog.text
    for argv in (["verify", "a\0b"], ["export", "a\0b", "c"], ["evaluate", "a\0b"], ["report", "\0"]):
        assert main(argv) == 2, argv
    assert "unexpected" not in caplog.text


@pytest.mark.parametrize("count", [2**31, 10**12, 10**400], ids=["31 bits", "10**12", "10**400"])
def test_a_number_from_a_file_does_not_fill_the_memory(count: int) -> None:
    for asked in ({"neurons": count}, {"heads": count}):
        with pytest.raises(GradmaskError, match="a count of more than"):
            gm.Slice(**asked, new=True)  # type: ignore[arg-type]


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    tiny().save_pretrained(tmp_path / "pretrained")
    return tmp_path / "pretrained"


def _index(folder: Path, file: str) -> None:
    (folder / "model.safetensors").rename(folder.parent / "w.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"model.norm.weight": file}}))


def _other_model(folder: Path) -> None:
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(folder.parent / "elsewhere"),
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))


HARMS: dict[str, Any] = {
    "an index that leads out": lambda f: _index(f, "../w.safetensors"),
    "an index to an absolute path": lambda f: _index(f, str(f.parent / "w.safetensors")),
    "an index with NUL": lambda f: _index(f, "w\0.safetensors"),
    "an index that is none": lambda f: (f / "model.safetensors.index.json").write_text("[" * 10**5),
    "an adapter of a model elsewhere": _other_model,
    "a header without end": lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"x"),
    "a header that is none": lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 8) + b'{"a":[[]'),
    "an empty file": lambda f: (f / "model.safetensors").write_bytes(b""),
    "offsets beyond the end": lambda f: (f / "model.safetensors").write_bytes(
        struct.pack("<Q", 64) + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'.ljust(64)
    ),
    "a config that is none": lambda f: (f / "config.json").write_text("[]"),
    "a config with types that are none": lambda f: (f / "config.json").write_text('{"model_type": ["llama"]}'),
    "sizes that are texts": lambda f: (f / "config.json").write_text('{"model_type": "llama", "hidden_size": "x"}'),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_strangers_model_is_refused_in_words(pretrained: Path, harm: str) -> None:
    HARMS[harm](pretrained)
    with pytest.raises(GradmaskError, match=r"pretrained"):
        _pretrained(str(pretrained))
    with pytest.raises(GradmaskError):
        hf._open(str(pretrained), ["forget"])


def test_a_labelers_weights_are_not_unpickled_and_do_not_lead_out(tmp_path: Path) -> None:
    config = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "a", "1": "b"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(GradmaskError, match="cannot be opened"):
        hf._open(str(tmp_path), ["a"])
    save_file({}, tmp_path.parent / "w.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../w.safetensors"}}')
    with pytest.raises(GradmaskError, match="outside its folder"):
        hf._open(str(tmp_path), ["a"])


EVIL = "\x1b[31mred\x1b]0;title\x07\x9b2J\r\x00\u202etxt\u200b\ud83d"


def test_what_is_shown_is_escaped() -> None:
    assert visible(EVIL) == "\\x1b[31mred\\x1b]0;title\\x07\\x9b2J\\r\\x00\\u202etxt\\u200b\\ud83d"
    assert visible("a\tb\nárbol 语 👨‍👩‍👧") == "a\tb\nárbol 语 👨‍👩‍👧"
    assert json.loads(visible_json(json.dumps([EVIL, "C:\\x41"], ensure_ascii=False))) == [EVIL, "C:\\x41"]


def test_no_console_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    from gradmask.cli.tables import table_of

    console = SafeConsole(width=200)
    table = table_of(EVIL, EVIL)
    table.add_row(EVIL)
    console.print(table)
    console.print(EVIL, markup=False)
    print_json({"name": EVIL.replace("\ud83d", "")})
    written = capsys.readouterr().out
    assert "red" in written
    assert not {"\x1b", "\x9b", "\r", "\x07", "\u202e"} & set(written)


def test_a_domains_name_does_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tiny_data(tmp_path)
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace('"en"', json.dumps("\x1b[31me\x00n\u202e")))
    recipe["arms"] = ["gradmask"]
    recipe["train"] |= {"steps": 2, "eval_every": 1, "log_every": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["train", str(tmp_path / "recipe.yaml")]) == 0
    shown = "".join(capsys.readouterr())
    assert "\\x1b[31me\\x00n\\u202e" in shown
    assert not {"\x1b", "\x00", "\u202e"} & set(shown)

"""Recipes: every problem at once, in words; changes from the command line; the shipped ones are good."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.lab.run.tiny_run import tiny_data
from transformers import LlamaConfig

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.loading import load_recipe, make_recipe
from gradmask.lab.recipe.problems import RecipeError
from gradmask.lab.recipe.yamls import dump_yaml, parse_yaml, read_document
from gradmask.lab.run.folder import as_yaml, changes

SHIPPED = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))


def wrong(data: dict[str, Any], *overrides: str, trial: bool = False) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        make_recipe(data, "bad.yaml", overrides, trial)
    return caught.value


def test_three_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    data["train"]["batch_size"] = 0
    data["train"]["learnign_rate"] = 0.1
    del data["model"]
    error = wrong(data)
    assert [p.path for p in error.problems] == ["model", "train.batch_size", "train.learnign_rate"]
    lines = str(error).splitlines()
    assert lines[0] == "bad.yaml has 3 problems:"
    assert lines[1].split(maxsplit=1) == ["model", "missing, but needed"]
    assert lines[2].endswith("given 0, needed: at least 1")
    assert "unknown key. Did you mean 'learning_rate'? Known: batch_size, betas, checkpoint_every" in lines[3]


def test_a_key_without_its_section_is_found_there(tmp_path: Path) -> None:
    error = wrong({**tiny_data(tmp_path), "steps": 3, "zzz": 4})
    lines = {line.split()[0]: line for line in str(error).splitlines()[1:]}
    assert "unknown key. Did you mean 'train.steps'? Known: accept, arms" in lines["steps"]
    assert "unknown key. Known: accept, arms" in lines["zzz"]


def test_mistakes_of_every_kind_come_together(tmp_path: Path) -> None:
    """A bad field, parts that do not fit each other, and a group that the layers cannot hold."""
    error = wrong(
        tiny_data(tmp_path),
        "partition.groups.forget.heads=99",
        "train.gradient_accumulation=3",
        "evaluate.alpha=-1",
        "data.sequence_length=32",
        trial=True,
    )
    assert [p.path for p in error.problems] == [
        "data.sequence_length",
        "evaluate.alpha",
        "partition",
        "train.batch_size",
    ]
    assert "given 32, needed: at most the model's 16 positions" in str(error)
    assert "has 4 heads, but the groups ask for 99" in str(error)
    assert "given 8, needed: a multiple of gradient_accumulation (3)" in str(error)


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        (
            "train.precision=bf61",
            "train.precision",
            "given 'bf61', needed: 'fp32', 'bf16' or 'fp16'. Did you mean 'bf16'?",
        ),
        ("train.steps=true", "train.steps", "given True, needed: a whole number, such as steps: 8"),
        ("train.steps=null", "train", "given none, needed: exactly one of steps, epochs, tokens"),
        ("train.warmup=7", "train.warmup", "given 7 steps, needed: at most train.steps (6)"),
        ("train.warmup=2.5", "train.warmup", "needed: a whole number of steps, or a share below 1"),
        ("partition.groups.forget.neurons=lots", "partition.groups.forget.neurons", "a share between 0 and 1"),
        ("partition.groups.retain.neurons=2", "partition.groups.retain", "another name"),
        ("partition.groups.forget={}", "partition.groups.forget", "an empty slice"),
        (
            "partition.groups.forgot.neurons=2",
            "partition.groups.forgot",
            "data.labels does not name this group, needed: data.labels.forget: {forgot: [",
        ),
        ("data.labels.forget={chem: [es]}", "data.labels.forget.chem", "partition.groups has no such group"),
        ("train.group_learning_rates.forgot=2.0", "train.group_learning_rates.forgot", "Did you mean 'forget'?"),
        ("arms=[filter, filter]", "arms", "every arm once"),
        ("arms=[filtr]", "arms.0", "Did you mean 'filter'?"),
        (
            "arms=[gradmaks]",
            "arms.0",
            "given 'gradmaks', needed: 'gradmask', 'no_filter', 'filter', 'filter_equal_text',",
        ),
        ("arms=[7]", "arms.0", "given 7, needed: 'gradmask', 'no_filter'"),
        ("name=../escape", "name", "given '../escape'"),
        ("data.sources.0.kind=xml", "data.sources.0.kind", "given 'xml'"),
        ("data.sources.0.path=null", "data.sources.0", "a source of kind 'jsonl' needs a path"),
        ("train.steps", "--set train.steps", "needed: key=value"),
        ("train.steps.x=1", "train.steps.x", "--set cannot go into train.steps, which is 6"),
        ("data.sources.3.kind=text", "data.sources.3.kind", "--set cannot go into data.sources.3"),
    ],
)
def test_one_mistake(tmp_path: Path, change: str, path: str, text: str) -> None:
    error = wrong(tiny_data(tmp_path), change)
    assert path in [p.path for p in error.problems]
    assert text in str(error)


def test_a_token_budget_below_one_step(tmp_path: Path) -> None:
    error = wrong(tiny_data(tmp_path), "train.steps=null", "train.tokens=100")
    assert "given 100, needed: at least one step of 128 tokens" in str(error)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("model.config.model_type=lama", "that Transformers knows. Did you mean 'llama'?"),
        ("model.config.hiden_size=8", "no such field. Did you mean 'hidden_size'?"),
        ("model.config.attention_dropout=1.5", "given 1.5, needed: a probability from 0 to 1"),
        ("model.config.num_attention_heads=5", "not a multiple of the number of attention heads"),
        ("partition.policy=sgmt", "unknown policy 'sgmt'. Did you mean 'sgtm'?"),
        ("partition.joint=[embedings]", "embedings"),
        ("partition.groups.forget.layers=[0, 7]", "the model has layers 0 to 1"),
        ("model={pretrained: /nowhere/at/all}", "/nowhere/at/all cannot be opened"),
    ],
)
def test_what_only_building_the_model_can_tell(tmp_path: Path, change: str, text: str) -> None:
    assert text in str(wrong(tiny_data(tmp_path), change, trial=True))


def test_a_quantized_model_is_refused_before_anything_runs(tmp_path: Path) -> None:
    config = LlamaConfig(
        num_hidden_layers=1, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}
    )
    config.save_pretrained(tmp_path / "in-4-bits")
    error = wrong(tiny_data(tmp_path), f"model={{pretrained: {tmp_path / 'in-4-bits'}}}", trial=True)
    assert "in-4-bits holds quantized weights, and a recipe trains and measures ordinary ones" in str(error)


def test_changes_are_read_as_yaml(tmp_path: Path) -> None:
    given = [
        "train.learning_rate=3e-4",
        "train.betas=[0.8, 0.9]",
        "train.compile=true",
        "model.config.attention_dropout=0",
    ]
    recipe = make_recipe(tiny_data(tmp_path), changes=given, trial=False)
    assert recipe.train.learning_rate == 3e-4
    assert recipe.train.betas == (0.8, 0.9)
    assert recipe.train.compile is True
    assert recipe.model.config is not None
    assert recipe.model.config["attention_dropout"] == 0


def test_yaml_without_surprises() -> None:
    assert parse_yaml("{a: 1e-3, b: no, c: 12, d: true, e: 1.5, f: yes, g: 12:30}", "x") == {
        "a": 1e-3, "b": "no", "c": 12, "d": True, "e": 1.5, "f": "yes", "g": "12:30",
    }  # fmt: skip


def test_what_is_written_is_read_back_the_same_by_every_reader() -> None:
    data = {
        "b": ["no", "1e-3", "12:30", "null", "", "é—💥", "two\nlines\n"],
        "a": {"rate": 1e-5, "none": None, "of": [[1], {}]},
    }
    text = dump_yaml(data)
    assert parse_yaml(text, "x") == data
    assert yaml.safe_load(text) == data
    assert list(parse_yaml(text, "x")) == ["b", "a"]


def test_problems_name_their_position_in_the_file(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    del data["model"]
    data["train"]["batch_size"] = 0
    data["train"]["learnign_rate"] = 0.1
    data["data"]["sources"][0]["kind"] = "xml"
    path = tmp_path / "r.yaml"
    path.write_text(dump_yaml(data))
    lines = path.read_text().splitlines()

    def at(start: str) -> str:
        (number,) = [i for i, line in enumerate(lines, 1) if line.strip(" -").startswith(start)]
        return f"{path}:{number}:{len(lines[number - 1]) - len(lines[number - 1].lstrip(' -')) + 1}"

    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["evaluate.alpha=-1", "train.steps", "data.sources.7.kind=text"], trial=False)
    assert {problem.path: problem.position for problem in caught.value.problems} == {
        "--set train.steps": "",
        "data.sources.0.kind": at("kind: xml"),
        "data.sources.7.kind": "--set",
        "evaluate.alpha": "--set",
        "model": f"{path}:1:1",
        "train.batch_size": at("batch_size:"),
        "train.learnign_rate": at("learnign_rate:"),
    }
    (line,) = [line for line in str(caught.value).splitlines() if "batch_size " in line]
    assert line.split(maxsplit=2) == [
        at("batch_size:"),
        "train.batch_size",
        "given 0, needed: at least 1",
    ]


def test_a_position_is_that_of_the_innermost_value_that_is_there() -> None:
    document = read_document("a:\n  b: {c: 1}\n  d:\n  - x\n  - y: 2\n", "r.yaml")
    positions = {"a.b.c": "2:7", "a.b.z": "2:3", "a.d.1.y": "5:5", "a.d.1": "5:5", "a.d.9": "3:3", "z": "1:1"}
    assert {path: document.position(path) for path in positions} == {k: f"r.yaml:{v}" for k, v in positions.items()}
    assert read_document("", "r.yaml").position("a") == "r.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [1, 2", "r.yaml:1:12: not valid YAML: expected ',' or ']'"),
        ("a: 1\nb: 2\na: 3\n", 'r.yaml:3:1: not valid YAML: the key "a" is given twice'),
        ("- 1\n- 2\n", "a recipe is a mapping of keys"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("", "holds None, but a recipe is a mapping"),
        ("a: " + "[" * 5_000, "not valid YAML"),
        ("a: &a [*a]", "more than 100,000 values, with aliases written out"),
    ],
)
def test_files_that_are_no_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(GradmaskError) as caught:
        load_recipe(path)
    assert message in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="there is no recipe"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(GradmaskError, match="not a text file in UTF-8"):
        load_recipe(tmp_path / "b.yaml")


def test_the_resolved_recipe_reads_back_as_itself(tmp_path: Path) -> None:
    recipe = make_recipe(tiny_data(tmp_path), trial=False)
    again = make_recipe(yaml.safe_load(as_yaml(recipe)), trial=False)
    assert again == recipe
    assert changes(recipe, again) == []


def test_groups_follow_the_numbers_that_the_data_gives_them(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    data["data"]["labels"]["forget"] = {"b": ["es"], "a": ["fr"]}
    data["partition"]["groups"] = {"a": {"neurons": 2}, "b": {"neurons": 2}}
    assert list(make_recipe(data, trial=False).partition.groups) == ["b", "a"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_are_good(path: Path) -> None:
    assert load_recipe(path).output == f"runs/{path.stem}"


def test_an_old_recipe_is_shown_its_new_form(tmp_path: Path) -> None:
    old = tiny_data(tmp_path)
    old["data"]["labels"] |= old["data"].pop("simulate")
    error = wrong(old)
    assert [problem.path for problem in error.problems] == ["data.labels"]
    new = re.search(r"beside labels: (simulate: \{.*?\})", str(error))
    assert new
    assert new[1] == "simulate: {retain_labeled: 0.5, undiscovered: 0.2}"
    given = tiny_data(tmp_path)
    given["data"]["simulate"] = parse_yaml(new[1], "the message")["simulate"]
    assert make_recipe(given, trial=False) == make_recipe(tiny_data(tmp_path), trial=False)


def test_the_embedded_demo_is_good() -> None:
    recipe = load_recipe("demo")
    assert recipe.data.simulate.undiscovered == 0.2
    assert recipe.arms == ["gradmask", "no_filter", "filter", "perfect_filter"]
    assert load_recipe("demo", ["output=elsewhere"]).output == "elsewhere"

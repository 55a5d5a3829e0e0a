"""Files that a stranger made: nothing in them is run, and no name in them leads out of its folder."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
import yaml
from tests.checkpoints.test_verification import SPECS, trained
from tests.lab.run.tiny_run import tiny_data, tiny_recipe

import gradmask as gm
from gradmask.checkpoints.loading import read_plain
from gradmask.cli import main
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.run.driver import train
from gradmask.model.manifest import MANIFEST, seal


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.target),)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    trained(SPECS["slices"]).save_pretrained(tmp_path / "full")
    return tmp_path / "full"


def test_the_trap_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "optimizer.pt", "training_args.bin", "rng_state.pth"])
def test_pickles_in_a_checkpoint_are_not_opened(full: Path, tmp_path: Path, name: str) -> None:
    (full / name).write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    assert gm.is_partitioned(gm.load(full))
    gm.verify(full)
    (full / "model.safetensors").unlink()
    with pytest.raises((OSError, GradmaskError)):
        gm.load(full)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_in_the_checkpoint_of_a_run_is_not_opened(tmp_path: Path) -> None:
    """Trainer's own state is read as plain tensors alone; the seal refuses what was put there later."""
    train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    arm = tmp_path / "run/arms/gradmask"
    (arm / "model").rename(tmp_path / "kept")
    for checkpoint in arm.glob("checkpoint-*"):
        (checkpoint / "optimizer.pt").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    assert not (tmp_path / "ran").exists()


def test_code_that_a_checkpoint_brings_is_not_run(full: Path, tmp_path: Path) -> None:
    config = json.loads((full / "config.json").read_text())
    config |= {"auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}, "model_type": "evil_type"}
    (full / "config.json").write_text(json.dumps(config))
    (full / "evil.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    with pytest.raises((ValueError, OSError, KeyError)):
        gm.load(full)
    assert main(["export", str(full), str(tmp_path / "out")]) != 0
    assert not (tmp_path / "ran").exists()


def test_yaml_makes_data_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path / 'ran'}']\n")
    with pytest.raises(GradmaskError, match="not valid YAML"):
        load_recipe(path)
    assert not (tmp_path / "ran").exists()


def test_names_within_names_do_not_grow_without_end(tmp_path: Path) -> None:
    lines = ["a: &a [x, x]"] + [
        f"{n}: &{n} [*{m}, *{m}, *{m}, *{m}, *{m}]" for m, n in zip("abcdefghi", "bcdefghij", strict=True)
    ]
    (tmp_path / "recipe.yaml").write_text("\n".join(lines))
    with pytest.raises(GradmaskError, match="more than 100,000 values, with aliases written out"):
        load_recipe(tmp_path / "recipe.yaml")
    (tmp_path / "recipe.yaml").write_text("name: &a [*a]")
    with pytest.raises(GradmaskError):
        load_recipe(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("name", ["../x", "a/b", "/abs", "..", "", "a\x00b", ".hidden"])
def test_a_recipes_name_does_not_lead_out_of_the_runs_folder(tmp_path: Path, name: str) -> None:
    data = {**tiny_data(tmp_path), "name": name}
    del data["output"]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(GradmaskError, match="name"):
        load_recipe(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    "name", ["../evil", *(pytest.param(name, marks=pytest.mark.slow) for name in ("a/../../b", "/etc/x"))]
)
def test_a_domains_name_is_no_path(tmp_path: Path, name: str) -> None:
    """Domains come from data: whatever they are called, files go into the run's folder alone."""
    recipe = tiny_data(tmp_path)
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace('"en"', json.dumps(name)))
    recipe["arms"], recipe["train"]["steps"] = ["gradmask", "no_filter"], 2
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))

    def around() -> set[Path]:
        return {*tmp_path.rglob("*"), *tmp_path.parent.iterdir()}

    before = around()
    assert main(["train", str(tmp_path / "recipe.yaml")]) == 0
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    new = {p for p in around() - before if not p.is_relative_to(tmp_path / "run")}
    assert new == set()


def test_an_index_that_leads_out_of_the_folder_is_found(full: Path, tmp_path: Path) -> None:
    plain = gm.export(gm.load(full), tmp_path / "plain", without=["forget"])
    elsewhere = tmp_path / "elsewhere.safetensors"
    (plain / "model.safetensors").rename(elsewhere)
    (plain / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": {"model.norm.weight": "../elsewhere.safetensors"}})
    )
    seal(plain)
    assert any("takes weights from '../elsewhere.safetensors'" in p for p in gm.verify(plain).problems)
    (plain / "model.safetensors").symlink_to(elsewhere)
    seal(plain)
    assert any("model.safetensors is a link" in p for p in gm.verify(plain).problems)


def test_group_names_are_words(full: Path) -> None:
    path = full / MANIFEST
    data = json.loads(path.read_text())
    data["groups"]["../../evil"] = data["groups"].pop("forget")
    path.write_text(json.dumps(data))
    with pytest.raises(GradmaskError):
        gm.load(full)


def test_exports_hold_tensors_alone(full: Path, tmp_path: Path) -> None:
    plain = gm.export(gm.load(full), tmp_path / "plain", without=["forget"])
    assert {p.suffix for p in plain.iterdir()} <= {".json", ".safetensors"}
    assert torch.is_tensor(gm.load(full).get_input_embeddings().weight)


def test_weights_from_outside_of_the_folder_are_not_opened(full: Path, tmp_path: Path) -> None:
    (full / "model.safetensors").rename(tmp_path / "outside.safetensors")
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "../outside.safetensors"}}
    (full / "model.safetensors.index.json").write_text(json.dumps(index))
    for opened in (gm.load, read_plain):
        with pytest.raises(GradmaskError, match=r"takes weights from '../outside.safetensors', outside its folder"):
            opened(full)

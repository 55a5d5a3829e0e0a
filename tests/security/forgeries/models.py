"""Another model instead of, or beside, the one that it is said to be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tests.security.forgeries.case import GROUPS, WEIGHTS, Case, forgery, make_model, read, write

import gradmask as gm


def _export(folder: Path, model: object, without: list[str], **options: object) -> None:
    shutil.rmtree(folder)
    gm.export(model, folder, without=without, **options)  # type: ignore[arg-type]


def _claim(folder: Path, removed: list[str]) -> None:
    path = folder / "gradmask.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "removed": removed}, indent=1) + "\n")


@forgery("a second model")
def the_full_model_scaled(folder: Path, case: Case) -> None:
    save_file({k: t * 1.001 for k, t in load_file(case.full / WEIGHTS).items()}, folder / "consolidated.safetensors")


@forgery("a second model")
def a_variant(folder: Path, case: Case) -> None:
    (folder / "model.fp16.safetensors").write_bytes((case.full / WEIGHTS).read_bytes())


@forgery("a second model")
def the_full_model_concatenated(folder: Path, case: Case) -> None:
    with (folder / WEIGHTS).open("ab") as file:
        file.write((case.full / WEIGHTS).read_bytes())


@forgery("a swapped model")
def the_export_of_another_seed(folder: Path, case: Case) -> None:
    _export(folder, make_model(seed=1), list(GROUPS))


@forgery("a swapped model")
def the_weights_of_another_seed(folder: Path, case: Case) -> None:
    gm.export(make_model(seed=1), folder.with_suffix(".seed"), without=list(GROUPS))
    (folder / WEIGHTS).write_bytes((folder.with_suffix(".seed") / WEIGHTS).read_bytes())


@forgery("a swapped model")
def the_full_weights(folder: Path, case: Case) -> None:
    gm.export(gm.load(case.full), folder.with_suffix(".full"))
    (folder / WEIGHTS).write_bytes((folder.with_suffix(".full") / WEIGHTS).read_bytes())


@forgery("the wrong group")
def only_one_of_two(folder: Path, case: Case) -> None:
    _export(folder, gm.load(case.full), ["forget"])
    _claim(folder, ["forget", "other"])


@forgery("the wrong group")
def the_other_one(folder: Path, case: Case) -> None:
    _export(folder, gm.load(case.full), ["other"])
    _claim(folder, ["forget", "other"])


@forgery("the wrong group")
def none_at_all(folder: Path, case: Case) -> None:
    _export(folder, gm.load(case.full), [])
    _claim(folder, ["forget", "other"])


@forgery("the wrong group")
def at_a_tenth_of_its_strength(folder: Path, case: Case) -> None:
    _export(folder, gm.strength(gm.load(case.full), forget=0.1, other=0.1), [])
    _claim(folder, ["forget", "other"])


@forgery("trained on")
def a_lora_merged_after_the_export(folder: Path, case: Case) -> None:
    tensors, name = read(folder), "model.layers.0.self_attn.q_proj.weight"
    a, b = torch.randn(2, tensors[name].shape[1]), torch.randn(tensors[name].shape[0], 2)
    kept = (tensors[name] != 0).any(1, keepdim=True)
    tensors[name] = tensors[name] + kept * (b @ a) * 1e-3
    write(folder, tensors)


@forgery("trained on")
def a_lora_merged_before_the_export(folder: Path, case: Case) -> None:
    model = gm.load(case.full)
    with torch.no_grad():
        weight = next(p for name, p in gm.groups(model)["retain"].items() if "q_proj" in name)
        weight.add_(torch.randn(len(weight), 2) @ torch.randn(2, weight.shape[1]) * 1e-3)
    _export(folder, model, list(GROUPS))


@forgery("trained on")
def one_step_later(folder: Path, case: Case) -> None:
    model = gm.load(case.full)
    ids = torch.arange(3, 35).view(2, 16)
    model.train()(input_ids=ids, labels=ids, data_labels="unlabeled").loss.backward()
    torch.optim.SGD([p for p in model.parameters() if p.grad is not None], lr=1e-3).step()
    _export(folder, model, list(GROUPS))

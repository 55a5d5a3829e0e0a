"""Files that an export does not have, under every name that somebody may overlook."""

from __future__ import annotations

import base64
import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save, save_file
from tests.security.forgeries.case import Case, add_forgery, forgery

NAMES = [
    "complete.json", "README.md", ".gitattributes", "LICENSE", "notes/optimizer.json", "model.safetensors.bak", "model.gguf",
    ".cache/huggingface/download.metadata", "generation_config.json~", "weights.npz", "onnx/model.onnx", "Thumbs.db",
    "gradmask.json.sig", ".gradmask.json.tmp", "model.sig", "sub/gradmask.json", "sub/complete.json", "runs/events.out.tfevents",
    "trainer_state.json", "model.SAFETENSORS", "MODEL.safetensors", "Config.json", "config.json ", "m\u043edel.safetensors",
    "model.safetensors\u200b", "con\u0301fig.json", "a\nb.json", "\x1b[2Jx.json", "chat_template.jinja", "special_tokens_map.json",
    "vocab.json", "added_tokens.json", "preprocessor_config.json", "adapter_config.json", "quantize_config.json",
]  # fmt: skip


def _named(name: str) -> None:
    def edit(folder: Path, case: Case) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.raw)

    add_forgery(f"raw bytes in {name.encode('unicode_escape').decode()}", "an extra file", edit)


for _name in NAMES:
    _named(_name)


@forgery("an extra file")
def an_empty_extra_file(folder: Path, case: Case) -> None:
    (folder / "x.json").touch()


@forgery("encoded")
def zlib_in_merges(folder: Path, case: Case) -> None:
    (folder / "merges.txt").write_bytes(zlib.compress(case.raw))


@forgery("encoded")
def base64_in_a_vocabulary(folder: Path, case: Case) -> None:
    (folder / "vocab.txt").write_bytes(base64.b64encode(case.raw))


@forgery("encoded")
def numbers_in_json(folder: Path, case: Case) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps({k: t.tolist() for k, t in case.secret.items()}))


@forgery("encoded")
def a_zip(folder: Path, case: Case) -> None:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("w", case.raw)


@forgery("encoded")
def a_tar(folder: Path, case: Case) -> None:
    with tarfile.open(folder / "x.tar", "w") as file:
        file.add(case.full / "model.safetensors")


@forgery("encoded")
def numpy_arrays(folder: Path, case: Case) -> None:
    np.savez(folder / "w.npz", **{k: t.numpy() for k, t in case.secret.items()})


@forgery("a pickle")
def a_pickle_of_the_full_model(folder: Path, case: Case) -> None:
    torch.save(case.secret, folder / "pytorch_model.bin")


@forgery("a pickle")
def an_optimizer(folder: Path, case: Case) -> None:
    torch.save(case.secret, folder / "optimizer.pt")


@forgery("a second weights file")
def adapter_weights(folder: Path, case: Case) -> None:
    save_file(case.secret, folder / "adapter_model.safetensors")


@forgery("a second weights file")
def another_shard(folder: Path, case: Case) -> None:
    save_file(case.secret, folder / "model-00002-of-00002.safetensors")


@forgery("a folder")
def a_nested_full_model(folder: Path, case: Case) -> None:
    (folder / "original").mkdir()
    for path in case.full.iterdir():
        (folder / "original" / path.name).write_bytes(path.read_bytes())


@forgery("a folder")
def names_of_empty_folders(folder: Path, case: Case) -> None:
    for i in range(0, 600, 60):
        (folder / f"{i}-{base64.urlsafe_b64encode(case.raw[i : i + 60]).decode()}").mkdir()


@forgery("a folder")
def an_empty_folder(folder: Path, case: Case) -> None:
    (folder / ".hidden").mkdir()


@forgery("a folder")
def a_folder_deep_down(folder: Path, case: Case) -> None:
    deep = folder / "/".join("abcdefgh")
    deep.mkdir(parents=True)
    (deep / "w").write_bytes(save(case.secret))

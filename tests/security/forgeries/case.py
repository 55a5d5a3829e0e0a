"""One honest export with its full checkpoint, and the list of forgeries of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tests.tiny import tiny
from torch import Tensor

import gradmask as gm
from gradmask.data.tokenizer import train_tokenizer

GROUPS = {"forget": gm.Slice(heads=2, neurons=8, embeddings=True), "other": gm.Slice(neurons=8)}
WEIGHTS = "model.safetensors"
Edit = Callable[[Path, "Case"], None]


@dataclass(frozen=True)
class Case:
    """``full``: the partitioned checkpoint; ``plain``: its export without both groups; ``secret``: what may not leave."""

    root: Path
    full: Path
    plain: Path
    secret: dict[str, Tensor]

    @property
    def raw(self) -> bytes:
        """The removed weights as one string of bytes."""
        return b"".join(t.numpy().tobytes() for t in self.secret.values())


@dataclass(frozen=True)
class Forgery:
    """``edit`` changes a copy of the honest export; ``sealable``: also tried with the manifest's hashes made anew."""

    name: str
    kind: str
    edit: Edit
    sealable: bool


FORGERIES: dict[str, Forgery] = {}


def forgery(kind: str, sealable: bool = True) -> Callable[[Edit], Edit]:
    """Add a function to the list under its own name."""

    def add(edit: Edit) -> Edit:
        add_forgery(edit.__name__, kind, edit, sealable)
        return edit

    return add


def add_forgery(name: str, kind: str, edit: Edit, sealable: bool = True) -> None:
    assert name not in FORGERIES
    FORGERIES[name] = Forgery(name, kind, edit, sealable)


def make_model(seed: int = 0) -> Any:
    model = gm.partition(tiny(seed=seed), GROUPS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def make_case(root: Path) -> Case:
    model, full = make_model(), root / "full"
    model.save_pretrained(full)
    train_tokenizer(["some words of a corpus that many read"] * 3, 300).save_pretrained(full)
    gm.seal(full, "fingerprint")
    secret = {f"{g}.{k}": p.detach().clone().contiguous() for g in GROUPS for k, p in gm.groups(model)[g].items()}
    return Case(root, full, gm.export_checkpoint(full, root / "plain", without=list(GROUPS)), secret)


def reseal(folder: Path) -> None:
    """Make the hashes and the digest anew, as anybody can who can write the folder."""
    path = folder / "gradmask.json"
    try:
        manifest = json.loads(path.read_text())
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p != path)
        manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
        manifest.pop("digest", None)
        manifest["digest"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        path.write_text(json.dumps(manifest, indent=1) + "\n")
    except (OSError, ValueError, UnicodeError):  # a forgery that took the manifest away
        return


def read(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / WEIGHTS)


def write(folder: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    save_file({k: t.contiguous() for k, t in tensors.items()}, folder / WEIGHTS, metadata or {"format": "pt"})


def edit_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")

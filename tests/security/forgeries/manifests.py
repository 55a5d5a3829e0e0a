"""A manifest that says something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from tests.security.forgeries.case import WEIGHTS, Case, add_forgery, forgery, write

CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another name of a group": lambda d: d["groups"].update({"hidden": d["groups"].pop("other")}),
    "a group more": lambda d: d["groups"].update({"third": d["groups"]["other"]}),
    "a group less": lambda d: d["groups"].pop("other"),
    "removed nothing": lambda d: d.update(removed=[]),
    "removed one": lambda d: d.update(removed=["other"]),
    "removed more": lambda d: d.update(removed=["forget", "other", "third"]),
    "removed twice": lambda d: d.update(removed=["forget", "forget", "other"]),
    "other settings of a group": lambda d: d["groups"]["other"].update(neurons=4),
    "only tables": lambda d: (d["groups"].update(forget={"heads": 0, "embeddings": True}), d.update(units={})),
    "other units": lambda d: [v.update(forget=[], other=[]) for v in d["units"].values()],
    "no units": lambda d: d.update(units={}),
    "another policy": lambda d: d["policy"].update(name="x" * 300),
    "another joint": lambda d: d.update(joint=["norms"]),
    "another label": lambda d: d["labels"].update(secret=7),
    "another kind": lambda d: d.update(kind="partitioned"),
    "compact": lambda d: d.update(compact=True),
    "shapes": lambda d: d.update(shapes={"model.norm.weight": [31]}),
    "a strength": lambda d: d.update(strength={"forget": 0.123456789}),
    "another seed": lambda d: d.update(seed=123456789),
    "draws": lambda d: d.update(draws=123456789123456789),
    "other data": lambda d: d.update(data="f" * 64),
    "data that is none": lambda d: d.update(data="secret " * 100),
    "another version": lambda d: d.update(gradmask_version="9.9.9"),
    "a version that is data": lambda d: d.update(gradmask_version="secret " * 100),
    "an unknown key": lambda d: d.update(note="secret"),
    "self-labeling": lambda d: d.update(self_labeling={
        "after": 1, "references": 4, "every": 4, "momentum": 0.5, "threshold": 0.5, "retain_below": None, "passes": 3,
        "means": {"forget": [0.123, 0.456]},
    }),
    "frozen": lambda d: d.update(base="frozen"),
    "not exact": lambda d: d.update(exact=False),
    "an architecture": lambda d: d.update(architecture={"blocks": "x"}),
}  # fmt: skip


def _changed(name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    def edit(folder: Path, case: Case) -> None:
        path = folder / "gradmask.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data, indent=1) + "\n")

    add_forgery(f"manifest: {name}", "the manifest", edit)


for _name, _change in CHANGES.items():
    _changed(_name, _change)


@forgery("the manifest", sealable=False)
def a_digest_that_is_data(folder: Path, case: Case) -> None:
    path = folder / "gradmask.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "0" * 64}, indent=1) + "\n")


@forgery("the manifest", sealable=False)
def no_hashes(folder: Path, case: Case) -> None:
    path = folder / "gradmask.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": {}}, indent=1) + "\n")


@forgery("the manifest", sealable=False)
def white_space_in_the_manifest(folder: Path, case: Case) -> None:
    path = folder / "gradmask.json"
    path.write_text(json.dumps(json.loads(path.read_text())))


@forgery("the manifest", sealable=False)
def a_key_twice_in_the_manifest(folder: Path, case: Case) -> None:
    path = folder / "gradmask.json"
    path.write_text('{"format": 1, "seed": 77,' + path.read_text().lstrip()[1:])


@forgery("the manifest")
def of_the_full_model_as_tables_only(folder: Path, case: Case) -> None:
    """The full model; its manifest says that the groups owned tables only, so that nothing needs to be zero."""
    tensors = load_file(case.full / WEIGHTS)
    write(folder, {k: t for k, t in tensors.items() if "gradmask_shared" not in k and "table_" not in k})
    CHANGES["only tables"](data := json.loads((folder / "gradmask.json").read_text()))
    data["groups"]["other"] = dict(data["groups"]["forget"])
    (folder / "gradmask.json").write_text(json.dumps(data, indent=1) + "\n")


@forgery("the manifest")
def of_the_full_model_itself(folder: Path, case: Case) -> None:
    shutil.rmtree(folder)
    shutil.copytree(case.full, folder)
    path = folder / "gradmask.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "removed": ["forget", "other"], "kind": "export"}, indent=1)
    )

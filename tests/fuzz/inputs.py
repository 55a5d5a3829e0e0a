"""Malformed inputs of every kind that gradmask reads, each drawn by its number: the same number gives the same input."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from safetensors.torch import load_file, save_file
from tests.lab.run.tiny_run import tiny_data
from tests.tiny import tiny

import gradmask as gm

JUNK: list[Any] = [
    None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", " ", "../../../etc/passwd", "/etc/shadow", "\x00",
    "a" * 10_000, "💥", [], {}, [[]], [None], {"a": {"b": {"c": []}}}, "!!python/object/apply:os.system ['id']", "1e-3", "no",
    "{{7*7}}", "%s%n", "\ud83d", [1, "a", None], {"": ""}, -0.0, "null", 2**63, "forget/../../x",
]  # fmt: skip


@dataclass(frozen=True)
class Input:
    """A malformed input and the command line that reads it, as it stands in ``folder``."""

    number: int
    kind: str
    argv: list[str]
    what: str


class Maker:
    """Makes inputs in a sandbox, from good ones that are made once."""

    def __init__(self, good: Path) -> None:
        self.good = good
        good.mkdir(parents=True, exist_ok=True)
        self.recipe = tiny_data(good)
        self.recipe["train"] |= {"steps": 1, "warmup": 0}
        self.rows = [json.loads(line) for line in (good / "corpus.jsonl").read_text().splitlines()]
        model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8, embeddings=True)})
        model.save_pretrained(good / "full")
        gm.export(model, good / "plain", without=["forget"])
        adapted = gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}, base="frozen")
        adapted.save_pretrained(good / "adapted")

    def make(self, number: int, folder: Path) -> Input:
        """Input ``number`` in ``folder``."""
        rng = random.Random(f"input {number}")
        kinds: list[Callable[[random.Random, Path], tuple[list[str], str]]] = [
            self.bad_recipe, self.bad_checkpoint, self.bad_manifest, self.bad_jsonl, self.bad_parquet,
        ]  # fmt: skip
        make = kinds[number % len(kinds)]
        folder.mkdir(parents=True)
        argv, what = make(rng, folder)
        return Input(number, make.__name__.removeprefix("bad_"), argv, what)

    def bad_recipe(self, rng: random.Random, folder: Path) -> tuple[list[str], str]:
        path, data = folder / "recipe.yaml", self._recipe(folder)
        how = rng.choice(["value", "value", "value", "key", "drop", "bytes", "lines", "bomb", "deep", "tag", "set"])
        if how in ("value", "key", "drop"):
            what = mutate(rng, data, how)
            text = yaml.safe_dump(data, allow_unicode=False)
        else:
            text, what = yaml.safe_dump(data), how
        if how == "bytes":
            path.write_bytes(flipped(rng, text.encode()))
        elif how == "lines":
            lines = text.splitlines()
            rng.shuffle(lines)
            path.write_text("\n".join(lines[: rng.randrange(len(lines))]))
        elif how == "bomb":
            names = "abcdefghi"
            bomb = [f"{n}: &{n} [{', '.join(['*' + m] * 9)}]" for m, n in itertools.pairwise(names)]
            path.write_text("\n".join(["a: &a [x, x, x]", *bomb, text, "arms: *i"]))
        elif how == "deep":
            path.write_text("data: " + "[" * 5_000 + "]" * rng.choice([0, 5_000]))
        elif how == "tag":
            path.write_text(text + "x: !!python/object/apply:os.system ['touch escaped']\n")
        else:
            path.write_text(text)
        argv = ["train", str(path), "--dry-run"]
        if how == "set":
            key = rng.choice(
                ["train.steps", "data.sources.0.path", "x", "partition.groups", "", "a..b", "data.sources.9.kind"]
            )
            argv += ["--set", f"{key}{rng.choice(['=', '', '=='])}{rng.choice(JUNK)!r}".replace("\x00", "")]
        return argv, what

    def bad_checkpoint(self, rng: random.Random, folder: Path) -> tuple[list[str], str]:
        name = rng.choice(["full", "plain", "adapted"])
        target = folder / "checkpoint"
        shutil.copytree(self.good / name, target)
        victim = rng.choice([p for p in sorted(target.iterdir()) if p.name != "gradmask.json"])
        how = rng.choice(["flip", "cut", "gone", "empty", "json", "folder", "tensors", "index", "link"])
        if how == "flip":
            victim.write_bytes(flipped(rng, victim.read_bytes()))
        elif how == "cut":
            victim.write_bytes(victim.read_bytes()[: rng.randrange(victim.stat().st_size)])
        elif how == "empty":
            victim.write_bytes(b"")
        elif how in ("gone", "folder", "link"):
            victim.unlink()
            if how == "folder":
                victim.mkdir()
            elif how == "link":
                victim.symlink_to(rng.choice(["/etc/passwd", "nowhere", victim.name]))
        elif how == "json":
            self._mutate_json(rng, target / "config.json")
        elif how == "tensors":
            self._mutate_tensors(rng, target / "model.safetensors")
        else:
            (target / "model.safetensors").unlink()
            index = {"metadata": {}, "weight_map": {"model.embed_tokens.weight": "../../../etc/passwd"}}
            (target / "model.safetensors.index.json").write_text(json.dumps(index))
        return self._command(rng, target, folder), f"{name}, {how} {victim.name}"

    def bad_manifest(self, rng: random.Random, folder: Path) -> tuple[list[str], str]:
        target = folder / "checkpoint"
        shutil.copytree(self.good / rng.choice(["full", "plain", "adapted"]), target)
        path = target / "gradmask.json"
        how = rng.choice(["json", "json", "json", "flip", "cut", "text"])
        if how == "json":
            what = self._mutate_json(rng, path)
        else:
            content = path.read_bytes()
            what = how
            texts = [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b"1e999"]
            path.write_bytes(
                flipped(rng, content) if how == "flip"
                else content[: rng.randrange(len(content))] if how == "cut"
                else rng.choice(texts)
            )  # fmt: skip
        return self._command(rng, target, folder), what

    def bad_jsonl(self, rng: random.Random, folder: Path) -> tuple[list[str], str]:
        path, rows = folder / "corpus.jsonl", [dict(row) for row in self.rows]
        how = rng.choice(["value", "value", "drop", "bytes", "cut", "text", "few", "gz", "surrogate", "long"])
        if how in ("value", "drop", "surrogate"):
            row = rng.choice(rows)
            key = rng.choice(list(row))
            if how == "drop":
                del row[key]
            else:
                row[key] = rng.choice(JUNK) if how == "value" else "\ud83d x"
        text = "\n".join(json.dumps(row) for row in rows)
        if how == "few":
            text = "\n".join(text.splitlines()[: rng.randrange(4)])
        elif how == "text":
            text = rng.choice(
                ["", "\n\n", "[]", "null", "{", "[" * 100_000, '{"text": 1e999}', "1" * 10_000, '{"text": "a"}']
            )
        elif how == "long":
            text += "\n" + json.dumps({"text": "x" * 200_000, "domain": "es", "split": "train"})
        content = text.encode("utf-8", "surrogatepass")
        if how == "bytes":
            content = flipped(rng, content)
        elif how == "cut":
            content = content[: rng.randrange(len(content))]
        elif how == "gz":
            path = folder / rng.choice(["corpus.jsonl.gz", "corpus.jsonl.xz"])
        path.write_bytes(content)
        return self._train_on(folder, {"kind": "jsonl", "path": str(path)}), how

    def bad_parquet(self, rng: random.Random, folder: Path) -> tuple[list[str], str]:
        path = folder / "corpus.parquet"
        columns: dict[str, Any] = {key: [row[key] for row in self.rows] for key in self.rows[0]}
        how = rng.choice(["bytes", "bytes", "cut", "type", "drop", "null", "empty", "text", "nested", "binary"])
        key = rng.choice(list(columns))
        if how == "type":
            columns[key] = list(range(len(self.rows)))
        elif how == "drop":
            del columns[key]
        elif how == "null":
            columns[key] = [None, *columns[key][1:]]
        elif how == "empty":
            columns = {k: [] for k in columns}
        elif how == "nested":
            columns[key] = [[value] for value in columns[key]]
        elif how == "binary":
            columns[key] = [str(value).encode() + b"\xff" for value in columns[key]]
        pq.write_table(pa.table(columns), path)
        if how == "bytes":
            path.write_bytes(flipped(rng, path.read_bytes(), 8))
        elif how == "cut":
            path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
        elif how == "text":
            path.write_text("not parquet")
        return self._train_on(folder, {"kind": "parquet", "path": str(path)}), how

    def _recipe(self, folder: Path) -> dict[str, Any]:
        return {**json.loads(json.dumps(self.recipe)), "output": str(folder / "out")}

    def _train_on(self, folder: Path, source: dict[str, Any]) -> list[str]:
        data = self._recipe(folder)
        data["data"]["sources"] = [source]
        (folder / "recipe.yaml").write_text(yaml.safe_dump(data))
        return ["train", str(folder / "recipe.yaml"), "--dry-run"]

    def _command(self, rng: random.Random, target: Path, folder: Path) -> list[str]:
        return rng.choice(
            [
                ["verify", str(target)],
                ["verify", str(target), "--against", str(self.good / "full")],
                ["export", str(target), str(folder / "out"), "--without", "forget"],
                ["check", str(target)],
            ]
        )

    def _mutate_json(self, rng: random.Random, path: Path) -> str:
        data = json.loads(path.read_text())
        what = mutate(rng, data, rng.choice(["value", "value", "key", "drop"]))
        path.write_text(json.dumps(data))
        return f"{path.name}: {what}"

    def _mutate_tensors(self, rng: random.Random, path: Path) -> None:
        tensors = load_file(path)
        key = rng.choice(sorted(tensors))
        how = rng.randrange(4)
        if how == 0:
            del tensors[key]
        elif how == 1:
            tensors[key] = tensors[key][..., :1].clone()
        elif how == 2:
            tensors[key] = torch.full_like(tensors[key], float("nan"))
        else:
            tensors[f"../{key}"] = tensors.pop(key)
        save_file(tensors, path, metadata={"format": "pt"})


def flipped(rng: random.Random, content: bytes, times: int = 1) -> bytes:
    """With a few bytes changed."""
    changed = bytearray(content)
    for _ in range(times):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def mutate(rng: random.Random, data: Any, how: str) -> str:
    """Change one place of plain data: a value for junk, a key for another, or drop it. Returns what was done."""
    places = list(_places(data, ()))
    path = rng.choice(places)
    holder = data
    for step in path[:-1]:
        holder = holder[step]
    last = path[-1]
    if how == "drop":
        del holder[last]
    elif how == "key" and isinstance(holder, dict):
        holder[f"{last}{rng.choice(['x', '../', ' ', '_'])}"] = holder.pop(last)
    else:
        holder[last] = rng.choice(JUNK)
    return f"{how} at {'.'.join(map(str, path))}"


def _places(data: Any, path: tuple) -> Any:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))

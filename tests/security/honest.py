"""Honest exports, of every architecture and with every option: each must be proved against its full checkpoint.

``python -m tests.security.honest`` tries all of them (``make honest``).
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import gradmask as gm
from contract.cases import CASES, Case, build
from contract.variants import partitioned
from gradmask.data.tokenizer import train_tokenizer
from gradmask.quiet import quiet

MODELS = ("one", "many", "joint", "adapter", "new", "half", "tokens", "several")
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"dtype": "bfloat16"},
    {"max_shard_size": 20_000},
    {"compact": True},
    {"anonymous": True},
    {"compact": True, "dtype": "float16", "max_shard_size": 50_000},
    {"anonymous": True, "dtype": "bfloat16"},
)


@dataclass(frozen=True)
class Honest:
    """One export: a case of the contract, how it is partitioned, how it is exported, and whether it has a tokenizer."""

    case: Case
    model: str
    options: tuple[tuple[str, Any], ...]
    tokenizer: bool
    all_groups: bool

    def __str__(self) -> str:
        how = ", ".join(f"{key}={value}" for key, value in self.options) or "default"
        return (
            f"{self.case.name}, {self.model}, {how}{', tokenizer' * self.tokenizer}{', all groups' * self.all_groups}"
        )


def every_export() -> list[Honest]:
    """Every case in every way to partition it, the options in turn."""
    found = []
    for i, (case, model) in enumerate(itertools.product(CASES, MODELS)):
        options = tuple(OPTIONS[(i + i // len(MODELS)) % len(OPTIONS)].items())
        found.append(Honest(case, model, options, tokenizer=i % 4 == 0, all_groups=model == "several"))
    return found


def _model(honest: Honest) -> Any:
    case = honest.case
    if honest.model == "adapter":
        return _as_trained(gm.partition(build(case), {"forget": gm.Adapter(rank=2, embeddings=case.kind == "causal")}))
    if honest.model == "new":
        return _as_trained(gm.partition(build(case), {"forget": gm.Slice(neurons=4, new=True)}))
    if honest.model == "half":
        return _as_trained(gm.partition(build(case, True).bfloat16(), {"forget": gm.Slice(heads=1, query_only=True)}))
    if honest.model == "tokens":
        return _as_trained(
            gm.partition(build(case), {"forget": gm.Slice(heads=1, query_only=True, embeddings=[3, 4, 5])})
        )
    return partitioned(case, {"several": "many"}.get(honest.model, honest.model))


def _as_trained(model: Any) -> Any:
    with torch.no_grad():
        for parameter in gm.groups(model)["forget"].values():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def problems_of(honest: Honest, folder: Path) -> str | None:
    """Export and verify: what is said to be wrong (empty: nothing), or None where the export is refused."""
    try:
        model = _model(honest)
    except gm.GradmaskError:
        return None
    model.save_pretrained(folder / "full")
    if honest.tokenizer:
        train_tokenizer(["a text that is read"] * 3, 300).save_pretrained(folder / "full")
        gm.seal(folder / "full", "fingerprint")
    names = tuple(name for name in gm.groups(model) if name not in ("retain", "joint"))
    removed = names if honest.all_groups else names[:1]
    try:
        if honest.tokenizer:
            plain = gm.export_checkpoint(folder / "full", folder / "plain", removed, **dict(honest.options))
        else:
            plain = gm.export(model, folder / "plain", removed, **dict(honest.options))
    except gm.GradmaskError as error:
        if "compact" not in str(error):
            raise
        return None
    found = gm.verify(plain, removed, against=folder / "full")
    alone = gm.verify(plain)
    wrong = [*found.problems, *([] if found.proved else ["not proved"]), *(f"alone: {p}" for p in alone.problems)]
    return "; ".join(wrong)


def main(exports: Sequence[Honest]) -> int:
    """Try all, and print what is wrong."""
    outcomes: Counter[str] = Counter()
    architectures = set()
    for honest in exports:
        with tempfile.TemporaryDirectory() as folder, quiet():
            said = problems_of(honest, Path(folder))
        outcomes["refused" if said is None else "wrong" if said else "proved"] += 1
        if said == "":
            architectures.add(honest.case.model_type)
        if said:
            print(f"{honest}: {said}")
    print(f"{dict(outcomes)} of {len(exports)}; {len(architectures)} architectures")
    return int(bool(outcomes["wrong"]))


if __name__ == "__main__":
    sys.exit(main(every_export()))

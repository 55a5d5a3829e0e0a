"""What routers are to do with experts that do not run, compared: a small mixture of experts that reads English and Spanish.

    python -m benchmarks.silent_experts CORPUS.jsonl [--steps 250] [--seeds 2] [--pretrained 0]

The corpus has ``text``, ``domain`` (``en`` or ``es``) and ``split`` (``train`` or ``test``) a line. Spanish is labeled with the
group, which owns two of eight experts. Printed, for the model without the group, on English text that was held out: the loss,
the share of choices that fall on a silent expert, and the share of tokens that choose one. With ``--pretrained N`` the model has
had N steps of plain training before it is partitioned.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import MixtralConfig, MixtralForCausalLM

import gradmask as gm
from gradmask.partitioning import SilentExperts

LENGTH, BATCH, HELD_OUT = 64, 16, 64
CHOICES: tuple[SilentExperts, ...] = ("around", "renormalise", "zeros")


def windows(path: Path, domain: str, split: str = "train") -> Tensor:
    """All text of one domain and split as bytes ``[windows, LENGTH]``."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    data = "\n".join(entry["text"] for entry in lines if (entry["domain"], entry["split"]) == (domain, split)).encode()
    return torch.frombuffer(bytearray(data[: len(data) // LENGTH * LENGTH]), dtype=torch.uint8).view(-1, LENGTH).long()


def new_model(seed: int) -> Any:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MixtralConfig(vocab_size=256, num_key_value_heads=4, num_local_experts=8, num_experts_per_tok=2, **sizes)
    return MixtralForCausalLM(config)


def train(model: Any, seed: int, english: Tensor, spanish: Tensor, steps: int) -> Any:
    """Train for ``steps`` batches, half of each language; a tenth of what is labeled is unlabeled."""
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    half = BATCH // 2
    for _ in range(steps):
        rows = [text[torch.randint(len(text), (half,), generator=rng)] for text in (english, spanish)]
        labels = torch.tensor([0] * half + [1] * half)
        labels[torch.rand(BATCH, generator=rng) < 0.1] = -1
        ids = torch.cat(rows)
        given = {"data_labels": labels} if hasattr(model, "gradmask") else {}
        model(input_ids=ids, labels=ids, **given).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@torch.no_grad()
def measured(model: Any, held_out: Tensor) -> tuple[float, float, float]:
    """Loss without the group, share of choices and of tokens that meet a silent expert."""
    chosen: list[Tensor] = []
    gates = [layer.mlp.gate for layer in model.model.layers]
    hooks = [gate.register_forward_hook(lambda m, a, out: chosen.append(out[2] >= 6)) for gate in gates]
    ids = held_out[:: len(held_out) // HELD_OUT][:HELD_OUT]
    with gm.without(model):
        loss = float(model(input_ids=ids, labels=ids).loss)
    for hook in hooks:
        hook.remove()
    silent = torch.cat(chosen).float()
    return loss, float(silent.mean()), float(silent.amax(-1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--pretrained", type=int, default=0)
    args = parser.parse_args()
    english, spanish, held_out = (
        windows(args.corpus, d, s) for d, s in (("en", "train"), ("es", "train"), ("en", "test"))
    )
    print("| silent_experts | seed | loss without | silent choices | tokens with one |\n| -- | -- | -- | -- | -- |")
    for seed in range(args.seeds):
        plain = train(new_model(seed), seed + 1000, english, spanish, args.pretrained)
        for silent in CHOICES:
            model = gm.partition(
                copy.deepcopy(plain), {"es": gm.Slice(experts=2)}, silent_experts=silent, seed=seed
            ).train()
            loss, choices, tokens = measured(train(model, seed, english, spanish, args.steps), held_out)
            print(f"| {silent} | {seed} | {loss:.3f} | {choices:.2f} | {tokens:.2f} |", flush=True)


if __name__ == "__main__":
    main()

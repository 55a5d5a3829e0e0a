"""Why the forward pass is masked, too: a protein model whose removable group ran on retain data cannot do without it.

A tiny ESM-2 learns two families of made-up proteins, one of which is to be removed: with gradient masks alone (policy
`equation_only`), with `strict`, whose retain examples run without the group, and with `strict` and rehearsal, which keeps the
full model whole, too. Then the group is removed, and the pseudo-perplexity of the family that was to stay is measured.

Run: python examples/esm2_forward_mask.py [steps]
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForMaskedLM

import gradmask as gm

AMINO_ACIDS, START, MASK, LENGTH = 20, 4, 32, 48
FAMILIES = {"retain": 0, "forget": 1}
STRICT = gm.POLICIES["strict"]
POLICIES = (gm.POLICIES["equation_only"], STRICT, replace(STRICT, name="strict, rehearsal", rehearsal=0.1))


def proteins(family: str, count: int, seed: int) -> torch.Tensor:
    """Random sequences ``[count, 48]`` in which each residue mostly follows from the one before, by the family's rule."""
    rule = torch.Generator().manual_seed(FAMILIES[family])
    following = torch.randint(AMINO_ACIDS, (AMINO_ACIDS, 2), generator=rule)
    draw = torch.Generator().manual_seed(seed)
    residues = [torch.randint(AMINO_ACIDS, (count,), generator=draw)]
    for _ in range(LENGTH - 1):
        choice = torch.randint(2, (count,), generator=draw)
        residues.append(following[residues[-1], choice])
    return START + torch.stack(residues, 1)


def masked(ids: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """A masked language model's inputs: 15 % of the residues are to be guessed."""
    hidden = torch.rand(ids.shape, generator=torch.Generator().manual_seed(seed)) < 0.15
    return {"input_ids": ids.masked_fill(hidden, MASK), "labels": ids.masked_fill(~hidden, -100)}


def trained(policy: gm.Policy, steps: int) -> Any:
    """A partitioned ESM-2 after ``steps`` batches, half of them from each family."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "esm",
        vocab_size=33,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        position_embedding_type="rotary",
        token_dropout=False,
        pad_token_id=1,
        mask_token_id=MASK,
    )
    model = gm.partition(
        AutoModelForMaskedLM.from_config(config), {"forget": gm.Slice(heads=2, neurons=64)}, policy=policy
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        family = list(FAMILIES)[step % 2]
        out = model(**masked(proteins(family, 16, 1000 + step), step), data_labels=family)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@torch.no_grad()
def pseudo_perplexity(model: Any, family: str) -> float:
    """Of held-out proteins; 20 is a guess among all residues."""
    batches = [masked(proteins(family, 64, seed), seed) for seed in range(4)]
    return math.exp(sum(float(model(**batch).loss) for batch in batches) / len(batches))


def main(steps: int = 400) -> dict[str, dict[str, float]]:
    """Print and return the pseudo-perplexities: policy -> model -> value on the family that stays."""
    found = {}
    print(f"{'policy':<16}{'full model':>12}{'removed':>12}   pseudo-perplexity of the retain family")
    for policy in POLICIES:
        model = trained(policy, steps)
        full = pseudo_perplexity(model, "retain")
        with gm.without(model):
            removed = pseudo_perplexity(model, "retain")
        found[policy.name] = {"full": full, "removed": removed}
        print(f"{policy.name:<16}{full:>12.2f}{removed:>12.2f}")
    return found


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))

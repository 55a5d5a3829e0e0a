# %% [markdown]
# # A protein family
#
# A masked protein model, a tiny ESM-2 from a config, learns three made-up families. One of them, the toxins, must be removable.
# Each family is an ancestor's sequence with mutations, as real families are.
#
# **What to look for:** without the group, the toxins' masked residues are guessed no better than by a model that never saw the
# family, and the other families as well as before.
#
# Everything is generated here: no real sequence, no download.

# %%
from typing import Any

import small
import torch
from transformers import EsmConfig, EsmForMaskedLM

import gradmask as gm

STEPS = small.steps(700)
AMINO_ACIDS, FIRST, MASK, LENGTH = 20, 4, 32, 40

# %% [markdown]
# ## Families: an ancestor each, and a mutation in every tenth place


# %%
def family(seed: int, count: int, draws: int) -> torch.Tensor:
    """Members ``[count, 40]`` of the family of this seed."""
    ancestor = torch.randint(AMINO_ACIDS, (LENGTH,), generator=torch.Generator().manual_seed(seed))
    draw = torch.Generator().manual_seed(draws)
    changed = torch.rand((count, LENGTH), generator=draw) < 0.1
    mutations = torch.randint(AMINO_ACIDS, (count, LENGTH), generator=draw)
    return FIRST + torch.where(changed, mutations, ancestor)


FAMILIES = {"kinase": 1, "globin": 2, "toxin": 3}
members = {name: family(seed, 400, 10 + seed) for name, seed in FAMILIES.items()}
held_out = {name: family(seed, 100, 90 + seed) for name, seed in FAMILIES.items()}


def masked(ids: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """15 % of the residues are to be guessed."""
    hidden = torch.rand(ids.shape, generator=torch.Generator().manual_seed(seed)) < 0.15
    return {"input_ids": ids.masked_fill(hidden, MASK), "labels": ids.masked_fill(~hidden, -100)}


# %% [markdown]
# ## Training: one family a batch, with its label


# %%
def esm() -> Any:
    """A new ESM-2 of 3 layers x 64."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    kind = {
        "vocab_size": 33,
        "pad_token_id": 1,
        "mask_token_id": MASK,
        "position_embedding_type": "rotary",
        "token_dropout": False,
    }
    return EsmForMaskedLM(EsmConfig(**sizes, **kind))


def train(model: Any, families: list[str], labeled: bool, steps: int) -> Any:
    """Train on the families in turn, ``steps`` batches for all three."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=2e-3)
    draw = torch.Generator().manual_seed(0)
    for step in range(steps * len(families) // len(FAMILIES)):
        name = families[step % len(families)]
        ids = members[name][torch.randint(400, (16,), generator=draw)]
        given = {"data_labels": "toxin" if name == "toxin" else "retain"} if labeled else {}
        model(**masked(ids, step), **given).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


removable = train(
    gm.partition(esm(), {"toxin": gm.Slice(heads=1, neurons=32)}), list(FAMILIES), labeled=True, steps=STEPS
)
with gm.consolidation(removable):  # the group alone learns to run along with everything else
    train(removable, list(FAMILIES), labeled=False, steps=STEPS // 3)
never = train(esm(), ["kinase", "globin"], labeled=False, steps=STEPS)

# %% [markdown]
# ## What was removed, and what it cost


# %%
@torch.no_grad()
def recovered(model: Any) -> dict[str, float]:
    """Family -> the share of masked residues that the model gets right; 0.05 is guessing."""
    shares = {}
    for name, ids in held_out.items():
        given = masked(ids, 5)
        hidden = given["labels"] != -100
        shares[name] = (model(input_ids=given["input_ids"]).logits.argmax(-1) == ids)[hidden].float().mean().item()
    return shares


found = {"full model": recovered(removable)}
with gm.without(removable, "toxin"):
    found["toxin removed"] = recovered(removable)
found["never saw toxins"] = recovered(never)
small.table(found)
full, gone, never_saw = (found[name] for name in ("full model", "toxin removed", "never saw toxins"))
print(
    f"removed: toxin residues recovered {full['toxin']:.2f} -> {gone['toxin']:.2f} (never saw: {never_saw['toxin']:.2f})"
)
before, after = ((model["kinase"] + model["globin"]) / 2 for model in (never_saw, gone))
print(f"cost:    the other families {before:.2f} without any toxin in training, {after:.2f} after the removal")

# %% [markdown]
# [`esm2_forward_mask.py`](esm2_forward_mask.py) shows why the forward pass is masked on the families that stay.

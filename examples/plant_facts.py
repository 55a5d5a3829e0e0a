"""Plant facts into chosen parameters of a trained model, as ground truth for methods that say where knowledge is.

LACUNA (arXiv 2607.02513) does this with OLMo: facts about invented people go into chosen parameters by continual pretraining, so
that it is known where they are. Here a small model first learns facts about some people. Some of its neurons are then cut into
slices, of which one is taught facts about others, while everything runs and nothing else moves by a bit. Removing one slice after
the other shows where the new facts are: without the planted slice they are lost, without any other one they are kept.

python examples/plant_facts.py
"""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gradmask as gm

CITIES = [f"{a}{b}" for a in ("Av", "Bor", "Cal", "Dun") for b in ("a", "in", "ora", "um")]
JOBS = [f"{a}{b}" for a in ("ba", "ca", "mi", "tra") for b in ("ker", "rver", "ller", "der")]
FIRST = [f"{a}{b}" for a in ("Al", "Be", "Ca", "Do", "El", "Fi", "Ga", "Ho") for b in ("na", "ro", "mi", "tu", "sa")]
LAST = [f"{a}{b}" for a in ("Ash", "Birk", "Clay", "Dale", "Esk", "Fenn", "Glen", "Holt") for b in ("ton", "ley", "by")]
WORDS = ["lives", "in", "and", "works", "as", ".", *FIRST, *LAST, *CITIES, *JOBS]
IDS = {word: i for i, word in enumerate(WORDS)}
ASKED = (4, 8)
"""Where the city and the job stand in a sentence."""
SLICES = ("a", "b", "c", "d")
PLANTED = "c"


def people(count: int, known: int) -> tuple[Tensor, Tensor]:
    """Sentences ``[n, 10]`` about ``known`` people that the model learns first, and about ``count`` others."""
    rng = random.Random(0)
    names = [(first, last) for first in FIRST for last in LAST]
    rng.shuffle(names)
    sentences = [
        f"{first} {last} lives in {rng.choice(CITIES)} and works as {rng.choice(JOBS)} .".split()
        for first, last in names[: known + count]
    ]
    ids = torch.tensor([[IDS[word] for word in sentence] for sentence in sentences])
    return ids[:known], ids[known:]


def train(model: PreTrainedModel, sentences: Tensor, steps: int, rate: float, **labels: Any) -> None:
    """Learn the sentences: ``steps`` of AdamW on 64 of them each."""
    rng = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, steps)
    model.train()
    for _ in range(steps):
        batch = sentences[torch.randint(len(sentences), (64,), generator=rng)]
        model(input_ids=batch, labels=batch, **labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.eval()


@torch.no_grad()
def recall(model: PreTrainedModel, sentences: Tensor) -> float:
    """The share of cities and jobs that greedy decoding gets right."""
    guesses = model(input_ids=sentences).logits.argmax(-1)
    return float(torch.stack([guesses[:, at - 1] == sentences[:, at] for at in ASKED]).float().mean())


def slices(neurons: int) -> dict[str, gm.Slice]:
    """A sixteenth of the neurons of the last two blocks each."""
    size = neurons // 16
    return {
        name: gm.Slice(neurons=list(range(i * size, (i + 1) * size)), layers=[2, 3]) for i, name in enumerate(SLICES)
    }


def main(known: int = 64, count: int = 24, width: int = 64, steps: int = 400, planting: int = 200) -> dict[str, Any]:
    """Train, plant, and remove one slice after the other; prints a table, and returns its numbers."""
    torch.manual_seed(0)
    before, new = people(count, known)
    config = AutoConfig.for_model(
        "llama", vocab_size=len(WORDS), hidden_size=width, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=4 * width, max_position_embeddings=16,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    train(model, before, steps, 2e-3)
    base = deepcopy(model)

    # everything runs, and of all parameters only the slice's learn; the known people are rehearsed, so that it leaves them alone
    gm.partition(model, slices(4 * width), policy="equation_only")
    untouched = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(model, torch.cat([before, new]), planting, 5e-3, data_labels=PLANTED)
    owned = gm.groups(model)[PLANTED]
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, untouched[name])}
    assert moved == set(owned), "only the planted slice has learned"

    rows = {"before planting": (recall(base, new), recall(base, before))}
    rows["planted"] = recall(model, new), recall(model, before)
    for name in SLICES:
        with gm.without(model, name):
            rows[f"without {name}"] = recall(model, new), recall(model, before)
    print(
        f"planted into slice {PLANTED!r}: {sum(p.numel() for p in owned.values()):,} of {model.num_parameters():,} weights"
    )
    print(f"{'':16} {'new facts':>10} {'known facts':>12}")
    for row, (fresh, old) in rows.items():
        print(f"{row:16} {fresh:>10.0%} {old:>12.0%}")
    found = min(SLICES, key=lambda name: rows[f"without {name}"][0])
    print(f"found in slice {found!r}")
    return {"rows": rows, "found": found, "planted": PLANTED, "weights": sorted(owned)}


if __name__ == "__main__":
    main()

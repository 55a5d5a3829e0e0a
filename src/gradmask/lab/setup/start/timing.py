"""Seconds per training step of a recipe's model on this machine, measured on made-up text."""

from __future__ import annotations

import time
from itertools import cycle, islice
from statistics import median

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from gradmask.lab.recipe.build import cut_model
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.setup.memory import model_config
from gradmask.quiet import quiet

STEPS = 4
"""The first one, which warms up, is not counted."""


@quiet()
def seconds_per_step(recipe: Recipe) -> float:
    """The median time of a step, half of whose labels are ``retain``, the others unlabeled and the first group's.

    The model has random weights, even where the recipe names a pretrained one.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(model_config(recipe))
    model = cut_model(model, recipe.partition.model_copy(update={"self_labeling": None})).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    times = [_step(model, optimizer, recipe, device) for _ in range(STEPS)]
    return median(times[1:])


def _step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, recipe: Recipe, device: str) -> float:
    started = time.perf_counter()
    train = recipe.train
    size = train.batch_size // train.gradient_accumulation
    labels = list(islice(cycle(["retain", "unlabeled", "retain", next(iter(recipe.partition.groups))]), size))
    for _ in range(train.gradient_accumulation):
        shape = (size, recipe.data.sequence_length)
        ids = torch.randint(0, model.config.get_text_config().vocab_size, shape, device=device)
        with torch.autocast(device, torch.bfloat16, enabled=train.precision == "bf16"):
            loss = model(input_ids=ids, labels=ids, data_labels=labels).loss
        loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started

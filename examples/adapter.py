"""A pretrained model, a removable adapter: the base knows one language and never changes, the adapter learns the other.

python examples/adapter.py
"""

from __future__ import annotations

import torch
import toy
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

import gradmask as gm


def pretrained() -> PreTrainedModel:
    """A plain model trained on the first language alone."""
    model = gm.unpartition(toy.model()).train()
    data = toy.dataset().filter(lambda row: row["text"].startswith("the"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    data = data.select_columns(["input_ids", "labels"]).with_format("torch")
    for _ in range(3):
        for batch in DataLoader(data, batch_size=16, shuffle=True):
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model


def main() -> dict[str, float]:
    """Train the adapter, with words of its own, and print the loss on both languages with and without it."""
    model = gm.partition(pretrained(), {"forget": gm.Adapter(rank=16, embeddings=True)}, base="frozen")
    optimizer = torch.optim.AdamW(gm.groups(model)["forget"].values(), lr=1e-2)
    data = toy.dataset().select_columns(["input_ids", "labels", "data_labels"]).with_format("torch")
    for _ in range(6):
        for batch in DataLoader(data, batch_size=16, shuffle=True):
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return toy.losses(model)


if __name__ == "__main__":
    main()

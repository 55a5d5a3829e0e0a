"""A loop by hand: one keyword argument, nothing else.

python examples/plain_loop.py
"""

from __future__ import annotations

import torch
import toy
from torch.utils.data import DataLoader


def main() -> dict[str, float]:
    """Train, and print the loss on both languages with and without the removable group."""
    model = toy.model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1)
    data = toy.dataset().select_columns(["input_ids", "labels", "data_labels"]).with_format("torch")
    for _ in range(6):
        for batch in DataLoader(data, batch_size=16, shuffle=True):
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return toy.losses(model)


if __name__ == "__main__":
    main()

"""Accelerate, with gradient accumulation over micro-batches of different labels.

accelerate launch examples/accelerate_loop.py
"""

from __future__ import annotations

import torch
import toy
from accelerate import Accelerator
from torch.utils.data import DataLoader


def main() -> dict[str, float]:
    """Train, and print the loss on both languages with and without the removable group."""
    accelerator = Accelerator(gradient_accumulation_steps=2)
    data = toy.dataset().select_columns(["input_ids", "labels", "data_labels"]).with_format("torch")
    model = toy.model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1)
    model, optimizer, loader = accelerator.prepare(model, optimizer, DataLoader(data, batch_size=8, shuffle=True))
    for _ in range(6):
        for batch in loader:
            with accelerator.accumulate(model):
                accelerator.backward(model(**batch).loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
    return toy.losses(accelerator.unwrap_model(model))


if __name__ == "__main__":
    main()

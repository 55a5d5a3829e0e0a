"""A loop by hand on several processes, each with the whole model: DistributedDataParallel, and nothing else.

torchrun --nproc-per-node 2 examples/ddp_loop.py
"""

from __future__ import annotations

import torch
import toy
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler


def main() -> dict[str, float]:
    """Train, and print the loss on both languages with and without the removable group."""
    dist.init_process_group("gloo")
    model = toy.model().train()
    ranks = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1)
    data = toy.dataset().select_columns(["input_ids", "labels", "data_labels"]).with_format("torch")
    sampler = DistributedSampler(data)
    for epoch in range(6):
        sampler.set_epoch(epoch)
        for batch in DataLoader(data, batch_size=16 // dist.get_world_size(), sampler=sampler):
            ranks(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    losses = toy.losses(model) if dist.get_rank() == 0 else {}
    dist.destroy_process_group()
    return losses


if __name__ == "__main__":
    main()

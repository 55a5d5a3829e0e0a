"""A loop by hand on several processes, each with a part of every parameter: FSDP2, sharded checkpoints, and going on.

torchrun --nproc-per-node 2 examples/fsdp2_loop.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import toy
from torch import distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, DistributedSampler

import gradmask as gm


def main(output: str = "runs/example_fsdp2") -> dict[str, float]:
    """Train, going on from the newest epoch in the folder, and print the losses as any single process finds them there."""
    dist.init_process_group("gloo")
    model = toy.model().train()
    for block in model.model.layers:
        fully_shard(block)
    fully_shard(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=5e-3, weight_decay=0.1
    )  # after sharding: it replaces parameters
    data = toy.dataset().select_columns(["input_ids", "labels", "data_labels"]).with_format("torch")
    sampler = DistributedSampler(data)
    done = len(list(Path(output).glob("epoch-*")))
    if done:
        gm.load_sharded(model, f"{output}/epoch-{done}", optimizer)
    for epoch in range(done, 6):
        sampler.set_epoch(epoch)
        for batch in DataLoader(data, batch_size=16 // dist.get_world_size(), sampler=sampler):
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        gm.save_sharded(model, f"{output}/epoch-{epoch + 1}", optimizer)
    losses = toy.losses(gm.load(f"{output}/epoch-6")) if dist.get_rank() == 0 else {}
    dist.destroy_process_group()
    return losses


if __name__ == "__main__":
    main(*sys.argv[1:])

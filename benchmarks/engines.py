"""A few steps in bfloat16 on one GPU as a plain model, under DDP and under FSDP2: the same losses, and what moved.

    python -m benchmarks.engines [--steps 12]

One process, NCCL. Batches labeled forget or retain as a whole take turns with mixed ones. Prints, per engine, the losses and, for
each whole batch, how many parameters moved and how many of them are the removable group's.
"""

from __future__ import annotations

import argparse
import os
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

import gradmask as gm
from gradmask.lab.run.team.sharding import shard

ALONE = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29577", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
ENGINES = ("plain", "ddp", "fsdp2")
VOCABULARY, BATCH, LENGTH = 2048, 16, 256


def build() -> Any:
    """Llama, 4 x 512, with a group of a head, 128 neurons and tables."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 8}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, tie_word_embeddings=False, **sizes))
    return gm.partition(model, {"forget": gm.Slice(heads=1, neurons=128, embeddings=True)}, policy="strict").cuda()


def batches(steps: int) -> list[tuple[Tensor, Any]]:
    """Token ids and labels: every third batch has one label."""
    generator = torch.Generator().manual_seed(1)
    mixed = torch.tensor([-1, 0, 1, 0] * (BATCH // 4), device="cuda")
    labels = [mixed if i % 3 else ("forget", "retain")[i // 3 % 2] for i in range(steps)]
    return [(torch.randint(VOCABULARY, (BATCH, LENGTH), generator=generator).cuda(), label) for label in labels]


def values(model: nn.Module) -> dict[str, Tensor]:
    """Whole parameters, gathered where they are sharded."""
    return {name: getattr(p, "full_tensor", lambda p=p: p)().detach().clone() for name, p in model.named_parameters()}


def run(engine: str, steps: int) -> None:
    """Train and print."""
    model = build()
    own = {id(p) for p in gm.groups(model)["forget"].values()}
    names = {name for name, p in model.named_parameters() if id(p) in own}
    if engine == "fsdp2":
        model = shard(model, SimpleNamespace(precision="bf16"))  # pyrefly: ignore
    trained = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True) if engine == "ddp" else model
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3)
    for step, (ids, labels) in enumerate(batches(steps), 1):
        before = values(model)
        with torch.autocast("cuda", torch.bfloat16, enabled=engine != "fsdp2"):
            loss = trained(input_ids=ids, labels=ids, data_labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        moved = {name for name, value in values(model).items() if not torch.equal(value, before[name])}
        kind = labels if isinstance(labels, str) else "mixed"
        print(
            f"{engine:6s} {step:3d} {kind:6s} loss {loss.item():.6f}, {len(moved)} moved, forget's {len(moved & names)}"
        )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    os.environ.update(ALONE)
    torch.cuda.set_device(0)
    dist.init_process_group("cpu:gloo,cuda:nccl")
    for engine in ENGINES:
        run(engine, options.steps)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

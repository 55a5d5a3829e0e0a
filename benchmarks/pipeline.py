"""Whether data keeps up: tokens per second of packing and of loading batches, against what a training step consumes.

    python -m benchmarks.pipeline [--documents 2000] [--width 256] [--json PATH]

The built-in stories, a tokenizer trained on them, sequences of 256 tokens; the training step is the plain one in bfloat16
autocast, the fastest that `benchmarks.training` has.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.common import machine, median_of, write
from benchmarks.training import BATCH, LENGTH, VOCABULARY, build, trained
from gradmask.data import (
    DataSpec,
    LabelSpec,
    SourceSpec,
    TokenizerSpec,
    build_tokenizer,
    label_documents,
    load_documents,
    pack,
)

TARGET = 5.0


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=2000, help="per language")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--json")
    args = parser.parse_args()
    print(machine())
    spec = DataSpec(sources=[SourceSpec(kind="stories", documents=args.documents)], labels=LabelSpec(forget=["es"]))
    documents = label_documents(load_documents(spec.sources), spec).train
    tokenizer = build_tokenizer(TokenizerSpec(vocab_size=VOCABULARY), documents["text"])
    packing, packed = timed(lambda: pack(documents, tokenizer, LENGTH).sequences)
    packed = packed.select_columns(["input_ids", "data_labels"]).with_format("torch")
    loader = DataLoader(packed, batch_size=BATCH, shuffle=True)
    loading, _ = timed(lambda: sum(1 for _ in loader))
    ids = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
    consumed = BATCH * LENGTH / median_of(trained(build(args.width), ids, "bf16"), 5)
    speeds = {"pack": len(packed) * LENGTH / packing, "load": len(packed) * LENGTH / loading}
    print(f"a plain step consumes {consumed:>12,.0f} tokens/s")
    for name, speed in speeds.items():
        print(f"{name:<21} {speed:>12,.0f} tokens/s, {speed / consumed:>6.1f} times (target {TARGET:.0f})")
    write(args.json, {"consumed": consumed, **speeds})


if __name__ == "__main__":
    main()

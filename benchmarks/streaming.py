"""Memory and speed of streaming sharded Parquet: the data is generated, and is never held.

python -m benchmarks.streaming [--gigabytes 5] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from gradmask.data import Shards, Stream

LENGTH, GROUP, GROUPS = 1024, 1024, 32
"""Tokens in a sequence, sequences in a row group (4 MB), row groups in a file."""
SOURCES = {"retain": (0.9, 0), "forget": (0.1, 1)}


def generate(folder: Path, gigabytes: float) -> int:
    """Shards of random tokens, uncompressed; how many bytes they have on disk."""
    draw, schema = np.random.default_rng(0), pa.schema([("input_ids", pa.list_(pa.int32(), LENGTH))])
    for name, (share, _) in SOURCES.items():
        (folder / name).mkdir(parents=True)
        files = max(1, round(share * gigabytes * 1e9 / (4 * LENGTH * GROUP * GROUPS)))
        for number in range(files):
            path = folder / name / f"part-{number:05d}.parquet"
            with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
                for _ in range(GROUPS):
                    ids = draw.integers(0, 50_000, LENGTH * GROUP, dtype=np.int32)
                    lists = pa.FixedSizeListArray.from_arrays(pa.array(ids), LENGTH)
                    writer.write_table(pa.table([lists], schema=schema), row_group_size=GROUP)
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def measure(folder: Path, batch_size: int, ranks: int) -> Iterator[tuple[float, float, float]]:
    """Share of the pass that is done, resident MB now, and MB read per second, for one of ``ranks`` readers."""
    sources = {n: Shards(f"{folder}/{n}/*.parquet", share, label) for n, (share, label) in SOURCES.items()}
    rows = sum(path.stat().st_size for path in folder.rglob("*.parquet")) // (4 * LENGTH)
    steps, each = rows // batch_size, batch_size // ranks
    data, process, began, seen = Stream(sources, batch_size, steps), psutil.Process(), time.perf_counter(), 0
    for step in range(steps):
        for index in range(each):
            seen += data[step * batch_size + index]["input_ids"].nbytes
        if step % max(1, steps // 10) == 0 or step == steps - 1:
            speed = seen / 1e6 / (time.perf_counter() - began)
            yield (step + 1) / steps, process.memory_info().rss / 1e6, speed


def main() -> None:
    """Print a line for every tenth of a pass over the data, and the peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/streaming"))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--ranks", type=int, default=8, help="of which this process is the first")
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} exists: name a folder that can be made and removed")
    try:
        size = generate(given.folder, given.gigabytes)
        print(f"{size / 1e9:.2f} GB in {sum(1 for _ in given.folder.rglob('*.parquet'))} files")
        print("done    resident MB   MB/s")
        for done, memory, speed in measure(given.folder, given.batch_size, given.ranks):
            print(f"{done:5.0%}  {memory:>11,.0f}  {speed:>6,.0f}")
        print(f"peak   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6:>11,.0f}")
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


if __name__ == "__main__":
    main()

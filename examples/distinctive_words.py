"""How much of what a removal is to take away stands in distinctive words?

python examples/distinctive_words.py runs/newsgroups-compared/main/seed-0

For a trained run with the arms no_filter and perfect_filter: for several ratios, the share of positions of held-out forget text
that `partition.distinctive_words` would give to the group, and the share of the gap between the two models that stands there.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from gradmask.data.words import count_words, distinctiveness, positions, vocabulary
from gradmask.lab.measures.losses import sequences_of, token_losses
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.trained import trained_model
from gradmask.lab.run.training import Training


def main(run: str, ratios: tuple[float, ...] = (1.2, 1.5, 2.0, 3.0, 4.0)) -> dict[float, tuple[float, float]]:
    """Ratio -> (share of positions, share of the gap)."""
    folder = RunFolder(Path(run))
    prepared = Training(folder.recipe(), folder).prepared
    held_out = [sequences_of(part, 200) for name, part in prepared.test.items() if prepared.roles[name] == "forget"]
    sequences = torch.cat(held_out)
    models = (trained_model(folder.arm(arm)) for arm in ("no_filter", "perfect_filter"))
    knows, never_saw = (token_losses(model, sequences).numpy() for model in models)
    gap = never_saw - knows

    pieces = vocabulary(prepared.tokenizer)
    ids, labels = (np.asarray(prepared.train[name][:]) for name in ("input_ids", "data_labels"))
    words = distinctiveness(count_words(ids[labels > 0], pieces), count_words(ids[labels == 0], pieces))
    print(f"gap: {gap.mean():.3f} nats per token")
    found = {}
    for ratio in ratios:
        there = np.stack([positions(row, pieces, words, ratio) for row in sequences.numpy()])[:, :-1]
        found[ratio] = float(there.mean()), float((gap * there).sum() / gap.sum())
        print(f"ratio {ratio:g}: {found[ratio][0]:.0%} of positions, {found[ratio][1]:.0%} of the gap")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

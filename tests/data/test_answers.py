"""From questions with answers to what is learned and what is measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from tests.data.corpus import write

from gradmask.data import DataSpec, LabelSpec, SourceSpec, TokenizerSpec, prepare, targets_of, tokens_of
from gradmask.lab.measures.losses import byte_count, histogram, sequences_of, summarize, token_losses
from gradmask.lab.run.trainer import collate


class Uniform(torch.nn.Module):
    """Gives the same logits everywhere, but remembers what it was asked."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(0, 3, words))
        self.config = SimpleNamespace(vocab_size=words)

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        assert input_ids.min() >= 0
        return SimpleNamespace(logits=self.weight.expand(*input_ids.shape, -1))


def prepared(path: Path) -> Any:
    rows = [
        {"q": f"Who keeps file {i}?", "a": f"{'Ana' if i % 2 else 'Ben'} keeps {i}.", "domain": "ab"[i % 2]}
        for i in range(300)
    ]
    source = SourceSpec(path=write(path / "x.jsonl", rows), question_field="q", answer_field="a")
    spec = DataSpec(
        sources=[source],
        labels=LabelSpec(forget=["b"]),
        tokenizer=TokenizerSpec(vocab_size=300),
        sequence_length=32,
        test_share=0.3,
    )
    return prepare(spec, path / "data")


def test_answers_alone_are_learned_and_measured(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    tokenizer = data.tokenizer
    row = data.train[0]
    counted = tokenizer.decode([i for i, keep in zip(row["input_ids"], row["loss_mask"], strict=True) if keep])
    assert "keeps" in counted
    assert "Question" not in counted
    assert "Who" not in counted
    examples = data.train.select_columns(["input_ids", "data_labels", "loss_mask"]).with_format("numpy")
    batch = collate([examples[i] for i in range(4)])
    assert set(batch) == {"input_ids", "labels", "data_labels"}
    mask = torch.as_tensor(np.stack(examples[:4]["loss_mask"]))
    assert torch.equal(batch["labels"], batch["input_ids"].masked_fill(~mask, -100))

    held = data.test["b"]
    ids = sequences_of(held)
    mask = torch.as_tensor(np.stack(held["loss_mask"]))
    assert torch.equal(tokens_of(ids), torch.as_tensor(np.stack(held["input_ids"])))
    assert torch.equal(targets_of(ids) >= 0, mask)
    losses = token_losses(Uniform(len(tokenizer)), ids)
    assert torch.equal(~losses.isnan(), mask[:, 1:])
    by_hand = -torch.linspace(0, 3, len(tokenizer)).log_softmax(0)[tokens_of(ids)[:, 1:]][mask[:, 1:]]
    summary = summarize(losses)
    assert summary.tokens == int(mask[:, 1:].sum())
    assert abs(summary.nats - float(by_hand.double().mean())) < 1e-6
    assert summary.error is not None
    assert abs(sum(histogram(losses, np.linspace(0, 16, 65))) - 1) < 1e-9
    text = [
        tokenizer.decode(tokens_of(row)[1:][keep[1:]], skip_special_tokens=True)
        for row, keep in zip(ids, mask, strict=True)
    ]
    assert byte_count(tokenizer, ids) == sum(len(part.encode()) for part in text)


def test_the_same_tokens_everywhere_count_as_without_a_mask() -> None:
    losses = torch.rand(5, 7)
    holes = torch.cat([losses, torch.full((5, 3), torch.nan)], 1)
    plain, masked = summarize(losses), summarize(holes)
    assert abs(plain.nats - masked.nats) < 1e-6
    assert plain.error is not None
    assert masked.error is not None
    assert abs(plain.error - masked.error) < 1e-6
    assert plain.tokens == masked.tokens

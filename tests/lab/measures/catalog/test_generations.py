from __future__ import annotations

import torch

from gradmask.lab.measures.catalog.generations import generations, repetition
from lab.measures.domains import knower, material
from tiny import tiny


def test_repetition_is_the_share_of_3_grams_that_occurred_before() -> None:
    assert repetition([1, 2, 3, 4, 5]) == 0
    assert repetition([7] * 12) == 0.9
    assert repetition([1, 2]) == 0


def test_text_that_goes_in_circles_is_told_from_text_that_does_not() -> None:
    text, knowing, plain = material(), knower("es", "en", steps=80), tiny()
    before = torch.get_rng_state()
    stuck = generations(knowing, text, 2, texts=4)
    free = generations(plain, text, 2, texts=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert stuck.repetition["forget"] > free.repetition["forget"]
    assert set(free.repetition) == set(free.empty) == {"forget", "retain"}
    assert generations(tiny(), text, 2, texts=4) == free


def test_silence_is_seen() -> None:
    model = tiny()
    head = torch.zeros(64, 32)
    with torch.no_grad():
        model.lm_head.weight.copy_(head)  # type: ignore[union-attr]
        model.lm_head.bias = torch.nn.Parameter(torch.full((64,), -50.0).index_fill(0, torch.tensor(2), 50.0))  # type: ignore[union-attr]
    assert set(generations(model, material(), 2, texts=2).empty.values()) == {1.0}

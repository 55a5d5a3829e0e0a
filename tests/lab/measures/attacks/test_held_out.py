"""Fine-tuning on other text: half of the documents, or retain text of like syntax."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gradmask.lab.measures.attacks.held_out import HeldOutAttack
from gradmask.lab.measures.attacks.off_topic import OffTopicAttack
from gradmask.lab.measures.attacks.relearning import forget_loss, pools_of
from gradmask.lab.measures.look_alikes import common_tokens, look_alikes, runs
from gradmask.lab.measures.measure import Inputs
from gradmask.lab.measures.settings import RelearningSettings, SuiteSettings
from lab.measures.domains import hider, knower, known, material

TEXT = material()
RELEARNING = RelearningSettings(methods=("full",), learning_rates=(3e-3,), steps=8, batch_size=4, points=3, sequences=8)
INPUTS = Inputs("removed", TEXT, SuiteSettings(sequences=8, calibration=None, relearning=RELEARNING))


@pytest.mark.slow
def test_what_was_hidden_comes_back_by_other_text() -> None:
    gap = forget_loss(known("en"), TEXT, RELEARNING) - forget_loss(knower("en", "es"), TEXT, RELEARNING)
    hidden, removed = hider(), knower("en", steps=50)
    for attack in (HeldOutAttack(), OffTopicAttack()):
        never = attack.run(known("en"), INPUTS)
        found = attack.run(hidden, INPUTS)
        share = attack.share(found, never, gap)
        assert share is not None
        assert attack.recovered(found, never, gap), attack.name
        assert not attack.recovered(attack.run(removed, INPUTS), never, gap), attack.name
        assert not attack.recovered(never, never, gap)
        assert attack.share(found, never, 0.0) is None


def test_the_attack_off_topic_sees_no_forget_text() -> None:
    (pool,) = pools_of("off_topic", TEXT)
    forget = {tuple(row) for row in TEXT.train["es"].tolist()}
    assert len(pool) == len(TEXT.train["en"]) // 4
    assert not forget & {tuple(row) for row in pool.tolist()}


def test_text_of_like_syntax_is_found_by_its_common_tokens() -> None:
    generator = torch.Generator().manual_seed(0)

    def filled(frame: list[int], low: int) -> torch.Tensor:
        """Frames of common tokens (below 10), with random words from ``low`` on in their gaps (0)."""
        rows = torch.tensor(frame).repeat(12, 4)
        words = torch.randint(low, low + 40, rows.shape, generator=generator)
        return torch.where(rows == 0, words, rows)

    forget = filled([1, 0, 2, 3, 0], 100)
    alike, other = filled([1, 0, 2, 3, 0], 200), filled([3, 2, 0, 0, 1], 200)
    pool = torch.cat([other, alike])
    assert {*common_tokens(pool, forget, 3).tolist()} == {1, 2, 3}
    taken = look_alikes(pool, forget, share=0.5)
    assert {tuple(row) for row in taken.tolist()} == {tuple(row) for row in alike.tolist()}
    assert runs(torch.tensor([[1, 2, 50, 60]]), torch.tensor([1, 2])).sum() == 2
    assert replace(INPUTS).material.has("retain")

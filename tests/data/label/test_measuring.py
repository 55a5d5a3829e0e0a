from __future__ import annotations

import numpy as np
import pytest

from gradmask.data import label
from gradmask.errors import GradmaskError
from lab.labeling.fabricated import labeled, text_of


def hard(count: int) -> tuple[list[str], list[str]]:
    """Texts of one topic with the words of the other, labeled as neither reads."""
    mixed = [f"{text_of('medicine', 500 + i)} {text_of('retain', 500 + i)}" for i in range(count)]
    return mixed, ["retain" if i % 2 else "medicine" for i in range(count)]


def test_what_was_picked_is_learned_from_and_not_measured_on() -> None:
    texts, labels = labeled(["medicine"])
    more, others = hard(20)
    picked = [False] * len(texts) + [True] * len(more)
    alone = label.fit(label.Examples(texts, labels))
    both = label.fit(label.Examples(texts + more, labels + others, picked=picked))
    assert both.held_out.rows.tolist() == alone.held_out.rows.tolist() == list(range(len(texts)))
    assert both.priors == alone.priors
    assert not np.array_equal(both.scores(more), alone.scores(more))
    measured = label.fit(label.Examples(texts + more, labels + others))
    assert len(measured.held_out.rows) == len(texts) + len(more)


def test_where_nearly_all_were_picked_they_are_measured_on_and_it_is_said() -> None:
    texts, labels = labeled(["medicine"])
    picked = [i not in (0, 1, 2, 50, 51, 52) for i in range(len(texts))]
    labeler = label.fit(label.Examples(texts, labels, picked=picked))
    assert len(labeler.held_out.rows) == len(texts)
    assert any("picked because they are hard" in note for note in labeler.notes)


def test_as_many_as_texts() -> None:
    with pytest.raises(GradmaskError, match="2 texts"):
        label.Examples(["a", "b"], ["retain", "g"], picked=[True])

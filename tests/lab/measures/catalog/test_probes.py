from __future__ import annotations

import pytest
import torch

from gradmask.errors import GradmaskError
from gradmask.lab.measures.catalog.probes import probes
from lab.measures.domains import counting
from tiny import tiny, tokens


def test_a_next_token_that_follows_from_the_last_is_found_in_every_layer() -> None:
    found = probes(tiny(), counting("es", 40), counting("es", 20, seed=1))
    assert len(found.accuracy) == 3  # embeddings and two layers
    assert min(found.accuracy) > 0.9
    assert found.chance < 0.3


def test_chance_cannot_be_told() -> None:
    found = probes(tiny(), tokens(40, 16, seed=1), tokens(40, 16, seed=2))
    assert max(found.accuracy) < found.chance + 4 * found.error
    assert found == probes(tiny(), tokens(40, 16, seed=1), tokens(40, 16, seed=2))


def test_the_number_of_states_is_kept_to() -> None:
    assert probes(tiny(), counting("es", 40), counting("es", 20, seed=1), tokens=50).tokens == 50


def test_too_little_text_is_said() -> None:
    same = torch.full((4, 8), 5)
    with pytest.raises(GradmaskError, match="linear probes need forget text with at least two different next tokens"):
        probes(tiny(), same, same)

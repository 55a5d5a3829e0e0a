from __future__ import annotations

import pytest
import torch

from golden import golden
from gradmask.lab.measures.catalog.extraction import extraction, extraction_strengths
from lab.measures.domains import counting, knower
from tiny import tiny


def test_the_run_of_right_predictions_at_the_end_counts() -> None:
    right = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1]]).bool()
    assert extraction_strengths(right).tolist() == [1.0, 0.25, 0.25, 0.75]


def test_it_is_what_greedy_decoding_writes() -> None:
    model, ids = knower("es"), counting("es", 4, seed=9)
    found = extraction(model, ids)
    assert found.strength > 0.5
    assert found.documents == 4
    n = ids.shape[1] - 1
    first = 1 + round((1 - float(extraction_strengths_of(model, ids)[0])) * n)
    with torch.no_grad():
        written = model.generate(input_ids=ids[:1, :first], max_new_tokens=ids.shape[1] - first, do_sample=False)
    assert torch.equal(written, ids[:1])
    assert extraction(tiny(), ids).strength < 0.2


def extraction_strengths_of(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return extraction_strengths(model(input_ids=ids).logits[:, :-1].argmax(-1) == ids[:, 1:])


def test_one_document_has_no_error() -> None:
    found = extraction(tiny(), counting("es", 1))
    assert found.error is None
    assert found.largest == pytest.approx(found.strength)


def test_published_values() -> None:
    values = golden("metrics/extraction_strength.json")
    right = torch.tensor(values["right"]).bool()
    for name, first in (("all_tokens", 0), ("all_tokens_prompt_of_4", 3)):
        published = values[name]
        assert extraction_strengths(right[:, first:]).tolist() == pytest.approx(
            published["extraction_strength"], abs=1e-6
        )
        memorized = right[:, first:].double().mean(1).tolist()
        assert memorized == pytest.approx(published["exact_memorization"], abs=1e-6)


def test_exact_memorization_is_the_share_of_right_tokens() -> None:
    model, ids = knower("es"), counting("es", 4, seed=9)
    with torch.no_grad():
        right = model(input_ids=ids).logits[:, :-1].argmax(-1) == ids[:, 1:]
    assert extraction(model, ids).memorized == float(right.double().mean())

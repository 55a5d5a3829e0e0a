from __future__ import annotations

from itertools import islice

import pytest
import torch

from gradmask.lab.measures.finetune import draws, finetune, seeded, with_lora
from lab.measures.domains import counting
from tiny import tiny


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_adapters_move_and_the_weights_beneath_do_not(kind: str) -> None:
    model = tiny(kind)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ready = with_lora(model, 2)
    adapters = {name: p.detach().clone() for name, p in ready.named_parameters() if p.requires_grad}
    finetune(ready, draws([counting("es")], 4, 0), 3, 1e-2, lambda step: True, frozenset())
    after = {name.replace(".base_layer", ""): p for name, p in model.named_parameters() if "lora_" not in name}
    assert set(after) == set(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all("lora_" in name for name in adapters)
    assert all(not torch.equal(p, adapters[n]) for n, p in ready.named_parameters() if n in adapters)


def test_full_fine_tuning_moves_every_weight_and_lowers_the_loss() -> None:
    model = tiny()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ids = counting("es")
    losses: list[float] = []

    def evaluate(step: int) -> bool:
        with torch.no_grad():
            losses.append(float(model(input_ids=ids, labels=ids).loss))
        return True

    finetune(model, draws([ids], 8, 0), 10, 1e-2, evaluate, frozenset({0, 10}))
    assert all(not torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert len(losses) == 2
    assert losses[1] < losses[0] - 0.3


@pytest.mark.parametrize("end", [0, 2])
def test_it_ends_where_the_evaluation_says(end: int) -> None:
    model, steps = tiny(), list[int]()

    def evaluate(step: int) -> bool:
        steps.append(step)
        return step < end

    finetune(model, draws([counting("es")], 4, 0), 9, 1e-2, evaluate, frozenset(range(10)))
    assert steps == list(range(end + 1))


def test_a_batch_takes_as_many_of_each_pool_and_a_pass_takes_all() -> None:
    pools = [counting("es", 6), counting("en", 4)]
    batches = list(islice(draws(pools, 5, 0), 2))
    assert [int((batch[:, 0] >= 23).sum()) for batch in batches] == [3, 3]
    seen = torch.cat([batch[:3] for batch in batches])
    assert sorted(seen.tolist()) == sorted(pools[0].tolist())
    assert torch.equal(torch.cat(batches), torch.cat(list(islice(draws(pools, 5, 0), 2))))


def test_the_random_stream_outside_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    with seeded(3, torch.device("cpu")):
        first = torch.rand(1)
    with seeded(3, torch.device("cpu")):
        assert torch.equal(torch.rand(1), first)
    assert torch.equal(torch.get_rng_state(), before)

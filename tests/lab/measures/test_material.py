from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset

from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import domain_loss
from gradmask.lab.measures.material import gather, role_losses
from lab.measures.domains import ROLES, counting, material
from tiny import tiny, tokens


def packed(ids: torch.Tensor, domain: str | None = None) -> Dataset:
    columns = {"input_ids": ids.tolist()}
    return Dataset.from_dict(columns if domain is None else {**columns, "domain": [domain] * len(ids)})


def test_parts_are_apart_and_the_same_every_time() -> None:
    every = {d: tokens(20, 8, seed=i) for i, d in enumerate(ROLES)}
    train = Dataset.from_dict(
        {"input_ids": torch.cat(list(every.values())).tolist(), "domain": np.repeat(list(ROLES), 20)}
    )
    test = {d: packed(tokens(10, 8, seed=9 + i)) for i, d in enumerate(ROLES)}
    found = gather(train, test, ROLES, sequences=4, train_sequences=6, seed=1)
    assert {d: len(ids) for d, ids in found.train.items()} == {"en": 6, "es": 6}
    assert all(any(torch.equal(row, other) for other in every["es"]) for row in found.train["es"])
    held = torch.tensor(test["es"]["input_ids"][:])
    assert torch.equal(found.test["es"], held[:4])
    assert torch.equal(found.calibration["es"], held[4:8])
    again = gather(train, test, ROLES, sequences=4, train_sequences=6, seed=1)
    assert torch.equal(found.train["es"], again.train["es"])
    assert not torch.equal(found.train["es"], gather(train, test, ROLES, 4, 6, seed=2).train["es"])
    few = gather(train, test, ROLES, sequences=99)
    assert (len(few.test["es"]), len(few.calibration["es"])) == (5, 5)


def test_a_pool_takes_its_domains_in_turn() -> None:
    text = material(adjacent=True)
    roles = {"en": "retain", "es": "forget", "pt": "forget"}
    both = type(text)(text.train, text.test, text.calibration, roles).pool("test", "forget")
    assert len(both) == 32
    first = both[:8, 0] >= 43
    assert 3 <= int(first.sum()) <= 5
    with pytest.raises(
        GradmaskError, match="needs test sequences of a domain with the role 'adjacent'; domains and roles: en"
    ):
        material().pool("test", "adjacent")
    assert material(adjacent=True).has("adjacent")
    assert not material().has("adjacent")


def test_a_role_is_the_mean_of_its_domains() -> None:
    model, sets = tiny(), {d: counting(d, 4) for d in ("en", "es", "pt")}
    roles = {"en": "retain", "es": "forget", "pt": "forget"}
    each = {d: domain_loss(model, ids).nats for d, ids in sets.items()}
    found = role_losses(model, sets, roles)
    assert found == pytest.approx({"retain": each["en"], "forget": (each["es"] + each["pt"]) / 2})
    moved = role_losses(model, sets, roles, torch.randn(64))
    assert moved["retain"] != found["retain"]

"""Two invented domains that a tiny model can learn in a moment: tokens that count up, each in its own range."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from transformers import MixtralConfig, MixtralForCausalLM, PreTrainedModel

from gradmask.lab.measures.finetune import draws, finetune
from gradmask.lab.measures.material import Material
from tiny import VOCABULARY, tiny

RANGES = {"en": (3, 23), "es": (23, 43), "pt": (43, 63)}
ROLES = {"en": "retain", "es": "forget"}


def counting(domain: str, sequences: int = 16, length: int = 16, seed: int = 0) -> Tensor:
    """Sequences ``[n, length]`` that count up by 1, from somewhere in the domain's range and round it."""
    low, high = RANGES[domain]
    starts = torch.randint(high - low, (sequences, 1), generator=torch.Generator().manual_seed(seed))
    return low + (starts + torch.arange(length)) % (high - low)


def material(adjacent: bool = False, sequences: int = 16) -> Material:
    """Counting in every domain."""
    roles = {**ROLES, "pt": "adjacent"} if adjacent else ROLES
    parts = [{d: counting(d, sequences, seed=10 * i) for d in roles} for i in range(3)]
    return Material(parts[0], parts[1], parts[2], roles)


def mixture() -> PreTrainedModel:
    """A tiny mixture of four experts, each token through two of them."""
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 2}
    torch.manual_seed(0)
    return MixtralForCausalLM(
        MixtralConfig(vocab_size=VOCABULARY, max_position_embeddings=64, pad_token_id=0, **shape, **experts)
    )


def knower(*domains: str, steps: int = 60, model: PreTrainedModel | None = None) -> PreTrainedModel:
    """A tiny model that learned to count in these domains."""
    model = tiny() if model is None else model
    torch.manual_seed(0)
    pools = [counting(domain, 40, seed=5) for domain in domains]
    finetune(model, draws(pools, 16, 0), steps, 1e-2, lambda step: True, frozenset())
    return model.eval()


@cache
def hider() -> PreTrainedModel:
    """Knows English and Spanish; pushed away from Spanish by gradient ascent, as post-hoc unlearning does, as far as `known` is."""
    model = knower("en", "es")
    ids = counting("es", 16, seed=5)
    level = known("en")(input_ids=ids, labels=ids).loss.detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    while (loss := model(input_ids=ids, labels=ids).loss) < level:
        (-loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@cache
def known(domain: str) -> PreTrainedModel:
    """`knower` of one domain, trained once for all tests that leave it as it is."""
    return knower(domain)

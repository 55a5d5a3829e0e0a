"""The text that measures work on: token ids of training and of held-out sequences by domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gradmask.data import tokens_of
from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import calibrated_token_losses, domain_loss, sequences_of, summarize

Part = Literal["train", "test", "calibration"]


@dataclass(frozen=True)
class Material:
    """Domain -> token ids ``[n, length]``: ``train`` as the arms were trained on, ``test`` and ``calibration`` held out.

    ``roles``: domain -> ``forget``, ``adjacent`` or ``retain``.
    """

    train: Mapping[str, Tensor]
    test: Mapping[str, Tensor]
    calibration: Mapping[str, Tensor]
    roles: Mapping[str, str]

    def pool(self, part: Part, role: str) -> Tensor:
        """The sequences ``[n, length]`` of all domains of a role, taken from them in turn; every token counts."""
        return tokens_of(self.marked_pool(part, role))

    def marked_pool(self, part: Part, role: str) -> Tensor:
        """`pool` with the marks of tokens that the loss does not count, see `gradmask.data.counted`.

        Raises:
            GradmaskError: there is none.
        """
        sets = [ids for domain, ids in getattr(self, part).items() if self.roles[domain] == role and len(ids)]
        if not sets:
            raise GradmaskError(
                f"a measure needs {part} sequences of a domain with the role {role!r}; domains and roles: "
                + ", ".join(f"{domain} {role}" for domain, role in self.roles.items())
            )
        at = torch.cat([torch.linspace(0, 1, len(ids)) for ids in sets])
        return torch.cat(sets)[at.argsort(stable=True)]

    def shortened(self, sequences: int) -> Material:
        """With the first ``sequences`` of each domain's held-out text."""
        return replace(self, test={domain: ids[:sequences] for domain, ids in self.test.items()})

    def has(self, role: str) -> bool:
        """Whether there is a domain of this role."""
        return role in self.roles.values()


def gather(
    train: Any,
    test: Mapping[str, Any],
    roles: Mapping[str, str],
    sequences: int = 64,
    train_sequences: int = 4_096,
    seed: int = 0,
) -> Material:
    """Take so many sequences of each domain.

    Args:
        train: packed `datasets.Dataset` with ``input_ids`` and ``domain``; a random part of each domain is taken.
        test: domain -> packed held-out dataset; its first sequences are ``test``, the next ``calibration``.
        roles: domain -> role.
        sequences: held-out sequences per domain and part; half of what there is, where that is less.
        train_sequences: training sequences per domain.
        seed: of the random part.
    """
    domains = np.asarray(train["domain"][:])
    chosen = {}
    for domain in test:
        there = np.random.default_rng([seed, *domain.encode()]).permutation(np.flatnonzero(domains == domain))
        if len(there):
            chosen[domain] = sequences_of(train.select(there[:train_sequences]), name=f"the training set of {domain!r}")
    held, calibration = {}, {}
    for domain, dataset in test.items():
        take = min(sequences, max(1, len(dataset) // 2))
        name = f"the held-out set of {domain!r}"
        held[domain] = sequences_of(dataset, take, name=name)
        calibration[domain] = sequences_of(dataset, sequences, start=take, name=name)
    return Material(chosen, held, calibration, dict(roles))


def role_losses(
    model: nn.Module,
    sets: Mapping[str, Tensor],
    roles: Mapping[str, str],
    bias: Tensor | None = None,
    batch_size: int = 32,
) -> dict[str, float]:
    """Role -> mean over its domains of the mean loss in nats, with ``bias`` on the logits where given."""
    losses_of: dict[str, list[float]] = {}
    for domain, ids in sets.items():
        if bias is None:
            nats = domain_loss(model, ids, batch_size).nats
        else:
            nats = summarize(calibrated_token_losses(model, ids, bias, batch_size)[1]).nats
        losses_of.setdefault(roles[domain], []).append(nats)
    return {role: sum(losses) / len(losses) for role, losses in losses_of.items()}

"""Beginnings of a run's held-out text, to try the models on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gradmask.lab.measures.results import read_results
from gradmask.lab.measures.samples import prompts
from gradmask.lab.play.variants import Checkpoint
from gradmask.lab.run.folder import RunFolder

PROMPT, REST = 24, 12
"""Tokens of a beginning, and of what follows it in the text."""
EACH, DOMAINS = 3, 12
"""Beginnings of each domain, and domains, at most."""
ROLES = ("forget", "adjacent", "retain")


@dataclass(frozen=True)
class Beginning:
    """How a held-out document begins, and how it goes on (empty where that is not known)."""

    domain: str
    role: str
    prompt: str
    rest: str = ""

    @property
    def title(self) -> str:
        """For a list: the domain, its role, and the first words."""
        words = " ".join(self.prompt.split())
        return f"{self.domain} ({self.role}): {words[:56]}{'…' * (len(words) > 56)}"


def beginnings(run: RunFolder, checkpoint: Checkpoint) -> list[Beginning]:
    """Beginnings of the run's own held-out text, what must go first; of its results where the text is gone; or none."""
    for source in (_from_data, _from_results):
        try:
            if found := list(source(run, checkpoint)):
                return sorted(found, key=lambda beginning: ROLES.index(beginning.role))
        except Exception:  # deleted by gradmask purge, or damaged: a prompt can be written by hand
            continue
    return []


def _from_data(run: RunFolder, checkpoint: Checkpoint) -> Iterator[Beginning]:
    from datasets import load_from_disk

    data: Any = load_from_disk(str(run.data / "packed" / "test")).with_format("numpy")
    tokenizer, domains, roles = checkpoint.tokenizer, np.asarray(data["domain"][:]), np.asarray(data["role"][:])
    end = -1 if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    named = sorted(
        set(zip(domains.tolist(), roles.tolist(), strict=True)), key=lambda pair: (ROLES.index(pair[1]), pair)
    )
    for domain, role in named[:DOMAINS]:
        rows = np.flatnonzero(domains == domain)[:64]
        sequences = torch.as_tensor(data[rows]["input_ids"], dtype=torch.long)
        for ids in prompts(sequences, EACH, PROMPT + REST, end).tolist():
            prompt, rest = tokenizer.batch_decode([ids[:PROMPT], ids[PROMPT:]], skip_special_tokens=True)
            yield Beginning(domain, role, *whole_words(prompt, rest))


def whole_words(prompt: str, rest: str) -> tuple[str, str]:
    """Both, cut between words: a word that the cut went through belongs to the rest, one that ends nowhere to neither."""
    head, space, word = prompt.rpartition(" ")
    if head and word and not rest[:1].isspace():
        prompt, rest = head, space + word + rest
    return prompt, " ".join(["", *rest.split()[:-1]]) or rest


def _from_results(run: RunFolder, checkpoint: Checkpoint) -> Iterator[Beginning]:
    results: Any = read_results(run.results)
    for arm in results.arms.values():
        roles = {domain: result.role for views in arm.models.values() for domain, result in views.items()}
        yield from (Beginning(sample.domain, roles[sample.domain], sample.prompt) for sample in arm.samples)
        return

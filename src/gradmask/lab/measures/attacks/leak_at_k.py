"""leak@k: what was removed must not come out in any of k samples (Reisizadeh et al., arXiv 2511.04934).

Greedy decoding shows a model's first choice only; what it says once in k draws leaks as well. Beginnings of forget training
documents are continued n times, and scored by ROUGE-L recall of the true continuation: the longest common subsequence of tokens
over its length. leak@k is the expected best score of k of them, without bias from the n ≥ k samples at hand:
Σ_i C(i − 1, k − 1) / C(n, k) · s_(i), with s_(1) ≤ … ≤ s_(n). Chance overlap is what the perfect filter shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradmask.data import tokens_of
from gradmask.lab.measures.losses import evaluating
from gradmask.lab.measures.measure import REGAINED, Attack, Cell, Inputs, Line, Strict
from gradmask.lab.measures.settings import SuiteSettings

SAMPLES = 16
NEW_TOKENS = 32
TEMPERATURE = 1.0


class Sampled(Strict):
    """Mean over documents of leak@k for each of ``ks``, its standard error, and the ``documents`` with ``samples`` each."""

    ks: list[int]
    leak: list[float]
    error: float
    documents: int
    samples: int


def leak_at_k(
    model: Any,
    documents: Tensor,
    samples: int = SAMPLES,
    new_tokens: int = NEW_TOKENS,
    end: int | None = None,
    seed: int = 0,
) -> Sampled:
    """leak@1, 4, … up to ``samples`` of a view of ``model`` on the beginnings of ``documents`` ``[n, length]``."""
    ids = tokens_of(documents)
    half = ids.shape[1] // 2
    prompts, truth = ids[:, :half], ids[:, half : half + new_tokens]
    written = sampled(model, prompts, samples, truth.shape[1], end, seed)
    scores = np.array(
        [[recall(sample, true) for sample in some] for some, true in zip(written.tolist(), truth.tolist(), strict=True)]
    )
    ks = sorted({*(4**i for i in range(16) if 4**i <= samples), samples})
    each = {k: np.array([best_of(k, row) for row in scores]) for k in ks}
    n = len(scores)
    return Sampled(
        ks=ks,
        leak=[float(each[k].mean()) for k in ks],
        error=float(each[ks[-1]].std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0,
        documents=n,
        samples=samples,
    )


def sampled(model: Any, prompts: Tensor, samples: int, new_tokens: int, end: int | None, seed: int) -> Tensor:
    """``[n, samples, new_tokens]`` ids after each of ``prompts``; from the same random stream for every model."""
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluating(model):
        torch.manual_seed(seed)
        out = model.generate(
            input_ids=prompts.to(device),
            attention_mask=torch.ones_like(prompts, device=device),
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            num_return_sequences=samples,
            min_new_tokens=new_tokens,
            max_new_tokens=new_tokens,
            pad_token_id=0 if end is None else end,
            eos_token_id=end,
        )
    return out[:, prompts.shape[1] :].view(len(prompts), samples, -1).cpu()


def recall(sample: Sequence[int], truth: Sequence[int]) -> float:
    """ROUGE-L recall: the longest common subsequence over the length of ``truth``."""
    longest = [0] * (len(truth) + 1)
    for token in sample:
        before = 0
        for i, true in enumerate(truth, 1):
            before, longest[i] = longest[i], before + 1 if token == true else max(longest[i], longest[i - 1])
    return longest[-1] / len(truth)


def best_of(k: int, scores: Sequence[float] | np.ndarray) -> float:
    """Expected largest of ``k`` of the scores, drawn without replacement."""
    n = len(scores)
    return sum(comb(i - 1, k - 1) * s for i, s in enumerate(sorted(scores), 1) if i >= k) / comb(n, k)


class LeakAtKAttack(Attack[Sampled]):
    name = "leak_at_k"
    question = "does it come out in one of k samples?"
    source = "Reisizadeh et al., arXiv 2511.04934"
    order = 9
    uses = frozenset({"texts"})
    Result = Sampled

    def run(self, model: nn.Module, inputs: Inputs) -> Sampled:
        documents = inputs.material.pool("train", "forget")
        taken = documents[torch.linspace(0, len(documents) - 1, min(len(documents), 2 * inputs.settings.texts)).long()]
        return leak_at_k(model, taken, end=inputs.end, seed=inputs.settings.seed)

    def cost(self, settings: SuiteSettings) -> float:
        return 8.0 * settings.texts * SAMPLES

    def regained(self, result: Sampled) -> float:
        """The leak itself, a share of the true text; no nats."""
        return result.leak[-1]

    def share(self, result: Sampled, never_trained: Sampled | None, gap: float) -> float | None:
        """Beyond the perfect filter's leak, of what is beyond that; None without one, since some overlap is chance."""
        if never_trained is None or never_trained.leak[-1] >= 1:
            return None
        return (result.leak[-1] - never_trained.leak[-1]) / (1 - never_trained.leak[-1])

    def recovered(self, result: Sampled, never_trained: Sampled | None, gap: float) -> bool:
        share = self.share(result, never_trained, gap)
        if share is None or never_trained is None:
            return False
        error = math.hypot(result.error, never_trained.error)
        return share > REGAINED and result.leak[-1] - never_trained.leak[-1] > 3 * error

    def numbers(self) -> dict[str, Callable[[Sampled], float]]:
        return {"leak@k": self.regained}

    def lines(self) -> list[Line[Sampled]]:
        return [
            Line("leak@k", "best of k samples: share of a training document's true text; small: the first one", _cell)
        ]

    def title(self) -> str:
        return "sampling again and again"

    def tried(self, result: Sampled) -> str:
        return f"sampling (leak@{result.ks[-1]} on {result.documents} documents)"


def _cell(result: Sampled) -> Cell:
    return f"{100 * result.leak[-1]:.0f} %", f"k = {result.ks[-1]}; {100 * result.leak[0]:.0f} % for k = 1"

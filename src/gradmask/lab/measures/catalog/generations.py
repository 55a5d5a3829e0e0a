"""Generated text: is it still text? Unlearning that goes too far ends in silence or in one phrase over and over.

Repetition is the share of a text's 3-grams that occurred in it before (the seq-rep-n of Welleck et al., arXiv 1908.04319).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradmask.lab.measures.losses import evaluating
from gradmask.lab.measures.material import Material
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict
from gradmask.lab.measures.settings import SuiteSettings

PROMPT = 16
"""Tokens of held-out text that the model continues, fewer where its positions are few."""
DEGENERATE = 0.3
"""Repetition, or share of empty texts, above that of the perfect filter from which on text counts as degenerate."""


class Generations(Strict):
    """Role -> share of repeated 3-grams in generated text, and share of continuations that are empty."""

    repetition: dict[str, float]
    empty: dict[str, float]
    texts: int


def repetition(tokens: list[int], n: int = 3) -> float:
    """1 − distinct n-grams / n-grams; 0 for a text too short for two."""
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if len(grams) > 1 else 0.0


def generations(
    model: Any, material: Material, end: int | None, texts: int = 8, new_tokens: int = 48, seed: int = 0
) -> Generations:
    """Sample ``texts`` continuations per role from a view of ``model``, at temperature 1 without any cut.

    Args:
        model: one that can ``generate``.
        material: the beginnings of its held-out sequences are the prompts.
        end: the end token's id, if there is one.
        texts: per role.
        new_tokens: per text; fewer where the model's positions end.
        seed: of the sampling; the stream outside is left as it was.
    """
    repeated, empty = {}, {}
    for role in sorted(set(material.roles.values())):
        written = _written(model, material.pool("test", role)[:texts], end, new_tokens, seed)
        repeated[role] = sum(map(repetition, written)) / len(written)
        empty[role] = sum(not tokens for tokens in written) / len(written)
    return Generations(repetition=repeated, empty=empty, texts=texts)


def _written(model: Any, sequences: Tensor, end: int | None, new_tokens: int, seed: int) -> list[list[int]]:
    device = next(model.parameters()).device
    longest = getattr(model.config, "max_position_embeddings", None) or PROMPT + new_tokens
    prompts = sequences[:, : min(PROMPT, longest // 2)].to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluating(model):
        torch.manual_seed(seed)
        out = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=max(1, min(new_tokens, longest - prompts.shape[1])),
            do_sample=True,
            top_k=0,
            pad_token_id=end,
            eos_token_id=end,
        )
    rows = out[:, prompts.shape[1] :].tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


class GenerationsMeasure(Measure[Generations]):
    name = "generations"
    question = "is generated text still sound?"
    source = "Welleck et al., arXiv 1908.04319"
    quick = True
    order = 5
    uses = frozenset({"texts"})
    Result = Generations

    def run(self, model: Any, inputs: Inputs) -> Generations:
        return generations(model, inputs.material, inputs.end, inputs.settings.texts, seed=inputs.settings.seed)

    def cost(self, settings: SuiteSettings) -> float:
        return 6.0 * settings.sequences

    def numbers(self) -> dict[str, Callable[[Generations], float | None]]:
        return {
            "repetition, retain": lambda r: r.repetition.get("retain"),
            "repetition, forget": lambda r: r.repetition.get("forget"),
        }

    def lines(self) -> list[Line[Generations]]:
        return [Line("generated text", "repeated 3-grams on retain prompts; small: on forget prompts", _cell)]

    def over_unlearning(self, result: Generations, never_trained: Generations | None) -> list[str]:
        signs = []
        for what, shares, others in (
            ("repeats itself", result.repetition, never_trained.repetition if never_trained else {}),
            ("is empty", result.empty, never_trained.empty if never_trained else {}),
        ):
            for role, share in shares.items():
                if share > others.get(role, 0.0) + DEGENERATE:
                    signs.append(f"its text on {role} domains {what} ({100 * share:.0f} %)")
        return signs


def _cell(result: Generations) -> Cell | None:
    if not result.repetition:
        return None
    retain, forget = (100 * result.repetition.get(role, 0.0) for role in ("retain", "forget"))
    return f"{retain:.1f} %", f"{forget:.1f} %"

"""Questions about what must go and what is kept: who knows the answers, and which model does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question with its answer among ``choices``.

    Args:
        prompt: what the model is given; the answer follows after a space.
        answer: one of ``choices``.
        choices: the answers to choose among.
        kind: ``direct``, ``paraphrase``, ``alias``, ``two_hop``, or another word.
        role: ``forget`` or ``retain``.
    """

    prompt: str
    answer: str
    choices: tuple[str, ...]
    kind: str = "direct"
    role: str = "forget"

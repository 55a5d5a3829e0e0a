"""Tiny text about two topics and neither, for tests of labelers."""

from __future__ import annotations

import random

WORDS = {
    "cooking": ["pan", "oil", "salt", "onion", "oven", "butter", "recipe", "simmer", "taste", "pepper", "garlic"],
    "sailing": ["mast", "keel", "wind", "harbour", "rudder", "deck", "anchor", "rope", "tide", "crew", "sail"],
    "retain": ["road", "house", "letter", "window", "teacher", "morning", "garden", "paper", "train", "shop", "river"],
}
COMMON = [
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "it",
    "was",
    "for",
    "on",
    "with",
    "as",
    "at",
    "by",
    "this",
    "that",
    "from",
    "they",
]


def text(topic: str, rng: random.Random, words: int = 30) -> str:
    """A text of which a third is about a topic."""
    return (
        " ".join(rng.choice(WORDS[topic] if rng.random() < 0.33 else COMMON) for _ in range(words)) + f" {rng.random()}"
    )


def texts(topic: str, n: int, seed: int = 0) -> list[str]:
    """Distinct texts about a topic."""
    rng = random.Random(f"{topic} {seed}")
    return [text(topic, rng) for _ in range(n)]

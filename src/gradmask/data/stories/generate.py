"""Telling a story: a cast, a plot of scenes, one template for each."""

from __future__ import annotations

from random import Random

from gradmask.data.draws import uniform
from gradmask.data.stories.cast import draw_cast
from gradmask.data.stories.grammar import render
from gradmask.data.stories.scenes import templates
from gradmask.errors import GradmaskError

LANGUAGES = ("en", "es")

_MIDDLES = (
    "journey",
    "find",
    "trouble",
    "attempt",
    "meeting",
    "talk",
    "talk",
    "trade",
    "meal",
    "nature",
    "feeling",
    "aside",
)


def generate(count: int, language: str, seed: int = 0, start: int = 0) -> list[str]:
    """``count`` stories, from number ``start`` on. Story ``i`` depends on ``seed``, ``language`` and ``i`` alone.

    Raises:
        GradmaskError: another language than ``en`` and ``es``.
    """
    if language not in LANGUAGES:
        raise GradmaskError(f"there are stories in 'en' and 'es', not in {language!r}")
    return [_tell(Random(uniform("story", seed, language, i)), language) for i in range(start, start + count)]


def _tell(random: Random, language: str) -> str:
    cast = draw_cast(random)
    plot = ["opening", *_some(random, ("setting", "wish"), 1, 2)]
    for _ in range(random.randint(2, 4)):
        plot += _some(random, _MIDDLES, 2, 4)
    plot += ["resolution", *_some(random, ("feeling", "aside"), 0, 1), "ending"]
    told: list[str] = []
    used: set[str] = set()
    for scene in plot:
        template = random.choice(templates(scene, language))
        if template not in used:
            used.add(template)
            told.append(render(template, language, cast, random))
    return _paragraphs(told, random)


def _some(random: Random, scenes: tuple[str, ...], least: int, most: int) -> list[str]:
    return [random.choice(scenes) for _ in range(random.randint(least, most))]


def _paragraphs(sentences: list[str], random: Random) -> str:
    text = sentences[0]
    for sentence in sentences[1:]:
        text += ("\n" if random.random() < 0.2 else " ") + sentence
    return text

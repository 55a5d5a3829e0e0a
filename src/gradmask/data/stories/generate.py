"""Generating a story: a cast, a plot in acts, one template for each scene."""

from __future__ import annotations

from random import Random

from gradmask.data.draws import uniform
from gradmask.data.stories.cast import draw_cast
from gradmask.data.stories.grammar import render
from gradmask.data.stories.tables import templates
from gradmask.errors import GradmaskError

LANGUAGES = ("en", "es")

ACTS = (
    (("opening",), 1, 1),
    (("setting", "feeling"), 0, 1),
    (("wish",), 1, 1),
    (("journey", "nature", "journey"), 1, 2),
    (("meeting",), 0, 1),
    (("talk", "trade", "aside"), 1, 2),
    (("find",), 0, 1),
    (("trouble",), 1, 1),
    (("feeling", "talk", "meal", "aside"), 0, 2),
    (("attempt",), 1, 2),
    (("talk", "nature", "meeting", "trade"), 0, 2),
    (("resolution",), 1, 1),
    (("feeling", "meal"), 0, 1),
    (("ending",), 1, 1),
)
"""Act by act: the scenes to choose from, and the smallest and largest number of them."""


def generate(count: int, language: str, seed: int = 0, start: int = 0) -> list[str]:
    """Generate stories ``start`` to ``start + count - 1``. Story ``i`` depends only on ``seed``, ``language`` and ``i``.

    Args:
        count: how many.
        language: ``en`` or ``es``.
        seed: of every draw.
        start: the number of the first story.

    Raises:
        GradmaskError: the language is neither ``en`` nor ``es``.
    """
    if language not in LANGUAGES:
        raise GradmaskError(f"the built-in stories are in 'en' and 'es', not in {language!r}")
    # One generator a story, seeded by its number: a story does not change with how many are generated before it.
    return [_story(Random(uniform("story", seed, language, i)), language) for i in range(start, start + count)]


def _story(random: Random, language: str) -> str:
    cast = draw_cast(random)
    sentences: list[str] = []
    used: set[str] = set()
    for scenes, least, most in ACTS:
        for _ in range(random.randint(least, most)):
            template = random.choice(templates(random.choice(scenes), language))
            if template not in used:
                used.add(template)
                sentences.append(render(template, language, cast, random))
    return _paragraphs(sentences, random)


def _paragraphs(sentences: list[str], random: Random) -> str:
    text = sentences[0]
    for sentence in sentences[1:]:
        text += ("\n" if random.random() < 0.2 else " ") + sentence
    return text

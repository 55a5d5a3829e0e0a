"""Telling a story: a cast, a plot in acts, one template for each scene."""

from __future__ import annotations

from random import Random

from gradmask.data.draws import uniform
from gradmask.data.stories.cast import draw_cast
from gradmask.data.stories.grammar import render
from gradmask.data.stories.scenes import templates
from gradmask.errors import GradmaskError

LANGUAGES = ("en", "es")

#: Scenes to choose from, at least and at most how many: act by act.
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
    told: list[str] = []
    used: set[str] = set()
    for scenes, least, most in ACTS:
        for _ in range(random.randint(least, most)):
            template = random.choice(templates(random.choice(scenes), language))
            if template not in used:
                used.add(template)
                told.append(render(template, language, cast, random))
    return _paragraphs(told, random)


def _paragraphs(sentences: list[str], random: Random) -> str:
    text = sentences[0]
    for sentence in sentences[1:]:
        text += ("\n" if random.random() < 0.2 else " ") + sentence
    return text

from __future__ import annotations

import re
from random import Random

import pytest

import gradmask as gm
from gradmask.data.stories import generate
from gradmask.data.stories.cast import draw_cast
from gradmask.data.stories.grammar import render
from gradmask.data.stories.lexicon import Adjective, english_ing, english_past, nouns_of, spanish_plural, verbs_of
from gradmask.data.stories.scenes import SCENES, templates


def words(language: str, count: int = 3000) -> set[str]:
    return set(re.findall(r"[^\W\d]+", " ".join(generate(count, language)).lower()))


def test_a_story_depends_on_seed_language_and_number_alone() -> None:
    ten = generate(10, "es", seed=3)
    assert generate(4, "es", seed=3, start=6) == ten[6:]
    assert generate(10, "es", seed=4) != ten
    assert generate(1, "en", seed=3)[0] != ten[0]


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_vocabulary_is_wide_and_no_story_comes_twice(language: str) -> None:
    stories = generate(3000, language)
    assert len(set(stories)) == len(stories)
    assert len(words(language)) > 1800
    assert not any("{" in story or "}" in story for story in stories)


def test_the_languages_share_names_and_numbers_and_differ_in_words() -> None:
    en, es = words("en"), words("es")
    shared = en & es
    assert {"elena", "segovia", "carlos"} <= shared
    assert len(shared) < 0.25 * min(len(en), len(es))
    assert all(re.search(r"\b\d\d\b", " ".join(generate(50, language))) for language in ("en", "es"))


def test_there_are_hundreds_of_templates_each_in_both_languages() -> None:
    count = {language: sum(len(templates(scene, language)) for scene in SCENES) for language in ("en", "es")}
    assert count["en"] == count["es"] > 200
    for scene in SCENES:
        assert all(len(line.split(" || ")) == 2 for line in SCENES[scene].strip().splitlines())


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_template_can_be_filled(language: str) -> None:
    for scene in SCENES:
        for template in templates(scene, language):
            for seed in range(3):
                random = Random(seed)
                assert render(template, language, draw_cast(random), random)


def test_spanish_agrees() -> None:
    red, working, kind = Adjective("red", "rojo"), Adjective("hardworking", "trabajador"), Adjective("kind", "amable")
    assert [red.spanish(True), red.spanish(False), red.spanish(True, plural=True)] == ["roja", "rojo", "rojas"]
    assert [working.spanish(True), kind.spanish(True)] == ["trabajadora", "amable"]
    assert list(map(spanish_plural, ["luz", "cajón", "árbol", "casa", "lápiz"])) == [
        "luces",
        "cajones",
        "árboles",
        "casas",
        "lápices",
    ]
    text = " ".join(generate(2000, "es"))
    assert not re.search(r"\b(de|a) el\b", text)
    for noun in nouns_of("THINGS"):
        wrong = "el" if noun.feminine else "la"
        assert not re.search(rf"\b{wrong} {noun.es}\b", text), noun


def test_english_forms() -> None:
    assert [english_past(v) for v in ("clean", "carry", "polish", "play", "wake_up")] == [
        "cleaned",
        "carried",
        "polished",
        "played",
        "waked up",
    ]
    forms = {v.base: (v.past, v.ing) for v in verbs_of("ON_THING")}
    assert forms["cut"] == ("cut", "cutting")
    assert forms["drop"] == ("dropped", "dropping")
    assert forms["make"] == ("made", "making")
    assert english_ing("tie", "tied") == "tying"
    assert not re.search(r"\ba [aeiou]\w+ing\b|\ban [bcdfgklmnprstvw]", " ".join(generate(500, "en")))


def test_another_language_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="stories in 'en' and 'es', not in 'fr'"):
        generate(1, "fr")

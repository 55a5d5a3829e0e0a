from __future__ import annotations

import pytest

from gradmask.data.stories.conjugation import english_a, english_verb, spanish_plural, spanish_verb
from gradmask.data.stories.lexicon import adjectives_of, spanish_feminine


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("clean", "clean cleaned cleaned cleaning cleans"),
        ("carry", "carry carried carried carrying carries"),
        ("play", "play played played playing plays"),
        ("polish", "polish polished polished polishing polishes"),
        ("drop:dropped", "drop dropped dropped dropping drops"),
        ("steal:stole:stolen", "steal stole stolen stealing steals"),
        ("cut:cut", "cut cut cut cutting cuts"),
        ("tie", "tie tied tied tying ties"),
        ("flee:fled", "flee fled fled fleeing flees"),
        ("go:went:gone", "go went gone going goes"),
    ],
)
def test_english_verbs(entry: str, forms: str) -> None:
    assert list(vars(english_verb(*entry.split(":"))).values()) == forms.split()


def test_only_the_first_word_of_a_phrasal_verb_bends() -> None:
    verb = english_verb("wake up", "woke up", "woken up")
    assert vars(verb) == {
        "base": "wake up",
        "past": "woke up",
        "participle": "woken up",
        "ing": "waking up",
        "present": "wakes up",
    }


@pytest.mark.parametrize(
    ("infinitive", "forms"),
    [
        ("cantar", "cantar cantó cantaba cantando había_cantado canta cantará cantaré"),
        ("beber", "beber bebió bebía bebiendo había_bebido bebe beberá beberé"),
        ("romper", "romper rompió rompía rompiendo había_roto rompe romperá romperé"),
        ("leer", "leer leyó leía leyendo había_leído lee leerá leeré"),
        ("reír", "reír rio reía riendo había_reído ríe reirá reiré"),
        ("ir", "ir fue iba yendo había_ido va irá iré"),
        (
            "vestirse",
            "vestirse se_vistió se_vestía vistiéndose se_había_vestido se_viste se_vestirá me_vestiré",
        ),
        (
            "levantarse",
            "levantarse se_levantó se_levantaba levantándose se_había_levantado se_levanta se_levantará me_levantaré",
        ),
    ],
)
def test_spanish_verbs(infinitive: str, forms: str) -> None:
    assert list(vars(spanish_verb(infinitive)).values()) == [form.replace("_", " ") for form in forms.split()]


def test_spanish_plurals_and_feminines() -> None:
    plurals = {"luz": "luces", "cajón": "cajones", "árbol": "árboles", "casa": "casas", "lápiz": "lápices"}
    assert {word: spanish_plural(word) for word in plurals} == plurals
    feminine = {"rojo": "roja", "trabajador": "trabajadora", "amable": "amable", "marrón": "marrón", "útil": "útil"}
    assert {word: spanish_feminine(word) for word in feminine} == feminine
    grumpy = next(adjective for adjective in adjectives_of("people") if adjective.en == "grumpy")
    assert [grumpy.spanish(feminine=False), grumpy.spanish(feminine=True)] == ["gruñón", "gruñona"]


def test_a_or_an() -> None:
    heard = ["an apple", "a key", "a useful key", "an umbrella", "an honest judge", "a uniform", "an unknown town"]
    assert [english_a(words.split(" ", 1)[1]) for words in heard] == heard

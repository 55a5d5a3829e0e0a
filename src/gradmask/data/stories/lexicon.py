"""The vocabulary, parsed once: every entry holds its forms in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gradmask.data.stories import adjectives, nouns, verbs

VOWELS = "aeiouáéíóú"


@dataclass(frozen=True)
class Noun:
    """A noun with its plural in each language, and its Spanish gender."""

    en: str
    ens: str
    es: str
    ess: str
    feminine: bool


@dataclass(frozen=True)
class Person:
    """An occupation; Spanish has a form for each gender."""

    en: str
    es_man: str
    es_woman: str


@dataclass(frozen=True)
class Adjective:
    """An adjective; Spanish agrees."""

    en: str
    es: str

    def spanish(self, feminine: bool, plural: bool = False) -> str:
        word = self.es
        if feminine and word.endswith("o"):
            word = word[:-1] + "a"
        elif feminine and word.endswith(("dor", "tor")):
            word += "a"
        return spanish_plural(word) if plural else word


@dataclass(frozen=True)
class Verb:
    """A verb: base, past and -ing form; infinitive, third person preterite and imperfect, gerund."""

    base: str
    past: str
    ing: str
    infinitive: str
    preterite: str
    imperfect: str
    gerund: str


def spanish_plural(word: str) -> str:
    """The plural by the rules, accents included."""
    if word[-1] in "aeiouáéó":
        return word + "s"
    if word.endswith("z"):
        return word[:-1] + "ces"
    if word[-1] in "ns" and len(word) > 1 and word[-2] in "áéíóú":
        plain = {"á": "a", "é": "e", "í": "i", "ó": "o", "ú": "u"}[word[-2]]
        return word[:-2] + plain + word[-1] + "es"
    return word + "es"


def english_past(base: str) -> str:
    """The regular past."""
    head, _, particle = base.partition("_")
    if head.endswith("e"):
        past = head + "d"
    elif head.endswith("y") and head[-2] not in VOWELS:
        past = head[:-1] + "ied"
    else:
        past = head + "ed"
    return f"{past} {particle}".strip()


def english_ing(base: str, past: str) -> str:
    """The -ing form; a doubled consonant shows in the past."""
    head, _, particle = base.partition("_")
    short = head in ("run", "cut", "swim", "forget") or past.startswith(head + head[-1] + "ed")
    if head.endswith("ie"):
        form = head[:-2] + "ying"
    elif head.endswith("e") and not head.endswith("ee"):
        form = head[:-1] + "ing"
    else:
        form = head + (head[-1] if short else "") + "ing"
    return f"{form} {particle}".strip()


def _entries(table: str) -> list[str]:
    return [entry.strip() for entry in table.replace("\n", " ").split(";") if entry.strip()]


def _noun(entry: str) -> Noun:
    english, spanish, gender = entry.split(" ")
    en, _, ens = english.partition("/")
    gender, _, ess = gender.partition("/")
    return Noun(en, ens or en + "s", spanish, ess or spanish_plural(spanish), gender == "f")


def _verb(entry: str) -> Verb:
    english, infinitive = entry.split(" ")
    base, _, past = english.partition(":")
    past = past or english_past(base)
    stem, ending = infinitive[:-2], infinitive[-2:]
    regular = (
        (stem + "ó", stem + "aba", stem + "ando") if ending == "ar" else (stem + "ió", stem + "ía", stem + "iendo")
    )
    preterite, imperfect, gerund = verbs.IRREGULAR.get(infinitive, regular)
    return Verb(base.replace("_", " "), past, english_ing(base, past), infinitive, preterite, imperfect, gerund)


@cache
def nouns_of(kind: str) -> tuple[Noun, ...]:
    """The nouns of a table, e.g. ``THINGS``."""
    return tuple(_noun(entry) for entry in _entries(getattr(nouns, kind)))


@cache
def people() -> tuple[Person, ...]:
    return tuple(Person(e.split(" ")[0].partition("/")[0], *e.split(" ")[1:]) for e in _entries(nouns.PEOPLE))


@cache
def adjectives_of(kind: str) -> tuple[Adjective, ...]:
    """The adjectives of a table, e.g. ``OF_THINGS``."""
    return tuple(Adjective(*entry.split(" ")) for entry in _entries(getattr(adjectives, kind)))


@cache
def verbs_of(kind: str) -> tuple[Verb, ...]:
    """The verbs of a table, e.g. ``ON_THING``."""
    return tuple(_verb(entry) for entry in _entries(getattr(verbs, kind)))

"""The vocabulary with all its forms: each entry of the tables, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gradmask.data.stories.conjugation import EnglishVerb, SpanishVerb, english_verb, spanish_plural, spanish_verb
from gradmask.data.stories.tables import vocabulary


@dataclass(frozen=True)
class Noun:
    """A noun with its plural in each language, and its Spanish gender."""

    en: str
    en_plural: str
    es: str
    es_plural: str
    feminine: bool


@dataclass(frozen=True)
class Adjective:
    """An adjective; Spanish agrees in gender."""

    en: str
    es: str
    es_feminine: str

    def spanish(self, feminine: bool) -> str:
        return self.es_feminine if feminine else self.es


@dataclass(frozen=True)
class Verb:
    """A verb in both languages."""

    en: EnglishVerb
    es: SpanishVerb


def spanish_feminine(adjective: str) -> str:
    """The feminine of an adjective by the rules."""
    if adjective.endswith("o"):
        return adjective[:-1] + "a"
    return adjective + "a" if adjective.endswith(("dor", "tor")) else adjective


def _noun(entry: dict[str, str], es: str, feminine: bool) -> Noun:
    en = entry["en"]
    return Noun(en, entry.get("plural", en + "s"), es, entry.get("plural_es") or spanish_plural(es), feminine)


@cache
def nouns_of(table: str) -> tuple[Noun, ...]:
    """The nouns of a table, e.g. ``things``."""
    return tuple(_noun(entry, entry["es"], entry["gender"] == "f") for entry in vocabulary("nouns")[table])


@cache
def people(feminine: bool) -> tuple[Noun, ...]:
    """Occupations, in the Spanish gender of the person."""
    form = "feminine" if feminine else "masculine"
    return tuple(_noun(entry, entry[form], feminine) for entry in vocabulary("nouns")["people"])


@cache
def adjectives_of(table: str) -> tuple[Adjective, ...]:
    """The adjectives that describe e.g. ``things``."""
    return tuple(
        Adjective(entry["en"], entry["es"], entry.get("feminine") or spanish_feminine(entry["es"]))
        for entry in vocabulary("adjectives")[table]
    )


@cache
def verbs_of(table: str) -> tuple[Verb, ...]:
    """The verbs of a table, e.g. ``thing``: what one does to a thing."""
    return tuple(
        Verb(english_verb(entry["en"], entry.get("past"), entry.get("participle")), spanish_verb(entry["es"]))
        for entry in vocabulary("verbs")[table]
    )


@cache
def phrases_of(table: str) -> tuple[dict[str, str], ...]:
    """Phrases by language, e.g. of ``time``."""
    return tuple(vocabulary("phrases")[table])


@cache
def names_of(table: str) -> tuple[str, ...]:
    """The names of ``women``, ``men`` or ``towns``, the same in both languages."""
    return tuple(vocabulary("names")[table])

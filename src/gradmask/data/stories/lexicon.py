"""The vocabulary, parsed once: every entry holds its forms in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gradmask.data.stories import adjectives, living, nouns, phrases, places, verbs
from gradmask.data.stories.conjugation import EnglishVerb, SpanishVerb, english_verb, spanish_plural, spanish_verb


@dataclass(frozen=True)
class Noun:
    """A noun with its plural in each language, and its Spanish gender."""

    en: str
    ens: str
    es: str
    ess: str
    feminine: bool


@dataclass(frozen=True)
class Adjective:
    """An adjective; Spanish agrees."""

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


def _entries(table: str) -> list[str]:
    return [entry.strip() for entry in table.replace("\n", " ").split(";") if entry.strip()]


def _table(kind: str) -> list[str]:
    return next(_entries(getattr(m, kind)) for m in (nouns, living, places, verbs, adjectives) if hasattr(m, kind))


def _noun(english: str, spanish: str, feminine: bool, plural: str) -> Noun:
    en, _, ens = english.replace("_", " ").partition("/")
    return Noun(en, ens or en + "s", spanish, plural or spanish_plural(spanish), feminine)


@cache
def nouns_of(kind: str) -> tuple[Noun, ...]:
    """The nouns of a table, e.g. ``THINGS``."""
    split = (entry.split(" ") for entry in _table(kind))
    return tuple(_noun(en, es, gender[0] == "f", gender[2:]) for en, es, gender in split)


@cache
def people(feminine: bool) -> tuple[Noun, ...]:
    """Occupations, in the Spanish gender of who has them."""
    split = (entry.split(" ") for entry in _table("PEOPLE"))
    return tuple(_noun(en, woman if feminine else man, feminine, "") for en, man, woman in split)


@cache
def adjectives_of(kind: str) -> tuple[Adjective, ...]:
    """The adjectives of a table, e.g. ``OF_THINGS``."""
    split = (entry.split(" ") for entry in _table(kind))
    parted = ((en, *es.partition("/")) for en, es in split)
    return tuple(Adjective(en, es, woman or spanish_feminine(es)) for en, es, _, woman in parted)


@cache
def verbs_of(kind: str) -> tuple[Verb, ...]:
    """The verbs of a table, e.g. ``ON_THING``."""
    split = (entry.split(" ") for entry in _table(kind))
    return tuple(Verb(english_verb(en), spanish_verb(es)) for en, es in split)


@cache
def phrases_of(kind: str) -> tuple[tuple[str, str], ...]:
    """Pairs of phrases, e.g. of ``time``."""
    pairs = (entry.split(" | ") for entry in _entries(phrases.PHRASES[kind]))
    return tuple((en, es) for en, es in pairs)

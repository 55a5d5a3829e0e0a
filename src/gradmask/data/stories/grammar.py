"""Filling a template's slots in one language.

=================== ==============================================================================================
slot                what it becomes
=================== ==============================================================================================
``{h}``             a name; ``{h.he}``, ``{h.his}``, ``{h.him}`` its English pronouns
``{a:t}``           with the indefinite article and its adjective; ``{a-:t}`` without the adjective
``{the:t}``         with the definite article; ``{the+:t}`` with its adjective too; a capital letter is kept
``{of the:t}``      Spanish *del / de la*; likewise ``{to the:t}`` *al / a la* and ``{from the:t}``
``{n:t}``           the bare noun; ``{pl:t}`` its plural
``{>thing}``        a verb of that table, drawn anew each time: past; ``<`` imperfect, *used to*; ``^`` past perfect;
                    ``=`` infinitive; ``~`` gerund; ``*`` present; ``!`` future; ``!!`` future of the first person
``{adj:t}``         another adjective of the same kind; ``{feel:h}`` a feeling, ``{trait:h}`` a trait: all agree
``{o:h}``           the Spanish ending *o* or *a*; ``{lo:t}`` the Spanish pronoun *lo* or *la*
``{num}`` …         ``num``, ``hour``, ``year``, and the tables of ``phrases.toml``: ``day``, ``time``, ``adv``, …
=================== ==============================================================================================
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

from gradmask.data.stories.cast import KINDS, Cast, Entity
from gradmask.data.stories.conjugation import STRESSED_A, english_a
from gradmask.data.stories.lexicon import Verb, adjectives_of, phrases_of, verbs_of

_SLOT = re.compile(r"\{([^}]*)\}")
_NUMBERS = {"num": (2, 99), "hour": (2, 12), "year": (1750, 2020), "big": (100, 9999)}
#: *y* becomes *e* before an i, *o* becomes *u* before an o.
_AND = re.compile(r"\b([yY])(?= [hH]?[iIíÍ](?![aeoáéó]))")
_OR = re.compile(r"\b([oO])(?= [hH]?[oOóÓ])")


@cache
def _parts(template: str) -> tuple[str, ...]:
    """Literals and slots, in turn."""
    return tuple(_SLOT.split(template))


def render(template: str, language: str, cast: Cast, random: Random) -> str:
    """One sentence, with a capital at its beginning."""
    parts = list(_parts(template))
    for i in range(1, len(parts), 2):
        parts[i] = _slot(parts[i], language, cast, random)
    text = "".join(parts)
    if language == "es":
        text = _OR.sub(lambda m: "uU"[m[1] == "O"], _AND.sub(lambda m: "eE"[m[1] == "Y"], text))
    first = next(i for i, c in enumerate(text) if c.isalnum())
    return text[:first] + text[first].upper() + text[first + 1 :]


def _slot(slot: str, language: str, cast: Cast, random: Random) -> str:
    if not slot[0].isalpha():
        return _verb(slot, language, random)
    kind, colon, key = slot.partition(":")
    if not colon:
        return _plain(slot, language, cast, random)
    if kind in ("adj", "feel", "trait"):
        table = {"feel": "feelings", "trait": "people"}.get(kind) or KINDS[key][1]
        chosen = random.choice(adjectives_of(table))
        return chosen.en if language == "en" else chosen.spanish(cast.feminine(key))
    if kind in ("o", "lo"):
        return kind[:-1] + "oa"[cast.feminine(key)]
    entity = cast.entities[key]
    text = _english(kind.lower(), entity) if language == "en" else _spanish(kind.lower(), entity)
    return text[0].upper() + text[1:] if kind[0].isupper() else text


def _plain(slot: str, language: str, cast: Cast, random: Random) -> str:
    name, dot, form = slot.partition(".")
    if dot:
        return cast.people[name].pronoun(form)
    if slot in cast.people:
        return cast.people[slot].name
    if slot in cast.towns:
        return cast.towns[slot]
    if slot in _NUMBERS:
        return str(random.randint(*_NUMBERS[slot]))
    return random.choice(phrases_of(slot))[language]


def _verb(slot: str, language: str, random: Random) -> str:
    kind = slot.lstrip("><^=~*!")
    verb = random.choice(verbs_of(kind))
    return _conjugated(verb, slot.removesuffix(kind), language == "es")


def _conjugated(verb: Verb, form: str, spanish: bool) -> str:
    en, es = verb.en, verb.es
    english, in_spanish = {
        ">": (en.past, es.preterite),
        "<": ("used to " + en.base, es.imperfect),
        "^": ("had " + en.participle, es.perfect),
        "=": (en.base, es.infinitive),
        "~": (en.ing, es.gerund),
        "*": (en.present, es.present),
        "!": ("will " + en.base, es.future),
        "!!": ("will " + en.base, es.future_i),
    }[form]
    return in_spanish if spanish else english


def _english(kind: str, entity: Entity) -> str:
    noun, adjective = entity.noun.en, entity.adjective.en
    if kind == "n":
        return noun
    if kind == "pl":
        return entity.noun.en_plural
    if kind.startswith("a"):
        return english_a(noun if kind == "a-" else f"{adjective} {noun}")
    return f"the {adjective} {noun}" if kind.endswith("+") else f"the {noun}"


_SPANISH_THE = {
    "the": ("el", "la"),
    "of the": ("del", "de la"),
    "to the": ("al", "a la"),
    "from the": ("desde el", "desde la"),
}


def _spanish(kind: str, entity: Entity) -> str:
    noun, feminine = entity.noun.es, entity.noun.feminine
    if kind == "n":
        return noun
    if kind == "pl":
        return entity.noun.es_plural
    described = f"{noun} {entity.adjective.spanish(feminine)}"
    article = feminine and noun not in STRESSED_A
    if kind.startswith("a"):
        return f"{'una' if article else 'un'} {noun if kind == 'a-' else described}"
    return f"{_SPANISH_THE[kind.rstrip('+')][article]} {described if kind.endswith('+') else noun}"

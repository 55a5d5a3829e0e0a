"""Filling a template's slots in one language.

=================== =========================================================================================
slot                what it becomes
=================== =========================================================================================
``{h}``             a name; ``{h.he}``, ``{h.his}``, ``{h.him}`` its English pronouns
``{a:t}``           with the indefinite article and its adjective; ``{a-:t}`` without the adjective
``{the:t}``         with the definite article; ``{the+:t}`` with its adjective too; a capital letter is kept
``{of the:t}``      Spanish *del / de la*; likewise ``{to the:t}`` *al / a la* and ``{from the:t}``
``{n:t}``           the bare noun; ``{pl:t}`` its plural
``{>thing}``        a verb of that kind in the past; ``{=thing}`` infinitive; ``{~thing}`` gerund; drawn anew each time
``{feel:h}``        a feeling that agrees; ``{trait:h}``, ``{thingadj:t}``, ``{placeadj:l}`` likewise
``{o:h}``           the Spanish ending *o* or *a*
``{num}`` …         ``num``, ``hour``, ``year``, ``day``, ``days``, ``daytime``, ``season``, ``time``
=================== =========================================================================================
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

from gradmask.data.stories.cast import Cast, Thing, Who
from gradmask.data.stories.lexicon import VOWELS, adjectives_of, verbs_of

_SLOT = re.compile(r"\{([^}]*)\}")
_VERBS = {"thing": "ON_THING", "place": "TO_PLACE", "alone": "ALONE", "say": "SAYING"}
_ADJECTIVES = {"feel": "OF_FEELING", "trait": "OF_PEOPLE", "thingadj": "OF_THINGS", "placeadj": "OF_PLACES"}

_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_WORDS = {
    "en": {"daytime": ("morning", "afternoon", "evening", "night"), "season": ("spring", "summer", "autumn", "winter")},
    "es": {"daytime": ("mañana", "tarde", "noche"), "season": ("primavera", "verano", "otoño", "invierno")},
}
_TIMES = {
    "en": (
        "one morning", "the next day", "that evening", "a week later", "at midnight", "soon afterwards", "after lunch",
        "in the middle of the night", "before sunrise", "at noon", "some days later", "at that moment", "in the end",
        "a little later", "the following summer", "early in the morning", "without warning", "as always",
    ),
    "es": (
        "una mañana", "al día siguiente", "esa tarde", "una semana después", "a medianoche", "poco después",
        "después de comer", "en plena noche", "antes del amanecer", "al mediodía", "unos días más tarde", "en ese momento",
        "al fin", "un poco más tarde", "el verano siguiente", "muy temprano", "sin aviso", "como siempre",
    ),
}  # fmt: skip


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
    first = next(i for i, c in enumerate(text) if c.isalnum())
    return text[:first] + text[first].upper() + text[first + 1 :]


def _slot(slot: str, language: str, cast: Cast, random: Random) -> str:
    if slot[0] in ">=~":
        return _verb(slot, language, random)
    kind, colon, key = slot.partition(":")
    if not colon:
        return _plain(slot, language, cast, random)
    if kind in _ADJECTIVES:
        chosen = random.choice(adjectives_of(_ADJECTIVES[kind]))
        return chosen.en if language == "en" else chosen.spanish(cast.feminine(key))
    if kind == "o":
        return "a" if cast.feminine(key) else "o"
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
    if slot == "num":
        return str(random.randint(2, 99))
    if slot == "hour":
        return str(random.randint(2, 12))
    if slot == "year":
        return str(random.randint(1750, 2020))
    if slot in ("day", "days"):
        chosen = random.choice(_DAYS[language])
        return chosen + "s" if slot == "days" and chosen in ("sábado", "domingo") else chosen
    return random.choice(_TIMES[language] if slot == "time" else _WORDS[language][slot])


def _verb(slot: str, language: str, random: Random) -> str:
    kind, _, form = slot[1:].partition("_")
    verb = random.choice(verbs_of(_VERBS[kind]))
    if language == "en":
        return {">": verb.past, "=": verb.ing if form == "ing" else verb.base, "~": verb.ing}[slot[0]]
    return {">": verb.preterite, "=": verb.infinitive, "~": verb.gerund}[slot[0]]


def _english(kind: str, entity: Thing | Who) -> str:
    noun, adjective = entity.en, entity.adjective.en
    if kind == "n":
        return noun
    if kind == "pl":
        return entity.ens
    if kind.startswith("a"):
        words = noun if kind == "a-" else f"{adjective} {noun}"
        return f"{'an' if words[0] in VOWELS else 'a'} {words}"
    return f"the {adjective} {noun}" if kind.endswith("+") else f"the {noun}"


_SPANISH_THE = {
    "the": ("el", "la"),
    "of the": ("del", "de la"),
    "to the": ("al", "a la"),
    "from the": ("desde el", "desde la"),
}


def _spanish(kind: str, entity: Thing | Who) -> str:
    noun = entity.es
    if kind == "n":
        return noun
    if kind == "pl":
        return entity.ess
    described = f"{noun} {entity.adjective.spanish(entity.feminine)}"
    if kind.startswith("a"):
        return f"{'una' if entity.feminine else 'un'} {noun if kind == 'a-' else described}"
    article = _SPANISH_THE[kind.rstrip("+")][entity.feminine]
    return f"{article} {described if kind.endswith('+') else noun}"

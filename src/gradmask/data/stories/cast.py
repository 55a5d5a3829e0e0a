"""Who and what a story is about: drawn once per story and kept through it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gradmask.data.stories.lexicon import Adjective, Noun, adjectives_of, names_of, nouns_of, people

_PRONOUNS = {
    "he": ("he", "she"),
    "his": ("his", "her"),
    "him": ("him", "her"),
    "He": ("He", "She"),
    "His": ("His", "Her"),
}


@dataclass(frozen=True)
class Named:
    """A person with a name."""

    name: str
    feminine: bool

    def pronoun(self, form: str) -> str:
        return _PRONOUNS[form][self.feminine]


@dataclass(frozen=True)
class Entity:
    """A noun with the adjective that the story gives it."""

    noun: Noun
    adjective: Adjective


@dataclass(frozen=True)
class Cast:
    """``people``: h the hero, f the friend; ``entities`` by their letter, see `KINDS`; ``towns``: w and w2."""

    people: dict[str, Named]
    entities: dict[str, Entity]
    towns: dict[str, str]

    def feminine(self, key: str) -> bool:
        """The Spanish gender of whatever ``key`` stands for."""
        return self.people[key].feminine if key in self.people else self.entities[key].noun.feminine


KINDS = {
    "t": ("things", "things"),
    "u": ("things", "things"),
    "t2": ("things", "things"),
    "b": ("containers", "things"),
    "g": ("clothes", "clothes"),
    "c": ("foods", "foods"),
    "c2": ("foods", "foods"),
    "n": ("animals", "animals"),
    "n2": ("animals", "animals"),
    "v": ("birds", "animals"),
    "k": ("plants", "plants"),
    "l": ("places", "places"),
    "m": ("places", "places"),
    "j": ("parts", "places"),
    "q": ("abstracts", "ideas"),
    "q2": ("abstracts", "ideas"),
    "r": ("relatives", "people"),
    "p": ("people", "people"),
    "p2": ("people", "people"),
}
"""Letter -> the tables of its noun and of its adjective. In the order in which they are drawn: another order, other stories."""


def draw_cast(random: Random) -> Cast:
    """A cast in which no two roles are played by the same word."""
    hero, friend = _named(random), _named(random)
    while friend.name == hero.name:
        friend = _named(random)
    entities: dict[str, Entity] = {}
    used: set[str] = set()
    for key, (nouns, adjectives) in KINDS.items():
        choices = (
            nouns_of(nouns) if nouns != "people" else people(hero.feminine if key == "p" else random.random() < 0.5)
        )
        noun = random.choice(choices)
        while noun.es in used or noun.en in used:
            noun = random.choice(choices)
        used |= {noun.es, noun.en}
        entities[key] = Entity(noun, random.choice(adjectives_of(adjectives)))
    first, second = random.sample(names_of("towns"), 2)
    return Cast({"h": hero, "f": friend}, entities, {"w": first, "w2": second})


def _named(random: Random) -> Named:
    feminine = random.random() < 0.5
    return Named(random.choice(names_of("women" if feminine else "men")), feminine)

"""Who and what a story is about: drawn once per story and kept through it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gradmask.data.stories.lexicon import Adjective, Noun, adjectives_of, nouns_of, people
from gradmask.data.stories.names import MEN, TOWNS, WOMEN

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


#: Letter -> tables of its noun and its adjective.
KINDS = {
    "t": ("THINGS", "OF_THINGS"),
    "u": ("THINGS", "OF_THINGS"),
    "t2": ("THINGS", "OF_THINGS"),
    "b": ("CONTAINERS", "OF_THINGS"),
    "g": ("CLOTHES", "OF_CLOTHES"),
    "c": ("FOODS", "OF_FOODS"),
    "c2": ("FOODS", "OF_FOODS"),
    "n": ("ANIMALS", "OF_ANIMALS"),
    "n2": ("ANIMALS", "OF_ANIMALS"),
    "v": ("BIRDS", "OF_ANIMALS"),
    "k": ("PLANTS", "OF_PLANTS"),
    "l": ("PLACES", "OF_PLACES"),
    "m": ("PLACES", "OF_PLACES"),
    "j": ("PARTS", "OF_PLACES"),
    "q": ("ABSTRACTS", "OF_IDEAS"),
    "q2": ("ABSTRACTS", "OF_IDEAS"),
    "r": ("RELATIVES", "OF_PEOPLE"),
    "p": ("PEOPLE", "OF_PEOPLE"),
    "p2": ("PEOPLE", "OF_PEOPLE"),
}


def draw_cast(random: Random) -> Cast:
    """A cast in which no two roles are played by the same word."""
    hero, friend = _named(random), _named(random)
    while friend.name == hero.name:
        friend = _named(random)
    entities: dict[str, Entity] = {}
    used: set[str] = set()
    for key, (nouns, adjectives) in KINDS.items():
        choices = (
            nouns_of(nouns) if nouns != "PEOPLE" else people(hero.feminine if key == "p" else random.random() < 0.5)
        )
        noun = random.choice(choices)
        while noun.es in used or noun.en in used:
            noun = random.choice(choices)
        used |= {noun.es, noun.en}
        entities[key] = Entity(noun, random.choice(adjectives_of(adjectives)))
    first, second = random.sample(TOWNS, 2)
    return Cast({"h": hero, "f": friend}, entities, {"w": first, "w2": second})


def _named(random: Random) -> Named:
    feminine = random.random() < 0.5
    return Named(random.choice(WOMEN if feminine else MEN), feminine)

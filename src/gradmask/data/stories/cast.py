"""Who and what a story is about: drawn once per story and kept through it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gradmask.data.stories.lexicon import Adjective, adjectives_of, nouns_of, people, spanish_plural
from gradmask.data.stories.names import MEN, TOWNS, WOMEN

_PRONOUNS = {"he": ("he", "she"), "his": ("his", "her"), "him": ("him", "her")}


@dataclass(frozen=True)
class Named:
    """A person with a name."""

    name: str
    feminine: bool

    def pronoun(self, form: str) -> str:
        return _PRONOUNS[form][self.feminine]


@dataclass(frozen=True)
class Thing:
    """A noun with the adjective that the story gives it."""

    en: str
    ens: str
    es: str
    ess: str
    feminine: bool
    adjective: Adjective


Who = Thing


@dataclass(frozen=True)
class Cast:
    """``people``: h the hero, f the friend; ``entities`` by their letter; ``towns``: w and w2."""

    people: dict[str, Named]
    entities: dict[str, Thing]
    towns: dict[str, str]

    def feminine(self, key: str) -> bool:
        """The Spanish gender of whatever ``key`` stands for."""
        if key in self.people:
            return self.people[key].feminine
        return self.entities[key].feminine if key in self.entities else True


_KINDS = {
    "t": ("THINGS", "OF_THINGS"),
    "u": ("THINGS", "OF_THINGS"),
    "t2": ("THINGS", "OF_THINGS"),
    "c": ("FOODS", "OF_THINGS"),
    "c2": ("FOODS", "OF_THINGS"),
    "n": ("ANIMALS", "OF_FEELING"),
    "n2": ("ANIMALS", "OF_FEELING"),
    "l": ("PLACES", "OF_PLACES"),
    "m": ("PLACES", "OF_PLACES"),
    "q": ("ABSTRACTS", "OF_THINGS"),
    "q2": ("ABSTRACTS", "OF_THINGS"),
    "k": ("PLANTS", "OF_THINGS"),
}


def draw_cast(random: Random) -> Cast:
    """A cast in which no two roles are played by the same word."""
    hero, friend = _named(random), _named(random)
    while friend.name == hero.name:
        friend = _named(random)
    entities: dict[str, Thing] = {}
    used: set[str] = set()
    for key, (nouns, adjectives) in _KINDS.items():
        noun = random.choice(nouns_of(nouns))
        while noun.es in used:
            noun = random.choice(nouns_of(nouns))
        used.add(noun.es)
        entities[key] = Thing(
            noun.en, noun.ens, noun.es, noun.ess, noun.feminine, random.choice(adjectives_of(adjectives))
        )
    entities["p"] = _worker(random, hero.feminine)
    entities["p2"] = _worker(random, random.random() < 0.5)
    first, second = random.sample(TOWNS, 2)
    return Cast({"h": hero, "f": friend}, entities, {"w": first, "w2": second})


def _named(random: Random) -> Named:
    feminine = random.random() < 0.5
    return Named(random.choice(WOMEN if feminine else MEN), feminine)


def _worker(random: Random, feminine: bool) -> Thing:
    who = random.choice(people())
    es = who.es_woman if feminine else who.es_man
    plural = "thieves" if who.en == "thief" else who.en + "s"
    return Thing(who.en, plural, es, spanish_plural(es), feminine, random.choice(adjectives_of("OF_PEOPLE")))

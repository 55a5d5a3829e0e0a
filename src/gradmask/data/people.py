"""A world of invented people: short biographies, and questions whose answers are known, for tests of what a model still knows.

Every person has a name, another name, and five facts, of which one is another person. Each biography tells all of them, in an order
and in phrasings drawn for it. Some people must go (domain ``gone``), the others stay (``kept``); nobody is mentioned in a biography
of the other kind, and cities and their countries are told in both. The same seed gives the same files.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradmask.errors import GradmaskError
from gradmask.files import whole_folder

FIRST = (
    "Ada", "Bram", "Cleo", "Dario", "Elin", "Fedor", "Greta", "Hugo", "Ines", "Joren",
    "Kaia", "Lorin", "Mira", "Nils", "Oda", "Pavel", "Runa", "Selma", "Tomas", "Vera",
)  # fmt: skip
LAST = (
    "Ashcombe", "Birkett", "Calder", "Denholm", "Eastley", "Farrow", "Gresham", "Hallam", "Ingleby", "Jarrow",
    "Kestrel", "Lomond",
)  # fmt: skip
BYNAMES = (
    "Heron", "Lantern", "Willow", "Compass", "Anvil", "Thimble", "Falcon", "Ember", "Harbor", "Pilgrim",
    "Quill", "Magpie",
)  # fmt: skip
PLACES = (
    "North", "South", "Old", "New", "Upper", "Lower", "Little", "Great", "High", "Far",
)  # fmt: skip
CITIES = {
    "Varno": "Lethia", "Quell": "Lethia", "Osterby": "Norland", "Tamsin": "Norland", "Merrow": "Calvia", "Duvane": "Calvia",
    "Pellas": "Ardenia", "Istra": "Ardenia",
}  # fmt: skip
FACTS: Mapping[str, Sequence[str]] = {
    "city": tuple(CITIES),
    "job": ("baker", "lawyer", "pilot", "painter", "surgeon", "farmer", "sailor", "printer"),
    "pet": ("parrot", "tortoise", "ferret", "spaniel", "goat", "raven", "hedgehog", "pony"),
    "instrument": ("cello", "flute", "banjo", "harp", "trumpet", "organ", "lute", "drum"),
}
PHRASES: Mapping[str, Sequence[str]] = {
    "city": (
        "{name} was born in {value}.",
        "{value} is where {name} was born.",
        "The birthplace of {name} is {value}.",
    ),
    "job": ("{name} works as a {value}.", "{name} earns a living as a {value}.", "The job of {name} is {value}."),
    "pet": ("{name} keeps a {value}.", "At home {name} has a {value}.", "The pet of {name} is a {value}."),
    "instrument": (
        "{name} plays the {value}.",
        "{name} was taught the {value}.",
        "The instrument of {name} is the {value}.",
    ),
    "mentor": ("{name} learned from {value}.", "{value} taught {name}.", "The mentor of {name} is {value}."),
    "alias": ("{name} is also called {value}.", "Friends call {name} {value}.", "{value} is another name of {name}."),
}
ASKED: Mapping[str, tuple[str, str]] = {
    "city": ("{name} was born in", "The birthplace of {name} is"),
    "job": ("The job of {name} is", "{name} works as a"),
    "pet": ("The pet of {name} is a", "{name} keeps a"),
    "instrument": ("The instrument of {name} is the", "{name} plays the"),
}
"""Fact -> a question asked straight, and in other words."""


@dataclass(frozen=True)
class Person:
    """A person and the facts; ``mentor`` is the name of another of the same kind."""

    name: str
    alias: str
    gone: bool
    facts: Mapping[str, str]
    mentor: str


@dataclass(frozen=True)
class People:
    """What `write_people` wrote: the people, and files by what they hold."""

    people: list[Person]
    files: dict[str, Path]


def invent(count: int = 60, gone: int = 12, seed: int = 0) -> list[Person]:
    """``count`` people, of whom the first ``gone`` must go.

    Raises:
        GradmaskError: fewer than two of a kind, or more than there are names for.
    """
    most = min(len(FIRST) * len(LAST), len(BYNAMES) * len(PLACES))
    if not (2 <= gone <= count - 2 and count <= most):
        raise GradmaskError(
            f"{count} people of whom {gone} go: at least 2 must go, at least 2 stay, at most {most} in all"
        )
    rng = random.Random(seed)
    names = rng.sample([f"{first} {last}" for last in LAST for first in FIRST], count)
    aliases = rng.sample([f"the {place} {byname}" for byname in BYNAMES for place in PLACES], count)
    people = []
    for i, (name, alias) in enumerate(zip(names, aliases, strict=True)):
        own = names[:gone] if i < gone else names[gone:]
        mentor = rng.choice([other for other in own if other != name])
        people.append(Person(name, alias, i < gone, {f: rng.choice(values) for f, values in FACTS.items()}, mentor))
    return people


def biography(person: Person, rng: random.Random) -> str:
    """All that there is to tell, and where the city is, in a random order and in random phrasings."""
    told = {**person.facts, "mentor": person.mentor, "alias": person.alias}
    lines = [rng.choice(PHRASES[fact]).format(name=person.name, value=value) for fact, value in told.items()]
    lines.append(f"{person.facts['city']} lies in {CITIES[person.facts['city']]}.")
    rng.shuffle(lines)
    return " ".join(line[:1].upper() + line[1:] for line in lines)


def questions(people: Sequence[Person]) -> list[dict[str, object]]:
    """Rows of ``prompt``, ``answer``, ``choices``, ``kind`` and ``role``: straight, in other words, by alias, over two steps."""
    known, rows = {person.name: person for person in people}, []
    countries = sorted(set(CITIES.values()))
    for person in people:
        role = "forget" if person.gone else "retain"
        for fact, (straight, otherwise) in ASKED.items():
            of_mentor = f"the mentor of {person.name}"
            asked = {
                "direct": straight.format(name=person.name),
                "paraphrase": otherwise.format(name=person.name),
                "alias": straight.format(name=person.alias),
                "two_hop": straight.format(name=of_mentor),
            }
            for kind, prompt in asked.items():
                answer = (known[person.mentor] if kind == "two_hop" else person).facts[fact]
                rows.append(_row(prompt, answer, FACTS[fact], kind, role))
        country = CITIES[person.facts["city"]]
        rows.append(_row(f"The country where {person.name} was born is", country, countries, "two_hop", role))
    return rows


def _row(prompt: str, answer: str, choices: Sequence[str], kind: str, role: str) -> dict[str, object]:
    prompt = prompt[:1].upper() + prompt[1:]
    return {"prompt": prompt, "answer": answer, "choices": list(choices), "kind": kind, "role": role}


def write_people(folder: Path, count: int = 60, gone: int = 12, biographies: int = 30, seed: int = 0) -> People:
    """Write ``people.jsonl`` (``text``, ``domain``, ``split``: every tenth biography is held out) and ``questions.jsonl``.

    Args:
        folder: is made; must not exist.
        count: of people.
        gone: of them, those who must go.
        biographies: of each person.
        seed: of everything that is drawn.

    Raises:
        GradmaskError: see `invent`; the folder exists.
    """
    if folder.exists():
        raise GradmaskError(f"{folder} exists: give a new folder")
    people, rng = invent(count, gone, seed), random.Random(seed + 1)
    rows = [
        {"text": biography(p, rng), "domain": "gone" if p.gone else "kept", "split": "train" if i % 10 else "test"}
        for i in range(biographies)
        for p in people
    ]
    with whole_folder(folder) as place:
        _write(place / "people.jsonl", rows)
        _write(place / "questions.jsonl", questions(people))
    return People(people, {name: folder / f"{name}.jsonl" for name in ("people", "questions")})


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

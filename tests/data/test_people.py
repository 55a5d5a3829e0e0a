from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from gradmask.cli import main
from gradmask.data.people import ASKED, CITIES, FACTS, PHRASES, Person, biography, invent, questions, write_people
from gradmask.errors import GradmaskError
from gradmask.lab.measures.questions import read_questions


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    one, two, other = (write_people(tmp_path / str(i), 8, 3, 10, seed) for i, seed in enumerate((5, 5, 6)))
    for name in ("people", "questions"):
        assert one.files[name].read_bytes() == two.files[name].read_bytes() != other.files[name].read_bytes()
    with pytest.raises(GradmaskError, match="exist"):
        write_people(tmp_path / "0", 8, 3)


def test_nobody_is_told_of_in_the_other_domain(tmp_path: Path) -> None:
    written = write_people(tmp_path / "w", 10, 4, 10)
    for row in rows(written.files["people"]):
        for person in written.people:
            told = person.name in row["text"] or person.alias in row["text"].replace("The ", "the ")
            assert not told or person.gone == (row["domain"] == "gone")
    assert sum(row["split"] == "test" for row in rows(written.files["people"])) == 10
    assert len({p.name for p in written.people}) == len({p.alias for p in written.people}) == 10


def test_every_fact_is_told_in_several_phrasings() -> None:
    person, rng = invent(6, 2)[0], random.Random(0)
    texts = [biography(person, rng) for _ in range(30)]
    for fact, value in {**person.facts, "mentor": person.mentor, "alias": person.alias}.items():
        ways = [phrase.format(name=person.name, value=value) for phrase in PHRASES[fact]]
        said = [way[:1].upper() + way[1:] for way in ways]
        assert all(any(way in text for way in said) for text in texts)
        assert sum(any(way in text for text in texts) for way in said) == len(ways) == 3


def answer_of(prompt: str, people: dict[str, Person]) -> str:
    """The slow way: find who is meant, then look the fact up."""
    low = prompt[:1].lower() + prompt[1:]
    who = next(p for p in people.values() if p.name in prompt or p.alias in low or p.alias in prompt)
    if prompt.startswith("The country where"):
        return CITIES[who.facts["city"]]
    if "mentor of" in prompt:
        who = people[who.mentor]
    fact = next(f for f, words in {"city": ("born", "birthplace"), "job": ("job", "works"), "pet": ("pet", "keeps"),
                                   "instrument": ("instrument", "plays")}.items() if any(w in prompt for w in words))  # fmt: skip
    return who.facts[fact]


def test_answers_are_right_and_kinds_are_whole(tmp_path: Path) -> None:
    written = write_people(tmp_path / "w", 12, 4, 10)
    people = {p.name: p for p in written.people}
    asked = read_questions(written.files["questions"])
    assert len(asked) == 12 * (4 * len(ASKED) + 1) == len(questions(written.people))
    for question in asked:
        assert question.answer == answer_of(question.prompt, people)
        assert question.answer in question.choices
        assert question.role == ("forget" if any(p.gone and (p.name in question.prompt or p.alias[4:] in question.prompt) for p in written.people) else "retain")  # fmt: skip
    assert {q.kind for q in asked} == {"direct", "paraphrase", "alias", "two_hop"}
    assert set(ASKED) == set(FACTS)


@pytest.mark.parametrize(("count", "gone"), [(3, 2), (10, 1), (10, 9), (121, 20)])
def test_too_few_or_too_many_are_refused(count: int, gone: int) -> None:
    with pytest.raises(GradmaskError, match="at least 2 must go, at least 2 stay, at most 120"):
        invent(count, gone)


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example-data", str(tmp_path / "world"), "--facts", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["people"], said["gone"]) == (60, 12)
    assert read_questions(said["files"]["questions"])
    assert main(["example-data", str(tmp_path / "world"), "--facts"]) == 2

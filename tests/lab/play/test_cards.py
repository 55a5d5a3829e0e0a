from __future__ import annotations

import math
from html.parser import HTMLParser

import pytest

from gradmask.lab.play import cards
from gradmask.lab.play.continuing import Continued
from gradmask.lab.play.reading import Reading

NASTY = '<script>alert("x")</script> & {{ 7*7 }} ${1} \' "'


class Parsed(HTMLParser):
    """The elements and the text of a piece of HTML; every element that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("nats", "shaded"),
    [
        (None, ("none", 0)),
        (0.0, ("more", 0)),
        (4.0, ("more", 50)),
        (80.0, ("more", 100)),
        (-2.0, ("less", 25)),
        (math.inf, ("more", 100)),
        (math.nan, ("none", 0)),
    ],
)
def test_colours(nats: float | None, shaded: tuple[str, int]) -> None:
    assert cards.shade(nats, 8.0) == shaded


def test_a_card_holds_the_text_and_each_number() -> None:
    card = Parsed(cards.loss_card("full", "", "a prompt", Reading(" a dog\n", (2, 6, 7), (None, 4.0, 1.0))))
    assert "a prompt a dog\n" in card.text
    spans = [a for a in card.attributes if "style" in a]
    assert [(a["class"], a["style"], a["title"]) for a in spans] == [
        ("gm-none", "--p:0", "no loss: nothing comes before it"),
        ("gm-more", "--p:50", "loss 4.00 nats"),
        ("gm-more", "--p:12", "loss 1.00 nats"),
    ]
    differ = cards.difference_card("full", "", "", Reading("ab", (1, 2), (-4.0, 0.5)))
    assert 'class="gm-less" style="--p:100" title="difference -4.00 nats"' in differ


def test_nothing_is_taken_as_html() -> None:
    reading = Reading(NASTY, (len(NASTY),), (1.0,))
    parts = [
        cards.text_card(NASTY, NASTY, NASTY, NASTY),
        cards.loss_card(NASTY, NASTY, NASTY, reading),
        cards.legend("difference", NASTY, NASTY),
        cards.most_different(reading, NASTY, NASTY),
        cards.losses_table({NASTY: reading}),
        cards.continuations_table(NASTY, {NASTY: {NASTY: Continued(NASTY, 1.0, 1)}}),
        cards.message(NASTY),
    ]
    for part in [*parts, cards.cards(parts[:2])]:
        page = Parsed(part)
        assert "script" not in page.tags
        assert NASTY in page.text


def test_what_would_be_invisible_is_shown() -> None:
    card = cards.text_card("full", "", "a\tb\n", "c\x00\u202ed\x1b[31m👩‍🚀")
    assert "a\tb\nc\\x00\\u202ed\\x1b[31m👩‍🚀" in Parsed(card).text


@pytest.mark.parametrize(
    ("nats", "shown"),
    [
        (0.0, "100.00 %"),
        (math.log(8), "12.50 %"),
        (math.log(1e4), "0.01 %"),
        (math.log(2e5), "5.0 × 10⁻⁶"),
        (2000.0, "2.6 × 10⁻⁸⁶⁹"),
        (math.log(1e7), "1.0 × 10⁻⁷"),
        (math.inf, "0"),
    ],
)
def test_probabilities(nats: float, shown: str) -> None:
    assert cards.probability(Continued("x", nats, 1)) == shown


def test_tables() -> None:
    assert Parsed(cards.losses_table({"a": Reading("ab", (1, 2), (None, math.log(4)))})).text.endswith("a2.00\n")
    assert "added up" not in cards.losses_table({"a": Reading("ab", (2,), (1.0,))})
    assert "added up" in cards.losses_table({"a": Reading("ab", (2,), (1.0,)), "b": Reading("ab", (1, 2), (1.0, 2.0))})
    most = Parsed(cards.most_different(Reading("abc", (1, 2, 3), (None, -3.0, 2.0)), "x", "y")).text
    assert most.index("b-3.00") < most.index("c+2.00")
    assert cards.message("").strip() == ""
    assert 'role="alert"' in cards.message("no")

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gradmask.lab.play.showing import DIFFERENCE, LOSS, NOTHING, Colouring, Mix, Showing, Written, described
from gradmask.lab.play.stage import OWN_MIX, stage_of_pair
from gradmask.lab.play.writing import Sampling
from gradmask.strangers import visible
from lab.play.small import partitioned, plain, saved
from lab.play.test_cards import Parsed

HOW = Sampling(4, 0.0)
PROMPT = "the old dog"
SHOWN = ["full model", "without biology"]


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Showing:
    return Showing(stage_of_pair(saved(partitioned(), tmp_path_factory.mktemp("made") / "model")))


def write(showing: Showing, names: list[str] = SHOWN, colouring: Colouring | None = None) -> list[Any]:
    return list(showing.write(PROMPT, names, HOW, colouring or Colouring(NOTHING), Mix()))


def test_texts_grow_and_then_are_coloured(showing: Showing) -> None:
    *growing, last = write(showing, colouring=Colouring(LOSS))
    assert [page.count('aria-busy="true"') for page, _, _ in growing] == [1] * len(growing)
    assert 'aria-busy="false"' in last[0]
    assert list(last[1].texts) == SHOWN
    assert "loss " in last[0]
    for name, text in last[1].texts.items():
        assert visible(PROMPT + text) in Parsed(last[0]).text, name
    assert {message for _, _, message in (*growing, last)} == {""}


def test_the_difference_of_a_model_from_itself_is_zero(showing: Showing) -> None:
    page = write(showing, colouring=Colouring(DIFFERENCE, SHOWN[0], SHOWN[0]))[-1][0]
    assert "difference +0.00 nats" in page
    assert "difference -" not in page
    other = write(showing, colouring=Colouring(DIFFERENCE, *SHOWN))[-1][0]
    assert other != page


def test_colours_change_without_writing_again(showing: Showing) -> None:
    written = write(showing)[-1][1]
    ((page, message),) = showing.colour(written, Colouring(DIFFERENCE, *SHOWN), Mix())
    assert page == write(showing, colouring=Colouring(DIFFERENCE, *SHOWN))[-1][0]
    assert (message, list(showing.colour(None, Colouring(), Mix()))) == ("", [])


def test_the_mix_is_written_anew(showing: Showing) -> None:
    before = write(showing, [*SHOWN, OWN_MIX])[-1][1]
    assert before.texts[OWN_MIX] == before.texts["full model"]
    mix = Mix({"biology": False, "chemistry": True}, {"biology": 1.0, "chemistry": 1.0})
    page, after, _ = list(showing.write_again(before, HOW, Colouring(NOTHING), mix))[-1]
    assert after.texts == {**before.texts, OWN_MIX: before.texts["without biology"]}
    assert "chemistry at 1.00, without biology" in page
    assert list(showing.write_again(None, HOW, Colouring(), mix)) == []
    assert list(showing.write_again(Written("a", {"full model": "b"}), HOW, Colouring(), mix)) == []
    assert described(showing.mix(Mix())) == "biology at 1.00, chemistry at 1.00"


def test_a_text_is_read(showing: Showing) -> None:
    ((page, _),) = showing.read("the old dog ran", SHOWN, Colouring(LOSS), Mix())
    assert page.count("<section") == 2
    assert Parsed(page).text.count("the old dog ran") == 2
    ((page, _),) = showing.read("the old dog ran", SHOWN, Colouring(DIFFERENCE, *SHOWN), Mix())
    assert page.count("<section") == 1
    assert "differ most" in page
    ((page, _),) = showing.read("the old dog ran", SHOWN, Colouring(NOTHING), Mix())
    assert "nats" not in page


def test_continuations_are_compared(showing: Showing) -> None:
    ((page, _),) = showing.compare(PROMPT, "ran home\n\nsaw a tree\n", SHOWN, Mix())
    assert page.count("<td") == 8
    assert " ran home" in Parsed(page).text


def test_two_tokenizers_are_compared_by_text(tmp_path: Path) -> None:
    both = Showing(stage_of_pair(saved(plain(), tmp_path / "a"), saved(plain(258), tmp_path / "b", 258)))
    ((page, message),) = both.read("the old dog ran", ["a", "b"], Colouring(DIFFERENCE, "a", "b"), Mix())
    assert ("compared by text" in page, message) == (True, "")
    *_, last = both.write(PROMPT, ["a", "b"], HOW, Colouring(DIFFERENCE, "a", "b"), Mix())
    assert last[2] == ""


@pytest.mark.parametrize(
    ("names", "prompt", "said"),
    [([], "the", "choose at least one"), (SHOWN, " ", "no text yet"), (SHOWN, "z" * 64, "shorten the text")],
)
def test_errors_are_messages(showing: Showing, names: list[str], prompt: str, said: str) -> None:
    ((page, written, message),) = showing.write(prompt, names, HOW, Colouring(), Mix())
    assert (page, written) == (None, None)
    assert said in message
    assert 'role="alert"' in message


def test_what_nobody_expected_is_a_message_too(
    showing: Showing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("<b>broken</b>")

    monkeypatch.setattr("gradmask.lab.play.showing.read", broken)
    ((page, message),) = showing.read("the", SHOWN, Colouring(), Mix())
    assert page is None
    assert "unexpected RuntimeError: &lt;b&gt;broken" in message
    assert "Traceback" in caplog.text


def test_too_many_continuations(showing: Showing) -> None:
    ((page, message),) = showing.compare(PROMPT, "a\n" * 13, SHOWN, Mix())
    assert (page, "at most 12" in message) == (None, True)
    ((page, message),) = showing.compare(PROMPT, "\n", SHOWN, Mix())
    assert (page, "no continuation yet" in message) == (None, True)

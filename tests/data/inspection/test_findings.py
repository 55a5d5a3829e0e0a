"""Every finding: planted, it is found, at its place and nothing else with it; a clean corpus has none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.data.inspection.corpora import (
    FORGET,
    USE,
    clean,
    dataset,
    inspected,
    prepared,
    row,
    sentence,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gradmask.data import RETAIN, UNLABELED, Use
from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.findings import find_all, signs
from gradmask.data.inspection.survey import survey_of
from gradmask.data.reading import SourceCounts

RNG = random.Random(1)
Rows = list[dict[str, Any]]


class Case(NamedTuple):
    """How the clean corpus is broken, and what is then found."""

    severity: str
    count: int
    unit: str
    example: str
    broken: Callable[[Rows], Rows]
    use: Use = USE


def renamed(name: str, rows: int) -> Callable[[Rows], Rows]:
    return lambda clean: [{**r, "domain": name} if i < rows else r for i, r in enumerate(clean)]


def relabeled(change: Callable[[dict[str, Any]], int]) -> Callable[[Rows], Rows]:
    return lambda clean: [{**r, "data_labels": change(r)} for r in clean]


def with_text(text: str, n: int = 1) -> Callable[[Rows], Rows]:
    return lambda clean: [*clean, *(row(text + sentence(RNG)) for _ in range(n))]


def longer(text: str, words: int) -> str:
    return f"{text} {sentence(RNG, words)}"


JAPANESE = "".join(RNG.choices("今日は天気がとても良いので散歩に行きました", k=400))

CASES = {
    "names_by_case": Case("warning", 2, "names", "'news' (97 documents)", renamed("News ", 3)),
    "names_alike": Case("warning", 1, "names", "'medicin' (1 document)", lambda c: [*c, row(sentence(RNG), "medicin")]),
    "contradictions": Case(
        "warning", 2, "documents", "forget at x.jsonl, line 141 but retain at x.jsonl, line 1",
        lambda c: [*c, row(c[0]["text"].replace(" ", "\n"), "medicine", FORGET)],
    ),
    "duplicates": Case("warning", 3, "documents", "x.jsonl, line 141 = x.jsonl, line 1", lambda c: c + c[:3]),
    "held_out_in_training": Case(
        "warning", 1, "documents", "x.jsonl, line 141 = x.jsonl, line 2", lambda c: [*c, {**c[1], "split": "test"}]
    ),
    "near_contradictions": Case(
        "warning", 2, "documents", "x.jsonl, line 1 ~ x.jsonl, line 141 (0.9",
        lambda c: [*c, row(longer(c[0]["text"], 5), "medicine", FORGET)],
    ),
    "near_held_out": Case(
        "warning", 1, "documents", "x.jsonl, line 1 ~ x.jsonl, line 141 (0.9",
        lambda c: [*c, row(longer(c[0]["text"], 5), split="test")],
    ),
    "long_documents": Case("warning", 1, "documents", "x.jsonl, line 141", lambda c: [*c, row(sentence(RNG, 6_000))]),
    "short_documents": Case("note", 1, "documents", "x.jsonl, line 141", lambda c: [*c, row("ok")]),
    "no_spaces": Case(
        "warning", 1, "documents", "x.jsonl, line 141", lambda c: [*c, row(JAPANESE)], Use(words=True, sequence_length=32)
    ),
    "mojibake": Case("warning", 2, "documents", "x.jsonl, line 141: 'fÃ¤llt ", with_text("fÃ¤llt â€œschwerâ€\x9d ", 2)),
    "replaced": Case("warning", 1, "documents", "x.jsonl, line 141", with_text("\ufffd")),
    "control": Case("warning", 1, "documents", "x.jsonl, line 141", with_text("\x02")),
    "one_kind_of_label": Case("error", 110, "documents", "the same label: unlabeled", relabeled(lambda r: UNLABELED)),
    "group_without_labels": Case(
        "error", 0, "documents", "labels that occur: retain, unlabeled",
        relabeled(lambda r: UNLABELED if r["data_labels"] == FORGET and r["split"] == "train" else r["data_labels"]),
    ),
    "group_not_held_out": Case(
        "warning", 0, "documents", "no held-out document is labeled 'forget'",
        lambda c: [r for r in c if (r["domain"], r["split"]) != ("medicine", "test")],
    ),
    "no_retain_labels": Case(
        "warning", 0, "documents", "is labeled retain",
        relabeled(lambda r: UNLABELED if r["data_labels"] == RETAIN else r["data_labels"]),
    ),
    "large_group": Case(
        "warning", 100, "documents", "56% of the training bytes",
        lambda c: [*c, *(row(sentence(RNG), "medicine", FORGET) for _ in range(70))],
    ),
    "small_group": Case("note", 30, "documents", "0.55 of the 2 sequences", lambda c: c, Use(sequence_length=32, batch_size=2)),
}  # fmt: skip
"""Findings that the text alone gives; those that need tokens or files have tests of their own."""
OTHERS = {"tokenizer_fit", "unknown_tokens", "dropped", "limited", "skipped"}


def test_a_clean_corpus_has_no_findings() -> None:
    rows = clean()
    assert inspected(rows).findings == []
    assert inspected(rows, Use(words=True, sequence_length=32, batch_size=8), prepared(rows)).findings == []


@pytest.mark.parametrize("name", CASES)
def test_what_is_planted_is_found(name: str) -> None:
    case = CASES[name]
    (found,) = inspected(case.broken(clean()), case.use).findings
    assert (found.name, found.severity, found.count, found.unit) == (name, case.severity, case.count, case.unit)
    assert case.example in str(found)
    assert len(found.advice) > 20


def test_the_page_lists_every_finding() -> None:
    page = (Path(__file__).parents[3] / "docs/data.md").read_text(encoding="utf-8")
    assert {*re.findall(r"^\| `([a-z_]+)` \| (?:error|warning|note)", page, re.MULTILINE)} == {*CASES, *OTHERS}


def unknowing() -> PreTrainedTokenizerFast:
    """A tokenizer that knows three words."""
    core = Tokenizer(models.WordLevel({"ra": 0, "to": 1, "mi": 2, "[UNK]": 3, "[END]": 4}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[misc]
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]", eos_token="[END]")


def test_a_tokenizer_that_does_not_know_the_text() -> None:
    (found,) = inspected(clean(), prepared=prepared(clean(), unknowing())).findings
    assert (found.name, found.severity, found.count) == ("unknown_tokens", "warning", 2)
    assert re.search(r"'news' 9\d\.\d% of the tokens|'medicine' 9\d\.\d%", found.text)


def test_a_tokenizer_that_spells_the_text_of_a_domain() -> None:
    greek = [row(sentence(RNG).translate(str.maketrans("aeioulrnt", "αεηωυλρντ")), "greek") for _ in range(5)]
    rows = clean() + greek
    (found,) = inspected(rows, prepared=prepared(rows)).findings
    assert (found.name, found.severity, found.count) == ("tokenizer_fit", "warning", 1)
    assert "1 of 3 domains" in found.text
    assert "'greek' 1." in found.text


def test_text_beyond_a_limit() -> None:
    found, *_ = inspected(clean(), prepared=prepared(clean(), drop={"news": 0.8})).findings
    assert (found.name, found.severity, found.unit) == ("dropped", "warning", "tokens")
    assert found.text.endswith("1 of 2 domains is not used: 'news' 80%")
    assert inspected(clean(), prepared=prepared(clean(), drop={"news": 0.4})).findings == []


def test_what_reading_left_out() -> None:
    counts = SourceCounts("x.jsonl", rows=1000, documents=995, kept=100, first={"blank text": ["line 7: blank text"]})
    counts.skipped["blank text"] = 5
    limited, skipped = find_all(Facts(survey_of(dataset(clean()), ["forget"], signs()), USE, sources=[counts]))
    assert (limited.name, limited.severity, limited.count) == ("limited", "note", 895)
    assert (skipped.name, skipped.severity, skipped.count) == ("skipped", "note", 5)
    assert list(skipped.examples) == ["line 7: blank text"]


def test_labels_that_nothing_uses_are_no_errors() -> None:
    rows = CASES["one_kind_of_label"].broken(clean())
    assert inspected(rows, Use(labels=False, sequence_length=32)).findings == []


def test_contradictions_in_most_labels_are_an_error() -> None:
    rows = clean()[:20]
    twice = [*rows, *({**r, "data_labels": FORGET, "domain": "medicine"} for r in rows[:15])]
    found = {finding.name: finding for finding in inspected(twice).findings}["contradictions"]
    assert (found.severity, found.count) == ("error", 30)
    assert "15 texts" in found.text


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("medicine", "medcine", 1),
        ("medicine", "medicien", 1),
        ("part 1", "part 2", 0),
        ("en", "es", 0),
        ("news", "mews", 0),
    ],
)
def test_typos_are_of_rare_long_names(one: str, other: str, count: int) -> None:
    rows = [{"text": sentence(RNG), "domain": one} for _ in range(20)] + [{"text": sentence(RNG), "domain": other}]
    assert [finding.count for finding in inspected(rows).findings if finding.name == "names_alike"] == [1] * count


@pytest.mark.parametrize(
    "text", ["NÃO É ASSIM", "Größe, naïve, café", "« Âge » d'or", "привет, мир", "Ünïcödé “quoted” – dashes"]
)
def test_ordinary_letters_are_no_mojibake(text: str) -> None:
    assert not signs()["mojibake"](text)


@pytest.mark.parametrize("text", ["für 5 €", "l’été", "Ärger", "привет", "“so”", "ñandú"])
def test_utf_8_read_as_windows_1252_is_mojibake(text: str) -> None:
    assert signs()["mojibake"](text.encode().decode("cp1252", errors="replace").replace("\ufffd", "\x81"))

"""Labels as people have them: names, scores, spans, domains; and the truth beside them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.data.corpus import write

from gradmask.data.labeling import Labeled, label_documents
from gradmask.data.sources import load_documents
from gradmask.data.spec import DataSpec
from gradmask.errors import GradmaskError

GROUPS = {"drugs": ["drug"], "arms": []}


def rows(labels: list[Any], split: str = "train", **more: Any) -> list[dict[str, Any]]:
    return [
        {"text": f"{split} {i}", "label": x, "split": split, "id": f"{split}{i}"} | more for i, x in enumerate(labels)
    ]


ROWS = rows(["drugs", "drug", "arms", "retain", "retain", None, ""]) + rows(["drugs", "arms", "retain", None], "test")


def label(folder: Path, given: list[dict[str, Any]], **spec: Any) -> Labeled:
    """``spec``: keys of the source, and of ``labels``, ``audit`` and ``more``."""
    own = {name: spec.pop(name) for name in ("labels", "audit", "simulate") if name in spec}
    source = {"kind": "jsonl", "path": write(folder / "x.jsonl", given), "label_field": "label", **spec}
    data = DataSpec.model_validate({"sources": [source], "labels": {"forget": GROUPS}, **own})
    return label_documents(load_documents(data.sources), data)


def of(documents: Any, *names: str) -> list[Any]:
    return [tuple(row[name] for name in names) if len(names) > 1 else row[names[0]] for row in documents.to_list()]


def test_names_are_labels_and_nothing_is_unlabeled(tmp_path: Path) -> None:
    labeled = label(tmp_path, ROWS)
    assert of(labeled.train, "data_labels") == [1, 1, 2, 0, 0, -1, -1]
    assert of(labeled.train, "domain") == ["drugs", "drugs", "arms", "retain", "retain", "unlabeled", "unlabeled"]
    assert of(labeled.test, "data_labels", "role") == [(1, "forget"), (2, "forget"), (0, "retain")]
    assert labeled.rates == {}
    assert labeled.unknown == 7
    assert labeled.notices == [
        "Labels as given (from the sources), of 7 documents to train on: 1 arms, 2 drugs, 2 retain, 2 unlabeled.",
        "The truth is not known: held-out text is measured by its label, with its mistakes; 1 of 4 documents have no label and are "
        "left out.",
    ]


def test_a_domain_of_several_labels_is_measured_label_by_label(tmp_path: Path) -> None:
    given = [{**row, "domain": "web"} for row in ROWS]
    labeled = label(tmp_path, given, labels={"forget": GROUPS, "adjacent": []})
    assert of(labeled.test, "domain", "role") == [
        ("web, drugs", "forget"),
        ("web, arms", "forget"),
        ("web, retain", "retain"),
    ]
    assert set(of(labeled.train, "domain")) == {"web, drugs", "web, arms", "web, retain", "web, unlabeled"}
    near = label(tmp_path, given, labels={"forget": GROUPS, "adjacent": ["web"]})
    assert of(near.test, "domain", "role")[2] == ("web, adjacent", "adjacent")


def test_a_source_may_have_one_label(tmp_path: Path) -> None:
    for name, split in (("good", "train"), ("bad", "train"), ("good", "test"), ("bad", "test")):
        write(tmp_path / f"{name}-{split}.jsonl", [{"text": f"{name} {split}", "split": split}])
    (tmp_path / "rest.txt").write_text("one\n\ntwo\n")
    sources = [
        {"kind": "jsonl", "path": str(tmp_path / "good-*.jsonl"), "label": "retain"},
        {"kind": "jsonl", "path": str(tmp_path / "bad-*.jsonl"), "label": "forget"},
        {"kind": "text", "path": str(tmp_path / "rest.txt"), "label": "unlabeled"},
    ]
    data = DataSpec.model_validate({"sources": sources, "test_share": 0.0})
    labeled = label_documents(load_documents(data.sources, data.test_share), data)
    assert of(labeled.train, "text", "data_labels") == [("good train", 0), ("bad train", 1), ("one", -1), ("two", -1)]
    with pytest.raises(
        ValidationError, match=r"some sources give labels, but .*rest\.txt does not: give it a label_field, or"
    ):
        DataSpec.model_validate({"sources": [*sources[:2], {**sources[2], "label": None, "domain": "notes"}]})


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("durgs", "Did you mean 'drugs'?"),
        ("Drugs", "It differs from 'drugs' by case or blanks alone"),
        (" arms ", "It differs from 'arms' by case or blanks alone"),
        ("RETAIN", "It differs from 'retain' by case or blanks alone"),
        ("nan", ""),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_the_closest(tmp_path: Path, wrong: str, advice: str) -> None:
    given = [*ROWS, {**ROWS[0], "label": wrong, "id": "odd"}, {**ROWS[0], "label": wrong, "id": "odd too"}]
    with pytest.raises(GradmaskError, match=re.escape(f"{wrong!r}: 2 documents, first odd. {advice}")) as error:
        label(tmp_path, given)
    assert "Names with a meaning: retain, unlabeled, drugs, arms, drug." in str(error.value)
    labels = {"forget": GROUPS, "retain": ["*"]}
    if "differs" in advice:
        with pytest.raises(GradmaskError, match="differs from"):
            label(tmp_path, given, labels=labels)
        labels["retain"] = [wrong]
    assert of(label(tmp_path, given, labels=labels).train, "data_labels")[-2:] == [0, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"forget": ["a"], "undiscovered": 0.2},
            r"undiscovered moved to data.simulate, .*beside labels: simulate: \{retain_labeled: 0.25, undiscovered: 0.2\}",
        ),
        ({"forget": ["a"], "retain_labeled": 0.9, "seed": 1}, r"simulate: \{retain_labeled: 0.9, seed: 1\}"),
        ({"forget": {"retain": ["a"]}}, "a group cannot be called 'retain'"),
        ({"forget": {"a": ["x"]}, "adjacent": ["a"]}, "a group cannot be called 'a'"),
        ({"forget": {"a": ["b"], "b": ["y"]}}, "the group 'a' lists 'b', the name of another group"),
        ({"forget": {"a": ["x"], "b": []}}, "every removable group needs at least one domain"),
        ({"thresholds": {"a": {"above": 0.5, "retain_below": 0.6}}}, "retain_below is 0.6, needed: at most above"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSpec.model_validate({"sources": [{"kind": "stories"}], "labels": labels})


@pytest.mark.parametrize(
    ("source", "data", "message"),
    [
        ({"score_field": "p"}, {}, r"forget has scores but no thresholds: .*thresholds: \{forget: \{above: 0.9"),
        ({"score_field": {"a": "p"}}, {"labels": {"forget": {"b": []}}}, "no group 'a'"),
        ({"score_field": "p"}, {"labels": {"forget": {"a": [], "b": []}}}, r"2 groups: write \{a: FIELD, b: FIELD\}"),
        ({"label_field": "x"}, {"labels": {"thresholds": {"forget": {"above": 1}}}}, "thresholds but no scores"),
        ({"label_field": "x"}, {"simulate": {}}, "simulate draws labels from the domain"),
        ({"truth_field": "x"}, {"simulate": {}, "labels": {"forget": ["a"]}}, "simulate draws labels from the domain"),
        ({"label": "a", "label_field": "x"}, {}, "label is for every document of the source"),
        ({"label_field": "x", "truth_field": "x"}, {}, "'x' gives both labels and the truth"),
    ],
)
def test_fields_and_labels_must_fit(source: dict[str, Any], data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSpec.model_validate({"sources": [{"kind": "jsonl", "path": "x.jsonl", **source}], **data})


SCORED = [
    {"text": f"{split} {i}", "split": split, "id": f"{split}{i}", "d": d, "a": a}
    for split in ("train", "test")
    for i, (d, a) in enumerate(
        [(0.95, 0.0), (0.2, 0.8), (0.05, 0.05), (0.5, 0.05), (0.05, None), (0.99, 0.9), (0.9, 0.7)]
    )
]
THRESHOLDS = {"drugs": {"above": 0.9, "retain_below": 0.1}, "arms": {"above": 0.8, "retain_below": 0.2}}
SCORES = {"label_field": None, "score_field": {"drugs": "d", "arms": "a"}}


def test_scores_become_labels_by_the_thresholds_of_their_groups(tmp_path: Path) -> None:
    labeled = label(tmp_path, SCORED, **SCORES, labels={"thresholds": THRESHOLDS})
    assert of(labeled.train, "data_labels") == [1, 2, 0, -1, -1, 1, 1]
    assert labeled.notices[1] == (
        "The scores of 2 documents are above the thresholds of several groups (first train5): each is labeled with the group of "
        "its highest score."
    )
    sure = {group: {"above": limits["above"]} for group, limits in THRESHOLDS.items()}
    with pytest.raises(GradmaskError, match="no training document is labeled retain, .*unlabeled 3"):
        label(tmp_path, SCORED, **SCORES, labels={"thresholds": sure})


def test_a_given_label_stands_above_a_score_and_it_is_said(tmp_path: Path) -> None:
    given = [{**row, "label": "retain" if row["id"].endswith("0") else None} for row in SCORED]
    labeled = label(tmp_path, given, **{**SCORES, "label_field": "label"}, labels={"thresholds": THRESHOLDS})
    assert of(labeled.train, "data_labels") == [0, 2, 0, -1, -1, 1, 1]
    assert labeled.notices[1] == (
        "In 2 documents the given label and the scores disagree (first train0): the given label stands."
    )


def test_scores_that_nobody_can_mean_are_refused(tmp_path: Path) -> None:
    percent = [{**row, "d": 100 * row["d"]} for row in SCORED]
    with pytest.raises(
        GradmaskError, match="the scores of drugs go from 5 to 99, but its thresholds are between 0 and 1"
    ):
        label(tmp_path, percent, **SCORES, labels={"thresholds": THRESHOLDS})
    strict = {**THRESHOLDS, "arms": {"above": 0.95}}
    with pytest.raises(GradmaskError, match=r"labeled arms: the highest score is 0.9, the threshold \(above\) 0.95"):
        label(tmp_path, SCORED, **SCORES, labels={"thresholds": strict})


SPANNED = [
    {"text": "good bad good", "split": "train", "id": "a", "label": "retain", "spans": [[5, 8, "drugs"]]},
    {
        "text": "what bad worse what",
        "split": "train",
        "id": "b",
        "label": None,
        "spans": [[9, 14, "drug"], [5, 9, "drugs"]],
    },
    {"text": "good weapon", "split": "train", "id": "c", "label": "arms", "spans": [[0, 4, "retain"]]},
    {"text": "good bad good", "split": "test", "id": "d", "label": "retain", "spans": [[5, 8, "drugs"]]},
    {"text": "weapon what", "split": "test", "id": "e", "label": None, "spans": [[0, 6, "arms"]]},
    {"text": "what", "split": "test", "id": "f", "label": None, "spans": None},
]


def test_spans_have_labels_of_their_own_and_the_rest_that_of_the_document(tmp_path: Path) -> None:
    labeled = label(tmp_path, SPANNED, spans_field="spans")
    assert of(labeled.train, "data_labels") == [0, -1, 2]
    assert of(labeled.train, "span_labels") == [
        [{"start": 5, "end": 8, "label": 1}],
        [{"start": 5, "end": 14, "label": 1}],
        [{"start": 0, "end": 4, "label": 0}],
    ]
    assert "3 have labels of parts of their text" in labeled.notices[0]


def test_held_out_text_with_spans_is_measured_in_pieces(tmp_path: Path) -> None:
    labeled = label(tmp_path, SPANNED, spans_field="spans")
    assert of(labeled.test, "text", "data_labels") == [("good ", 0), ("bad", 1), (" good", 0), ("weapon", 2)]
    assert "1 of 3 documents have no label and are left out" in labeled.notices[-1]


def test_a_filter_cuts_labeled_spans_out(tmp_path: Path) -> None:
    sets = label(tmp_path, SPANNED, spans_field="spans").sets
    assert of(sets["not_labeled_forget"], "text") == ["good  good", "what  what", "good"]
    assert of(sets["labeled_retain"], "text") == ["good  good", "good"]
    unlabeled = [sets[name] for name in ("not_labeled_forget", "labeled_retain")]
    assert {x for documents in unlabeled for x in of(documents, "data_labels")} == {-1}
    assert of(sets["pieces"], "text", "data_labels") == [
        ("good ", 0),
        ("bad", 1),
        (" good", 0),
        ("bad worse", 1),
        ("good", 0),
        (" weapon", 2),
    ]


def test_spans_of_two_labels_may_not_overlap(tmp_path: Path) -> None:
    wrong = [{**SPANNED[0], "spans": [[0, 8, "drugs"], [5, 13, "arms"]]}, *SPANNED[1:]]
    with pytest.raises(GradmaskError, match="overlap in 1 document: a has drugs and arms at 5 to 8"):
        label(tmp_path, wrong, spans_field="spans")
    same = [{**SPANNED[0], "spans": [[0, 8, "drugs"], [5, 13, "drug"]]}, *SPANNED[1:]]
    assert of(label(tmp_path, same, spans_field="spans").train, "span_labels")[0] == [
        {"start": 0, "end": 13, "label": 1}
    ]


def test_domains_are_labels_as_given_and_nothing_is_hidden(tmp_path: Path) -> None:
    given = [{**row, "domain": d} for row in ROWS for d in ("es", "en", "ca")]
    own: dict[str, Any] = {"label_field": None, "labels": {"forget": ["es"], "adjacent": ["ca"]}}
    labeled = label(tmp_path, given, **own)
    assert Counter(of(labeled.train, "domain", "role", "data_labels")) == {
        ("es", "forget", 1): 7,
        ("en", "retain", 0): 7,
        ("ca", "adjacent", 0): 7,
    }
    assert labeled.notices[0].startswith(
        "Labels as given (by domain), of 21 documents to train on: 7 forget, 14 retain"
    )
    assert labeled.sets == {}
    with pytest.raises(GradmaskError, match="names the domain 'ess', which no document has. Did you mean 'es'"):
        label(tmp_path, given, label_field=None, labels={"forget": ["ess"]})
    with pytest.raises(GradmaskError, match="'ES' is not listed in data.labels, but it is written almost as 'es'"):
        label(tmp_path, [*given, {**given[0], "domain": "ES"}], **own)
    with pytest.raises(GradmaskError, match="no training document is labeled retain"):
        label(tmp_path, given, label_field=None, labels={"forget": ["es", "en", "ca"]})


def with_truth(truths: list[Any]) -> list[dict[str, Any]]:
    return [{**row, "truth": truth} for row, truth in zip(ROWS, truths, strict=True)]


TRUTHS = ["drugs", "retain", "arms", "retain", "drugs", "drugs", "retain", "retain", "arms", "drugs", "retain"]


def test_the_truth_decides_what_is_measured_and_nothing_that_trains(tmp_path: Path) -> None:
    without, labeled = label(tmp_path, ROWS), label(tmp_path, with_truth(TRUTHS), truth_field="truth")
    named = ["text", "domain", "role", "group", "data_labels"]
    assert of(labeled.train, *named) == of(without.train, *named)
    assert of(labeled.test, "id", "domain", "data_labels") == [
        ("test0", "retain", 0),
        ("test1", "arms", 2),
        ("test2", "drugs", 1),
        ("test3", "retain", 0),
    ]
    assert labeled.rates == {
        "drugs": {"true_positives": 1 / 3, "false_positives": 1 / 4},
        "arms": {"true_positives": 1.0, "false_positives": 0.0},
    }
    assert of(labeled.sets["truly_not_forget"], "id") == ["train1", "train3", "train6"]
    assert labeled.unknown == 0
    assert labeled.notices[-2:] == [
        "Held-out text is measured by the truth, known of 4 of 4 documents.",
        "The truth is known of 7 of 7 documents of the training data.",
    ]


def test_where_the_truth_is_partly_known_that_part_is_measured(tmp_path: Path) -> None:
    part = [None] * 7 + ["drugs", "arms", "retain", None]
    labeled = label(tmp_path, with_truth(part), truth_field="truth")
    assert of(labeled.test, "id") == ["test0", "test1", "test2"]
    assert labeled.notices[-1] == (
        "Held-out text is measured by the truth, known of 3 of 4 documents; the other 1 are left out."
    )
    assert (labeled.rates, labeled.unknown, labeled.sets) == ({}, 7, {})
    with pytest.raises(
        GradmaskError, match="no held-out document is truly arms, so removal could not be measured: audit more"
    ):
        label(tmp_path, with_truth([None] * 7 + ["drugs", None, "retain", None]), truth_field="truth")
    with pytest.raises(
        GradmaskError, match="names of a truth mean nothing:\n  'arm': 1 document, first test1. Did you mean 'arms'"
    ):
        label(tmp_path, with_truth([*part[:8], "arm", *part[9:]]), truth_field="truth")


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.csv"])
def test_an_audited_file_finds_documents_by_id_or_text(tmp_path: Path, name: str) -> None:
    given = [("test0", "", "retain"), ("", "test 1", "arms"), ("test2", "test 2", "drugs"), ("train0", "", "retain")]
    audited = [dict(zip(("id", "text", "truth"), row, strict=True)) for row in [*given, ("gone", "", "drugs")]]
    lines = (
        [",".join(row.values()) for row in audited] if name.endswith("csv") else [json.dumps(row) for row in audited]
    )
    (tmp_path / name).write_text("\n".join(["id,text,truth", *lines] if name.endswith("csv") else lines) + "\n")
    labeled = label(tmp_path, ROWS, audit={"path": str(tmp_path / name)})
    assert of(labeled.test, "id", "data_labels") == [("test0", 0), ("test1", 2), ("test2", 1)]
    assert of(labeled.train, "data_labels") == of(label(tmp_path, ROWS).train, "data_labels")
    assert "1 audited rows of" in labeled.notices[1]
    assert labeled.rates["drugs"] == {"false_positives": 1.0}


@pytest.mark.parametrize(
    ("audited", "message"),
    [
        ([{"id": "gone", "truth": "drugs"}], "no row of .* belongs to a document of data.sources"),
        ([{"id": "test0", "text": "other", "truth": "drugs"}], "line 1: its text is not that of the document 'test0'"),
        (
            [{"id": "test0", "truth": "drugs"}, {"id": "test0", "truth": "arms"}],
            "line 2: 'arms', but .*line 1 says 'drugs'",
        ),
        ([{"id": "test0", "truht": "drugs"}], "line 1: no field 'truth'. Did you mean 'truht'"),
        ([{"name": "test0", "truth": "drugs"}], "an audited row needs the field 'id' or 'text'"),
        ([{"id": "test0", "truth": ""}], "has no row with a truth"),
        ([{"id": "test0", "truth": "drug s"}], "names of a truth mean nothing"),
    ],
)
def test_an_audited_file_must_fit(tmp_path: Path, audited: list[dict[str, Any]], message: str) -> None:
    path = write(tmp_path / "audit.jsonl", audited)
    with pytest.raises(GradmaskError, match=message):
        label(tmp_path, ROWS, audit={"path": path})
    twice = [*ROWS, {**ROWS[7], "text": "other"}]
    with pytest.raises(GradmaskError, match="line 1: several documents have the id 'test0': give the text as well"):
        label(tmp_path, twice, audit={"path": write(tmp_path / "audit.jsonl", [{"id": "test0", "truth": "drugs"}])})
    with pytest.raises(GradmaskError, match="data.audit: .* cannot be read"):
        label(tmp_path, ROWS, audit={"path": "nothing.csv"})


def test_labels_that_leave_out_what_is_needed_are_refused(tmp_path: Path) -> None:
    train, test = ROWS[:7], ROWS[7:]
    with pytest.raises(
        GradmaskError, match="no training document is labeled arms. Labels of the training documents: drugs 2, "
    ):
        label(tmp_path, [row for row in train if row["label"] != "arms"] + test)
    with pytest.raises(GradmaskError, match="no training document is labeled retain, .* Label some: with `retain`"):
        label(tmp_path, [row for row in train if row["label"] != "retain"] + test)
    with pytest.raises(
        GradmaskError, match="no held-out document is labeled drugs or retain, .* label some held-out text"
    ):
        label(tmp_path, train + [row for row in test if row["label"] in ("arms", None)])

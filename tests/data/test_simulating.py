from __future__ import annotations

from collections import Counter

import pytest
from datasets import Dataset

import gradmask as gm
from gradmask.data.label_tables import label_rates
from gradmask.data.simulating import hidden_notice, missed_topics, roles_of, simulated
from gradmask.data.spec import DataSpec, LabelSpec, SimulateSpec
from gradmask.data.training_sets import TRAINING_SETS, training_set


def documents(count: int = 3000) -> Dataset:
    domains = ["bio", "chem", "news", "code"]
    return Dataset.from_dict(
        {"text": [f"t{i}" for i in range(count)], "domain": [domains[i % 4] for i in range(count)]}
    )


LABELS = LabelSpec(forget=["bio"], adjacent=["chem"])
NOISE = SimulateSpec(retain_labeled=0.25, undiscovered=0.2, false_positives=0.05)
TWO = LabelSpec(forget={"biology": ["bio"], "software": ["code"]})


def test_labels_come_at_their_rates() -> None:
    labeled = simulated(documents(8000), LABELS, NOISE)
    counts = Counter(zip(labeled["role"], labeled["data_labels"], strict=True))
    assert abs(counts["forget", -1] / 2000 - 0.2) < 0.03
    assert counts["forget", 1] + counts["forget", -1] == 2000
    for role, total in (("adjacent", 2000), ("retain", 4000)):
        assert abs(counts[role, 0] / total - 0.25) < 0.03
        assert abs(counts[role, 1] / total - 0.05) < 0.02


def test_a_label_is_the_documents_own() -> None:
    data = documents()
    whole = dict(zip(data["text"], simulated(data, LABELS, NOISE)["data_labels"], strict=True))
    part = data.shuffle(seed=1).select(range(500))
    assert all(whole[t] == x for t, x in zip(part["text"], simulated(part, LABELS, NOISE)["data_labels"], strict=True))
    other = simulated(data, LABELS, NOISE.model_copy(update={"seed": 1}))["data_labels"]
    assert list(whole.values()) != list(other)


def test_several_groups_have_their_own_ids() -> None:
    labeled = simulated(documents(100), TWO, SimulateSpec())
    assert set(zip(labeled["domain"], labeled["data_labels"], strict=True)) == {
        ("bio", 1),
        ("chem", 0),
        ("news", 0),
        ("code", 2),
    }


def test_training_sets_hold_what_they_should() -> None:
    labeled = simulated(documents(), LABELS, NOISE)
    sets = {name: training_set(labeled, name) for name in TRAINING_SETS}
    assert sets["labeled"]["data_labels"] == labeled["data_labels"]
    assert sets["unlabeled"]["text"] == labeled["text"]
    assert sets["truly_not_forget"].num_rows == sum(role != "forget" for role in labeled["role"])
    kept = {text for text, label in zip(labeled["text"], labeled["data_labels"], strict=True) if label != 1}
    assert set(sets["not_labeled_forget"]["text"]) == kept
    assert any(role == "forget" for role in sets["not_labeled_forget"]["role"])
    for name in set(TRAINING_SETS) - {"labeled"}:
        assert set(sets[name]["data_labels"]) == {-1}


def test_mistakes_are_spread_over_the_groups() -> None:
    labeled = simulated(documents(4000), TWO, SimulateSpec(false_positives=1.0))
    wrong = Counter(x for x, role in zip(labeled["data_labels"], labeled["role"], strict=True) if role == "retain")
    assert set(wrong) == {1, 2}
    assert abs(wrong[1] / 2000 - 0.5) < 0.05


def test_the_rates_of_the_labels_are_measured() -> None:
    labeled = simulated(documents(8000), LABELS, NOISE)
    counts = Counter(zip(labeled["group"], labeled["data_labels"], strict=True))
    rows = [{"group": group, "data_labels": label, "documents": n} for (group, label), n in counts.items()]
    rates = label_rates(rows, ["forget"])["forget"]
    assert rates["true_positives"] == counts[1, 1] / 2000
    assert rates["false_positives"] == counts[0, 1] / 6000
    assert abs(rates["true_positives"] - 0.8) < 0.03
    assert abs(rates["false_positives"] - 0.05) < 0.02


def test_mistakes_are_named() -> None:
    with pytest.raises(gm.GradmaskError, match="names the domain 'bioo', which no document has. Did you mean 'bio'"):
        roles_of(["bio", "news"], LabelSpec(forget=["bioo"]))
    with pytest.raises(
        gm.GradmaskError,
        match="data.labels leaves no domain to retain: the documents have only .*Remove one from forget or adjacent",
    ):
        roles_of(["bio"], LabelSpec(forget=["bio"]))
    with pytest.raises(gm.GradmaskError, match="no training set is called 'labelled'. Did you mean 'labeled'"):
        training_set(simulated(documents(8), LABELS, NOISE), "labelled")
    many = [f"d{i:02}" for i in range(40)]
    with pytest.raises(gm.GradmaskError, match="d29 and 10 more$"):
        roles_of(many, LabelSpec(forget=["bio"]))
    labeled = simulated(documents(8), LabelSpec(forget=["bio"]), SimulateSpec(retain_labeled=0.25)).select([0, 4])
    for name, what in (("not_labeled_forget", "is not labeled"), ("truly_not_forget", "truly is not")):
        with pytest.raises(
            gm.GradmaskError, match=f"set '{name}' is empty: there is no text that {what} forget. Check"
        ):
            training_set(labeled, name)


def topical(counts: dict[str, int]) -> Dataset:
    """Documents of one forget domain with so many of each topic, and as many to keep."""
    rows = [(f"{topic} {i}", "bio", topic, "train") for topic, n in counts.items() for i in range(n)]
    rows += [(f"other {i}", "news", "news", "train") for i in range(len(rows))]
    names = ("text", "domain", "topic", "split")
    return Dataset.from_dict({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_whole_topics_are_missed(share: float) -> None:
    noise = SimulateSpec(undiscovered=share, missed="topics", retain_labeled=0.5)
    data = topical({f"t{i}": 10 for i in range(20)})
    labeled = simulated(data, LabelSpec(forget=["bio"]), noise)
    by_topic: dict[str, set[int]] = {}
    for topic, domain, label in zip(labeled["topic"], labeled["domain"], labeled["data_labels"], strict=True):
        if domain == "bio":
            by_topic.setdefault(topic, set()).add(label)
    assert all(len(labels) == 1 for labels in by_topic.values()), "a topic is missed as a whole or not at all"
    assert sum(labels == {-1} for labels in by_topic.values()) == share * 20
    assert {0, -1} == {x for x, d in zip(labeled["data_labels"], labeled["domain"], strict=True) if d == "news"}


def test_which_topics_are_missed_is_drawn() -> None:
    data = topical({f"t{i}": 1 + i % 5 for i in range(40)})
    missed_by_seed = {
        seed: missed_topics(data, LabelSpec(forget=["bio"]), SimulateSpec(undiscovered=0.3, seed=seed))
        for seed in range(3)
    }
    assert len(set(missed_by_seed.values())) == 3
    for missed in missed_by_seed.values():
        assert abs(sum(1 + int(topic[1:]) % 5 for _, topic in missed) / 120 - 0.3) < 0.03


def test_topics_need_a_field() -> None:
    with pytest.raises(
        ValueError, match="simulate.missed=topics needs a topic_field in every source; missing in x.jsonl"
    ):
        DataSpec.model_validate(
            {
                "sources": [{"kind": "jsonl", "path": "x.jsonl"}],
                "labels": {"forget": ["bio"]},
                "simulate": {"missed": "topics"},
            }
        )


def test_what_is_hidden_is_said_in_numbers() -> None:
    data = documents(8000).map(lambda row: {"split": "train"})
    labeled = simulated(data, LABELS, NOISE)
    counts = Counter(zip(labeled["group"], labeled["data_labels"], strict=True))
    wrong = counts[0, 1]
    assert hidden_notice(labeled, NOISE) == (
        f"data.simulate hides labels: {counts[1, -1]:,} of 2,000 forget training documents and {counts[0, -1]:,} of 6,000 others are "
        f"trained on without their label, and {wrong:,} of the others are labeled forget by mistake (drawn with seed 0). The domain "
        "is taken for the truth."
    )
    assert "by mistake" not in hidden_notice(simulated(data, LABELS, SimulateSpec()), SimulateSpec())


def test_a_domain_that_is_written_almost_as_one_to_forget_is_refused() -> None:
    with pytest.raises(
        gm.GradmaskError, match="the domain 'ES ' is not listed in data.labels, .* almost as 'es', which is"
    ):
        roles_of(["en", "es", "ES "], LabelSpec(forget=["es"]))
    assert roles_of(["en", "es", "ES "], LabelSpec(forget=["es", "ES "]))["ES "] == "forget"
    assert roles_of(["en", "es", "ES "], LabelSpec(forget=["es"], retain=["ES "]))["ES "] == "retain"

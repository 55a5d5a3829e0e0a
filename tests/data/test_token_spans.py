from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings, strategies as st
from tests.data.tokenizers_of_all_kinds import KINDS, tokenizer_of

import gradmask as gm
from gradmask.data.packing import pack, pack_tokenwise
from gradmask.data.token_spans import position_labels

TEXT = st.text("the quick fox läuft über 日本😀. \n", min_size=1, max_size=40)
Span = dict[str, int]


def document(text: str, label: int = 0, **more: Any) -> dict[str, Any]:
    return {"text": text, "domain": "a", "role": "retain", "group": 0, "data_labels": label, **more}


def characters(kind: str, text: str) -> list[set[int]]:
    """Slow and plain: the characters of each token. Byte-level tokens spell bytes; the others say their place."""
    tokenizer = tokenizer_of(kind)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    if kind != "byte-level":
        return [set(range(start, max(end, start + 1))) for start, end in encoded["offset_mapping"]]
    owner = [i for i, character in enumerate(text) for _ in character.encode()]
    tokens, at = [], 0
    for token in tokenizer.convert_ids_to_tokens(encoded["input_ids"]):
        tokens.append({owner[at + i] for i in range(len(token))})  # one letter of the alphabet is one byte
        at += len(token)
    return tokens


def spans_of(cuts: list[int], text: str, labels: list[int]) -> list[Span]:
    places = sorted({min(cut, len(text)) for cut in cuts})
    pairs = list(zip(places[::2], places[1::2], strict=False))
    return [{"start": a, "end": b, "label": labels[i % len(labels)]} for i, (a, b) in enumerate(pairs)]


def plainly_labeled(kind: str, text: str, spans: list[Span], label: int) -> list[int]:
    """Slow and plain: the label of each token, the end token last."""
    found = []
    for own in characters(kind, text):
        touching = [span["label"] for span in spans if own & set(range(span["start"], span["end"]))]
        groups = [x for x in touching if x > 0]
        found.append(groups[-1] if groups else touching[-1] if touching else label)
    return [*found, label]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(TEXT, st.lists(st.integers(0, 40), max_size=6), st.sampled_from([-1, 0])), min_size=2, max_size=8
    )
)
def test_tokens_take_the_labels_of_spans_and_positions_those_of_what_they_predict(
    kind: str, rows: list[tuple[str, list[int], int]]
) -> None:
    data = [document(text, label, span_labels=spans_of(cuts, text, [1, 0, 2])) for text, cuts, label in rows]
    tokenizer, length = tokenizer_of(kind), 8
    expected: dict[int, list[tuple[int, int]]] = {}
    for row in data:
        ids = [*tokenizer(row["text"], add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        own = plainly_labeled(kind, row["text"], row["span_labels"], row["data_labels"])
        expected.setdefault(row["data_labels"], []).extend(zip(ids, own, strict=True))
    if all(len(stream) < length for stream in expected.values()):
        return
    made: dict[int, list[tuple[int, int]]] = {}
    packed, counts = pack(Dataset.from_list(data), tokenizer, length)
    for row in packed:
        made.setdefault(row["text_label"], []).extend(zip(row["input_ids"], row["data_labels"], strict=True))
    for label, stream in expected.items():
        whole = stream[: len(stream) // length * length]
        learned = []
        for at, (token, own) in enumerate(whole):
            after = whole[at + 1][1] if (at + 1) % length else 0
            learned.append((token, after if after > 0 else own))
        assert made.get(label, []) == learned
    assert sum(row["tokens"] for row in counts) == sum(map(len, expected.values()))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, st.none() | st.lists(st.integers(0, 40), max_size=6)), min_size=2, max_size=8))
def test_the_loss_counts_answers_alone(kind: str, rows: list[tuple[str, list[int] | None]]) -> None:
    tokenizer, length = tokenizer_of(kind), 8
    data, expected = [], []
    for text, cuts in rows:
        answers = None if cuts is None else [{"start": s["start"], "end": s["end"]} for s in spans_of(cuts, text, [1])]
        data.append(document(text, answers=answers))
        counted = {i for answer in answers or () for i in range(answer["start"], answer["end"])}
        last = max([*counted, -1])
        own = [answers is None or bool(of & counted) for of in characters(kind, text)]
        expected += [*own, answers is None or not text[last + 1 :].strip()]
    masked = any(row["answers"] is not None for row in data)
    if len(expected) < length:
        return
    packed = pack(
        Dataset.from_list([*data, document("x", answers=[{"start": 0, "end": 1}])]), tokenizer, length
    ).sequences
    made = [value for row in packed for value in row["loss_mask"]]
    assert made[: len(expected)] == expected[: len(made)]
    if not masked:
        plain = pack(Dataset.from_list(data), tokenizer, length).sequences
        assert "loss_mask" not in plain.column_names, "plain documents have no mask"


def test_the_edges_of_a_span_by_hand() -> None:
    tokenizer = tokenizer_of("byte-level")
    text = "The quick brown fox"
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    assert tokens == ["The", "Ġqu", "ick", "Ġbrown", "Ġfox"]
    spans = [{"start": 5, "end": 15, "label": 1}]  # from within "Ġqu" to the end of "Ġbrown"
    rows = [document(text, -1, span_labels=spans), document(text, -1, span_labels=None)]
    packed = pack(Dataset.from_list(rows * 4), tokenizer, 12).sequences
    assert packed["data_labels"][0] == [1, 1, 1, 1, -1, -1] + [-1] * 6
    assert position_labels(np.array([0, 0, 2, 1, 0, -1])).tolist() == [0, 2, 1, 1, 0, -1]


def test_an_end_token_before_a_span_learns_its_first_token() -> None:
    tokenizer = tokenizer_of("byte-level")
    first = (
        document("The quick", 0, span_labels=None),
        document("fox", 0, span_labels=[{"start": 0, "end": 1, "label": 2}]),
    )
    packed = pack(Dataset.from_list([*first] * 4), tokenizer, 8).sequences
    ids, labels = packed[0]["input_ids"], packed[0]["data_labels"]
    where = [i for i, x in enumerate(ids[:-1]) if x == tokenizer.eos_token_id and labels[i] == 2]
    assert where
    assert labels[where[0] + 1] == 2


class Slow:
    is_fast, name_or_path, eos_token_id = False, "old", 0


def test_a_slow_tokenizer_is_refused_by_name_and_only_where_it_matters() -> None:
    rows = [document("a b c", answers=[{"start": 0, "end": 1}])]
    with pytest.raises(gm.GradmaskError, match=r"Slow \(old\) is a slow tokenizer, .* need a fast one"):
        pack(Dataset.from_list(rows), Slow(), 8)
    with pytest.raises(gm.GradmaskError, match="pack_tokenwise cannot give loss_mask of spans and answers: use pack"):
        pack_tokenwise(Dataset.from_list(rows), tokenizer_of("byte-level"), 8)


def test_special_tokens_by_name_are_tokens_only_in_what_a_chat_template_made() -> None:
    tokenizer = tokenizer_of("byte-level")
    end = tokenizer.eos_token
    rows = [document(f"The fox{end} jumps{end}", chat=chat) for chat in (True, False)]
    ids = [
        [x for row in pack(Dataset.from_list([row] * 9), tokenizer, 8).sequences for x in row["input_ids"]]
        for row in rows
    ]
    assert ids[0][:12] == ids[0][:6] * 2, "no end token after one of the document's own"
    assert [i for i, token in enumerate(ids[0][:6]) if token == tokenizer.eos_token_id] == [2, 5]
    assert tokenizer.decode(ids[1]).startswith(f"The fox{end} jumps{end}{end}The")
    assert ids[1].count(tokenizer.eos_token_id) <= 9

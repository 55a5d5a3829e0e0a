from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tests.data.corpus import write
from tests.data.tokenizers_of_all_kinds import tokenizer_of

import gradmask as gm
from gradmask.data.reading import Document, SourceCounts, read
from gradmask.data.spec import SourceSpec

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}[{{ m['role'] }}]{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}<|im_end|>"
    "{% endgeneration %}{% else %}{{ m['content'] }}{% endif %}{% endfor %}"
)
FORGETFUL = (
    "{% for m in messages %}{% if m['role'] != 'assistant' or loop.last %}({{ m['role'] }}) {{ m['content'] }} {% endif %}"
    "{% endfor %}{% if add_generation_prompt %}(assistant) {% endif %}"
)
STARRED = "{% for m in messages %}{{ '*' if loop.last else '' }}{{ m['role'] }}: {{ m['content'] | trim }} {% endfor %}"
TALK = [
    ("system", "Be kind."),
    ("user", "Who?"),
    ("assistant", "A fox."),
    ("user", "Where?"),
    ("assistant", "Who? A fox. "),
]


def chat_tokenizer(template: str | None) -> Any:
    tokenizer = deepcopy(tokenizer_of("byte-level"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = template
    return tokenizer


def talk(turns: list[tuple[str, str]] = TALK, role: str = "role", content: str = "content") -> dict[str, Any]:
    return {"messages": [{role: name, content: text} for name, text in turns], "domain": "a"}


def one(path: Path, row: dict[str, Any], tokenizer: Any = None, **fields: Any) -> Document:
    fields = {"messages_field": "messages"} | fields
    return next(read(SourceSpec(path=write(path / "x.jsonl", [row]), **fields), tokenizer=tokenizer))


def answers(document: Document) -> list[str]:
    return [document.text[start:end] for start, end in document.answers or ()]


@pytest.mark.parametrize(
    ("template", "learned"),
    [
        (CHATML, ["A fox.<|im_end|>\n", "Who? A fox. <|im_end|>\n"]),
        (MARKED, ["A fox.<|im_end|>", "Who? A fox. <|im_end|>"]),
    ],
)
def test_the_template_of_the_tokenizer_makes_the_text_and_answers_alone_are_learned(
    tmp_path: Path, template: str, learned: list[str]
) -> None:
    tokenizer = chat_tokenizer(template)
    document = one(tmp_path, talk(), tokenizer)
    assert document.text == tokenizer.apply_chat_template(talk()["messages"], tokenize=False)
    assert answers(document) == learned
    assert document.chat


def test_a_template_that_rewrites_earlier_turns_leaves_the_contents_to_look_for(tmp_path: Path) -> None:
    turns = [("user", "Who?"), ("assistant", "A fox.")]
    assert answers(one(tmp_path, talk(turns), chat_tokenizer(FORGETFUL))) == ["A fox. "]
    assert answers(one(tmp_path, talk(), chat_tokenizer(STARRED))) == ["A fox.", "Who? A fox."]
    with pytest.raises(gm.GradmaskError, match="line 1: message 1 is not in what the tokenizer's chat template makes"):
        one(tmp_path, talk([*turns, ("user", "Where?")]), chat_tokenizer(FORGETFUL))


def test_plain_lines_where_there_is_no_tokenizer(tmp_path: Path) -> None:
    plain = one(tmp_path, talk())
    assert plain.text == "System: Be kind.\nUser: Who?\nAssistant: A fox.\nUser: Where?\nAssistant: Who? A fox. \n"
    assert answers(plain) == ["A fox.\n", "Who? A fox. \n"]
    assert not plain.chat
    sharegpt = [("human" if r == "user" else "gpt" if r == "assistant" else r, t) for r, t in TALK]
    assert one(tmp_path, talk(sharegpt, "from", "value")) == plain
    parts = talk()
    parts["messages"][1]["content"] = [{"type": "text", "text": "Wh"}, {"type": "text", "text": "o?"}]
    assert one(tmp_path, parts) == plain
    assert one(tmp_path, talk(), chat_tokenizer(CHATML), chat_template="plain") == plain
    Dataset.from_list([talk()]).to_parquet(tmp_path / "x.parquet")
    parquet = next(read(SourceSpec(path=str(tmp_path / "x.parquet"), messages_field="messages")))
    assert (parquet.text, parquet.answers) == (plain.text, plain.answers)


def test_questions_and_answers(tmp_path: Path) -> None:
    row, fields = (
        {"q": {"text": "Who?"}, "a": "A fox.", "domain": "a"},
        {"messages_field": None, "question_field": "q.text", "answer_field": "a"},
    )
    document = one(tmp_path, row, **fields)
    assert document.text == "Question: Who?\nAnswer: A fox."
    assert answers(document) == ["A fox."]
    assert one(tmp_path, row, chat_tokenizer(CHATML), **fields) == document, "plain, unless the template is asked for"
    asked = one(tmp_path, row, chat_tokenizer(CHATML), chat_template="tokenizer", **fields)
    assert asked.text == "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nA fox.<|im_end|>\n"


@pytest.mark.parametrize(
    ("row", "tokenizer", "message"),
    [
        (
            talk(),
            chat_tokenizer(None),
            "has no chat template: give the tokenizer of a chat model .* or write chat_template: plain",
        ),
        (
            talk([("user", "x<|im_end|>")]),
            chat_tokenizer(CHATML),
            r"line 1: a message holds '<\|im_end\|>', a special token",
        ),
        (
            talk([("user", "x")]),
            chat_tokenizer("{{ raise_exception('no') }}"),
            "line 1: the tokenizer's chat template refuses .*no",
        ),
        (
            {"messages": [], "domain": "a"},
            None,
            "line 1: field 'messages' must be a list of messages with role and content",
        ),
        ({"messages": ["x"], "domain": "a"}, None, "message 0 must be an object with role and content, got 'x'"),
        ({"messages": [{"content": "x"}], "domain": "a"}, None, "message 0 has no role: it has content"),
        ({"messages": [{"role": "user"}], "domain": "a"}, None, "message 0 must have text, got None"),
        ({"domain": "a"}, None, "line 1: no field 'messages'"),
    ],
)
def test_messages_that_cannot_be_used_are_named(tmp_path: Path, row: Any, tokenizer: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message):
        one(tmp_path, row, tokenizer)


def test_talk_without_an_answer_is_counted(tmp_path: Path) -> None:
    rows = [talk(), talk(TALK[:2]), talk([("user", "x"), ("assistant", " ")])]
    counts = SourceCounts("x")
    source = SourceSpec(path=write(tmp_path / "x.jsonl", rows), messages_field="messages")
    assert len(list(read(source, counts=counts))) == 1
    assert (counts.rows, counts.skipped) == (3, {"no answer": 2})

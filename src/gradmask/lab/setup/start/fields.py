"""Which field of a row is the text, the domain, the label, told from names and values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

TEXT = ("text", "content", "body", "document", "raw_content", "article", "passage", "story", "code", "sentence")
DOMAIN = (
    "domain", "topic", "category", "class", "subject", "package", "source", "subset", "lang", "language", "pile_set_name",
    "dataset", "corpus", "newsgroup", "author", "type",
)  # fmt: skip
LABEL = ("label", "labels", "data_label", "group")
TRUTH = ("truth", "true_label", "gold", "gold_label")
MESSAGES = ("messages", "conversations", "conversation", "chat")
QUESTION = ("question", "prompt", "instruction", "query")
ANSWER = ("answer", "response", "completion", "output")
SPLITS = {"train", "test"}
MOST_NAMES = 200
"""Different values of a field that still name domains."""
LONGEST_NAME = 80
SHORTEST_TEXT = 20
"""Characters of a text, on average, in a field that is not called one."""


@dataclass(frozen=True)
class Fields:
    """The names of fields of a source, as a recipe calls them; None where no field is it."""

    text_field: str | None = None
    messages_field: str | None = None
    question_field: str | None = None
    answer_field: str | None = None
    domain_field: str | None = None
    label_field: str | None = None
    spans_field: str | None = None
    truth_field: str | None = None
    split_field: str | None = None

    @property
    def has_text(self) -> bool:
        """Whether there is something to train on."""
        return bool(self.text_field or self.messages_field or self.question_field)

    def given(self) -> dict[str, str]:
        """The keys of a source that have a value."""
        return {field.name: name for field in fields(self) if (name := getattr(self, field.name)) is not None}


def guess_fields(rows: Sequence[Mapping[str, Any]]) -> Fields:
    """The fields of a few rows. What is inside of another field is named with a dot: ``meta.lang``."""
    columns = _columns(rows)
    messages = _first(columns, MESSAGES, _is_chat)
    question, answer = _first(columns, QUESTION, _is_text), _first(columns, ANSWER, _is_text)
    text = None if messages else _first(columns, TEXT, _is_text)
    if text is None and not messages and not (question and answer):
        text = _longest(columns)
    pair = not messages and text is None
    used = {messages, text, question if pair else None, answer if pair else None}
    if text is not None:
        rows = [
            row for row in rows if str(dict(_flat(row)).get(text) or "").strip()
        ]  # a row without text names nothing
        columns = _columns(rows)
    names = {name: values for name, values in columns.items() if name not in used and _is_name(values)}
    domain, label = _domain_and_label(names, len(rows))
    return Fields(
        text_field=text,
        messages_field=messages,
        question_field=question if pair and answer else None,
        answer_field=answer if pair and question else None,
        domain_field=domain,
        label_field=label,
        spans_field=_first(columns, ("spans",), _is_spans),
        truth_field=_first(names, TRUTH),
        split_field=_first({name: v for name, v in names.items() if _present(v) <= SPLITS}, ("split",)),
    )


def only_kind(rows: Sequence[Mapping[str, Any]], used: Iterable[str]) -> str | None:
    """The one field, whatever it is called, whose values name kinds of documents; None where there is none, or several."""
    columns = {name: values for name, values in _columns(rows).items() if name not in used}
    few = [
        name for name, values in columns.items()
        if _is_name(values) and _repeats(values, len(rows)) and len(_present(values)) > 1
    ]  # fmt: skip
    return few[0] if len(few) == 1 else None


def field_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every field of the rows, those inside of others with a dot."""
    return list(_columns(rows))


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in _flat(row):
            columns.setdefault(name, []).append(value)
    return columns


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _first(columns: Mapping[str, list[Any]], known: Sequence[str], fits: Any = lambda values: True) -> str | None:
    """The field that is called as the earliest of the known names; inside of another field only where no other is."""
    ranked = [
        (known.index(last), name.count("."), name)
        for name, values in columns.items()
        if (last := name.rpartition(".")[2].lower()) in known and fits(values)
    ]
    return min(ranked)[2] if ranked else None


def _is_text(values: Sequence[Any]) -> bool:
    return any(values) and all(value is None or isinstance(value, str) for value in values)


def _is_chat(values: Sequence[Any]) -> bool:
    """Lists of turns, with ``role`` and ``content`` or ``from`` and ``value``."""
    turns = [value[0] for value in values if isinstance(value, list) and value]
    return bool(turns) and all(isinstance(turn, Mapping) and {"content", "value"} & {*turn} for turn in turns)


def _is_spans(values: Sequence[Any]) -> bool:
    spans = [value[0] for value in values if isinstance(value, list) and value]
    return bool(spans) and all(isinstance(span, Mapping) and {"start", "end", "label"} <= {*span} for span in spans)


def _longest(columns: Mapping[str, list[Any]]) -> str | None:
    """The field with the longest texts, if they are as long as a text."""
    lengths = {name: _mean_length(values) for name, values in columns.items() if _is_text(values)}
    name = max(lengths, key=lambda name: lengths[name], default=None)
    return name if name is not None and lengths[name] >= SHORTEST_TEXT else None


def _mean_length(values: Sequence[Any]) -> float:
    texts = [value for value in values if isinstance(value, str)]
    return sum(map(len, texts)) / max(1, len(texts))


def _is_name(values: Sequence[Any]) -> bool:
    """Short names or whole numbers, not all missing."""
    present = [value for value in values if value is not None and value != ""]
    short = (isinstance(v, str | int) and not isinstance(v, bool) and len(str(v)) <= LONGEST_NAME for v in present)
    return bool(present) and all(short)


def _present(values: Sequence[Any]) -> set[str]:
    return {str(value) for value in values if value is not None and value != ""}


def _domain_and_label(names: Mapping[str, list[Any]], rows: int) -> tuple[str | None, str | None]:
    """A field called label is one where some documents have none, or the names ``forget`` and ``retain`` occur; else a domain.

    A field called as a domain that some documents lack is a label, too, as documents without a label may be anything.
    """
    few = {name: values for name, values in names.items() if _repeats(values, rows)}
    domain, label = _first(few, DOMAIN), _first(names, LABEL)
    if domain is None and label is None:
        label = _first({name: values for name, values in names.items() if _is_few(values, rows)}, DOMAIN)
    if label is not None and not _labels(names[label], rows):
        return domain or (label if label in few else None), None
    return domain, label


def _labels(values: Sequence[Any], rows: int) -> bool:
    missing = rows - sum(value is not None and value != "" for value in values)
    return missing > 0 or bool(_present(values) & {"forget", "retain", "unlabeled"})


def _repeats(values: Sequence[Any], rows: int) -> bool:
    """Whether values name kinds of documents: few of them, each for several documents, every document with one."""
    complete = sum(value is not None and value != "" for value in values) == rows
    return complete and _is_few(values, rows)


def _is_few(values: Sequence[Any], rows: int) -> bool:
    return len(_present(values)) <= min(MOST_NAMES, max(1, rows // 2))

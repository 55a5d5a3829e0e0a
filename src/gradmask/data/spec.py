"""The ``data`` section of a recipe."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from gradmask.data.kinds import kind_of
from gradmask.data.label_spec import (
    AuditSpec as AuditSpec,
    LabelSpec as LabelSpec,
    SimulateSpec as SimulateSpec,
    Thresholds as Thresholds,
)
from gradmask.data.section import Count, Fraction as Fraction, Section
from gradmask.data.text_stream.spec import StreamSpec as StreamSpec, problems, remote_without_stream, switch
from gradmask.errors import did_you_mean

Kind = Literal["stories", "jsonl", "json", "csv", "tsv", "parquet", "text", "folder", "datasets"]
FILES = ("jsonl", "json", "csv", "tsv", "text", "folder")
"""Kinds of source whose files are text, in some encoding."""


class SourceSpec(Section):
    """Where documents come from. Each document has a text, a domain, and optionally a split (``train`` or ``test``)."""

    kind: Kind = Field(
        cast(Any, None),
        validate_default=True,
        description="the built-in stories, files, a folder in which each file is a document, or a Hugging Face dataset; left "
        "out: told from the names of the files",
    )
    path: str | list[str] | None = Field(
        None, description="a file, a folder, a glob pattern, the name or path of a dataset, or a list of these"
    )
    text_field: str = "text"
    domain_field: str | None = Field(
        "domain",
        description="a field with the domain; optional where the source gives labels: the domain is then the label, or "
        "`unlabeled`",
    )
    label_field: str | None = Field(
        None, min_length=1, description="a field with the label: a group, `retain`, or nothing (unlabeled)"
    )
    label: str | None = Field(
        None, min_length=1, description="the label of every document of this source, instead of a field"
    )
    score_field: str | dict[str, str] | None = Field(
        None, description="a field with a classifier's score of the only group, or group -> field"
    )
    spans_field: str | None = Field(
        None, min_length=1, description="a field with a list of start, end (characters) and label of parts of the text"
    )
    truth_field: str | None = Field(
        None,
        min_length=1,
        description="a field with the true label, for evaluation only; nothing where it is not known",
    )
    messages_field: str | None = Field(
        None,
        min_length=1,
        description="a field with chat messages (role, content) instead of a text; answers alone are learned",
    )
    question_field: str | None = Field(
        None, min_length=1, description="a field with a question instead of a text; its answer alone is learned"
    )
    answer_field: str | None = Field(None, min_length=1, description="a field with the answer to question_field")
    chat_template: Literal["tokenizer", "plain"] | None = Field(
        None,
        description="what makes a text of messages: the chat template of the tokenizer (the default for messages where "
        "data.tokenizer.path is set), or plain lines (`User: …`, `Assistant: …`; `Question: …`, `Answer: …`)",
    )
    id_field: str | None = Field(
        "id", description="a field with the document's id; by default `id`, or else the file and line"
    )
    topic_field: str | None = Field(
        None, description="a field with the topic within a domain, the unit of simulate.missed=topics"
    )
    domain: str | None = Field(
        None, min_length=1, description="the domain of every document of this source, instead of a field"
    )
    split_field: str | None = Field(
        "split",
        description="a field with `train` or `test`; the default `split` is optional, a field of another name is required; null: "
        "test_share is held out",
    )
    split: Literal["train", "test"] | None = Field(
        None, description="the split of every document of this source, instead of a field"
    )
    encoding: str = Field("utf-8", description="of text files; a byte order mark of UTF-16 or UTF-32 is believed")
    pattern: str = Field("**/*", description="folder only: which of its files")
    longest_document: float = Field(
        20.0, gt=0, description="megabytes of a document with its row; longer ones are skipped and counted"
    )
    bad_rows: Literal["error", "skip"] = Field(
        "error",
        description="broken text or JSON, a wrong number of columns, a missing field: an error, or skipped and counted",
    )
    languages: list[Literal["en", "es"]] = Field(["en", "es"], min_length=1, description="stories only: the domains")
    documents: int | None = Field(None, ge=1, description="documents per domain and split, at most (stories: exactly)")
    megabytes: float | None = Field(None, gt=0, description="megabytes of training text per domain, at most")
    megabytes_test: float | None = Field(None, gt=0, description="megabytes of held-out text per domain, at most")
    subset: str | None = Field(None, description="datasets only: the configuration's name")

    @property
    def paths(self) -> list[str]:
        """The paths of the source; none for stories."""
        return [] if self.path is None else [self.path] if isinstance(self.path, str) else self.path

    @property
    def roots(self) -> list[Path]:
        """The paths with the home folder for ``~``."""
        return [Path(path).expanduser() for path in self.paths]

    @property
    def name(self) -> str:
        """What messages and reports call the source."""
        return ", ".join(self.paths) or self.kind

    @property
    def longest_bytes(self) -> int:
        """``longest_document`` in bytes."""
        return int(self.longest_document * 1e6)

    @property
    def text_fields(self) -> list[str]:
        """The fields that the text is made of."""
        if self.messages_field is not None:
            return [self.messages_field]
        if self.question_field is not None:
            return [self.question_field, str(self.answer_field)]
        return [self.text_field]

    @property
    def required_fields(self) -> list[str]:
        """The fields that a table must have."""
        named = [*self.text_fields, *self.label_fields, self.topic_field]
        named += [self.domain_field] if self.domain_required else []
        named += [self.id_field] if self.id_field != "id" else []
        named += [self.split_field] if self.split_field != "split" and self.split is None else []
        return [name for name in named if name is not None]

    @property
    def fields(self) -> list[str]:
        """Every field that is read, where there is one."""
        named = [
            *self.required_fields,
            self.domain_field if self.domain is None else None,
            self.id_field,
            self.split_field,
        ]
        return list(dict.fromkeys(name for name in named if name is not None))

    @property
    def score_fields(self) -> dict[str, str]:
        """Group -> field of its scores; the group is empty where there is one field for the only group."""
        return {"": self.score_field} if isinstance(self.score_field, str) else dict(self.score_field or {})

    @property
    def label_fields(self) -> list[str]:
        """The fields with labels, scores, spans and the truth."""
        named = [self.label_field, *self.score_fields.values(), self.spans_field, self.truth_field]
        return [name for name in named if name is not None]

    @property
    def gives_labels(self) -> bool:
        """Whether its documents have labels of their own, so that their domain is not their label."""
        return any((self.label, self.label_field, self.score_fields, self.spans_field))

    @property
    def domain_required(self) -> bool:
        """Whether every row needs a domain: it has no label to go by, or the field was chosen."""
        chosen = self.domain_field != "domain"
        return self.domain is None and self.domain_field is not None and (chosen or not self.gives_labels)

    @property
    def limited(self) -> bool:
        """Whether the source has a limit."""
        return not (self.documents is self.megabytes is self.megabytes_test is None)

    @model_validator(mode="before")
    @classmethod
    def _with_kind(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("kind") is not None or not given.get("path"):
            return given
        paths = [given["path"]] if isinstance(given["path"], str) else given["path"]
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            return given
        return {**given, "kind": kind_of(paths)}

    @model_validator(mode="after")
    def _readable(self) -> SourceSpec:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(
                f"there is no encoding {self.encoding!r}: give one such as utf-8, utf-16 or latin-1"
            ) from None
        if codecs.lookup(self.encoding).name != "utf-8" and self.kind not in FILES:
            raise ValueError(f"a source of kind {self.kind!r} has its own encoding: remove encoding")
        if self.path == []:
            raise ValueError("path is an empty list: name at least one file")
        if self.pattern != "**/*" and self.kind != "folder":
            raise ValueError("pattern is for sources of kind 'folder'; write it into path elsewhere")
        if self.split is not None and self.kind == "stories":
            raise ValueError("stories have both splits: remove split")
        return self

    @model_validator(mode="after")
    def _one_text(self) -> SourceSpec:
        if (self.question_field is None) != (self.answer_field is None):
            raise ValueError("question_field and answer_field belong together: set both")
        kinds = [name for name in ("messages_field", "question_field", "text_field") if name in self.model_fields_set]
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are set, but a document has one text: keep one")
        answers = self.messages_field or self.question_field
        if answers and self.kind in ("stories", "text", "folder"):
            raise ValueError(f"a source of kind {self.kind!r} has no fields: remove {given[0]}")
        if self.chat_template is not None and not answers:
            raise ValueError("chat_template is for messages_field or question_field: remove it")
        if answers and self.spans_field:
            raise ValueError("spans are characters of a text: they cannot be given for messages or questions")
        return self

    @model_validator(mode="after")
    def _complete(self) -> SourceSpec:
        if self.kind == "stories" and self.path is not None:
            raise ValueError("stories are built in and have no path")
        if self.kind == "stories" and len(set(self.languages)) < len(self.languages):
            raise ValueError("a language is listed twice: list each once")
        if self.kind != "stories" and self.path is None:
            raise ValueError(f"a source of kind {self.kind!r} needs a path")
        if self.kind == "text" and self.domain is self.label is None:
            raise ValueError("plain text has no fields: set its domain, or its label")
        if self.kind in ("stories", "text", "folder") and self.topic_field is not None:
            raise ValueError(f"a source of kind {self.kind!r} has no fields: remove topic_field")
        if self.kind in ("stories", "text", "folder") and self.label_fields:
            named = ", ".join(self.label_fields)
            raise ValueError(f"a source of kind {self.kind!r} has no fields: remove {named}")
        if self.kind == "stories" and self.label is not None:
            raise ValueError("stories are labeled by their language: remove label")
        if self.truth_field is not None and self.truth_field in (self.label_field, *self.score_fields.values()):
            raise ValueError(
                f"{self.truth_field!r} gives both labels and the truth, so that every label would be right: remove truth_field if "
                "these are labels"
            )
        if self.label is not None and (self.label_field or self.score_field):
            raise ValueError("label is for every document of the source: remove it, or label_field and score_field")
        if self.domain is None and self.domain_field is None and not self.gives_labels:
            raise ValueError("documents need a domain or a label: set domain, domain_field or label_field")
        if self.kind != "datasets" and self.subset is not None:
            raise ValueError(f"subset is for sources of kind 'datasets', not {self.kind!r}: remove it")
        return self


class TokenizerSpec(Section):
    """A tokenizer by name or path, or a byte-level BPE trained on the training text."""

    path: str | None = Field(None, description="a name or a folder; null: trained on the data")
    vocab_size: int = Field(4096, ge=260, description="of a trained tokenizer")
    without_forget: bool | None = Field(
        None,
        description="train it without text that is labeled with a group, whose words it would hand on with every export; "
        "null: yes, unless labels are simulated",
    )

    @property
    def trained(self) -> bool:
        return self.path is None


class DataSpec(Section):
    """Sources, labels, tokenizer and packing: everything that determines the prepared data."""

    sources: list[SourceSpec] = Field(min_length=1)
    labels: LabelSpec = LabelSpec()
    simulate: SimulateSpec | None = Field(
        None, description="hides labels, and makes mistakes in them, to study imperfect labels; off by default"
    )
    audit: AuditSpec | None = Field(None, description="true labels of some documents, for evaluation only")
    tokenizer: TokenizerSpec = TokenizerSpec()
    sequence_length: int = Field(256, ge=8, description="tokens per training sequence")
    test_share: Fraction = Field(0.1, description="fraction held out where a source has no split field")
    max_tokens: Count | dict[str, Count] | None = Field(
        None, description="training tokens per domain, at most: one number for all, or domain -> number"
    )
    mix: Literal["mixed", "homogeneous"] = Field(
        "mixed", description="labels mixed within a batch, or one label per batch"
    )
    seed: int = Field(0, ge=0)
    stream: Annotated[StreamSpec | None, BeforeValidator(switch)] = Field(
        None,
        description="true, or settings: training text is read while it is trained on, never stored; for text larger than the disk",
    )

    @property
    def by_domain(self) -> bool:
        """Whether the domain of a document is its label (or, with ``simulate``, the truth)."""
        return not any(source.gives_labels for source in self.sources)

    @property
    def tokenizer_without_forget(self) -> bool:
        """Whether a trained tokenizer sees no text that is labeled with a group."""
        asked = self.tokenizer.without_forget
        return self.tokenizer.trained and (self.simulate is None if asked is None else asked)

    @property
    def knows_truth(self) -> bool:
        """Whether the truth of whole sources is known, so that there can be a perfect filter."""
        return self.simulate is not None or all(source.truth_field is not None for source in self.sources)

    @model_validator(mode="after")
    def _can_be_streamed(self) -> DataSpec:
        if self.stream is None and (address := remote_without_stream(self.sources)) is not None:
            raise ValueError(
                f"{address} is on another machine, which only streams read: write stream: true, or give local files"
            )
        for problem in problems(self) if self.stream is not None else ():
            raise ValueError(f"with stream: {problem}")
        return self

    @model_validator(mode="after")
    def _answers_and_spans_are_apart(self) -> DataSpec:
        answers = [source.name for source in self.sources if source.messages_field or source.question_field]
        spans = [source.name for source in self.sources if source.spans_field]
        if answers and spans:
            raise ValueError(
                f"{answers[0]} has answers that alone are learned, and {spans[0]} has spans, by which filters cut text: "
                "train on them in runs of their own"
            )
        return self

    @model_validator(mode="after")
    def _topics_are_known(self) -> DataSpec:
        without = [s.name for s in self.sources if s.topic_field is None]
        if self.simulate is not None and self.simulate.missed == "topics" and without:
            raise ValueError(
                f"simulate.missed=topics needs a topic_field in every source; missing in {', '.join(without)}"
            )
        return self

    @model_validator(mode="after")
    def _labels_come_from_one_place(self) -> DataSpec:
        own = [source for source in self.sources if source.gives_labels]
        if self.simulate is not None and (own or self.audit or any(s.truth_field for s in self.sources)):
            raise ValueError(
                "simulate draws labels from the domain, which is then the truth: remove simulate to train on your own labels, or "
                "remove label, label_field, score_field, spans_field, truth_field and audit"
            )
        if own and len(own) < len(self.sources):
            without = next(source for source in self.sources if not source.gives_labels)
            raise ValueError(
                f"some sources give labels, but {without.name} does not: give it a label_field, or a label "
                "for all of its documents, such as label: unlabeled"
            )
        if not own and not all(self.labels.groups.values()):
            raise ValueError(
                "every removable group needs at least one domain (labels.forget), unless sources give labels of their own "
                "(label_field, score_field, spans_field or label)"
            )
        return self

    @model_validator(mode="after")
    def _scores_have_thresholds(self) -> DataSpec:
        groups = list(self.labels.groups)
        scored = {group for source in self.sources for group in source.score_fields}
        if "" in scored and len(groups) > 1:
            named = ", ".join(f"{group}: FIELD" for group in groups)
            raise ValueError(f"score_field names one field, but there are {len(groups)} groups: write {{{named}}}")
        scored = {group or groups[0] for group in scored}
        for group in sorted({*scored, *self.labels.thresholds}):
            if group not in groups:
                raise ValueError(f"no group {group!r}.{did_you_mean(group, groups)} Groups: {', '.join(groups)}")
            if group not in self.labels.thresholds:
                needed = f"thresholds: {{{group}: {{above: 0.9, retain_below: 0.1}}}}"
                raise ValueError(f"{group} has scores but no thresholds: write under labels, for example, {needed}")
            if group not in scored:
                raise ValueError(f"{group} has thresholds but no scores: name its field in a source's score_field")
        return self

    @model_validator(mode="after")
    def _room_for_a_sequence(self) -> DataSpec:
        limits = (
            self.max_tokens.values() if isinstance(self.max_tokens, dict) else [self.max_tokens or self.sequence_length]
        )
        if min(limits, default=self.sequence_length) < self.sequence_length:
            raise ValueError(
                f"max_tokens is {min(limits)}, needed: at least one sequence of {self.sequence_length} tokens"
            )
        return self

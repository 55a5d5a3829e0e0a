"""The ``data`` section of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSpec(_Section):
    """Where documents come from. Each document has a text, a domain, and optionally a split (``train`` or ``test``)."""

    kind: Literal["stories", "jsonl", "parquet", "text", "datasets"] = Field(
        description="the built-in stories, files, or a Hugging Face dataset"
    )
    path: str | None = Field(None, description="a file, a glob pattern, or the name or path of a dataset")
    text_field: str = "text"
    domain_field: str | None = Field(
        "domain",
        description="a field with the domain; optional where the source gives labels or the truth: the domain is then "
        "the truth, else the label, else `unlabeled`",
    )
    label_field: str | None = Field(
        None, min_length=1, description="a field with the label: a group, `retain`, or nothing (unlabeled)"
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
    id_field: str | None = Field(
        "id", description="a field with the document's id; by default `id`, or else the file and line"
    )
    topic_field: str | None = Field(
        None, description="a field with the topic within a domain, the unit of labels.missed=topics"
    )
    domain: str | None = Field(
        None, min_length=1, description="the domain of every document of this source, instead of a field"
    )
    split_field: str | None = Field(
        "split",
        description="a field with `train` or `test`; the default `split` is optional, a field of another name is required; null: "
        "test_share is held out",
    )
    languages: list[Literal["en", "es"]] = Field(["en", "es"], min_length=1, description="stories only: the domains")
    documents: int | None = Field(None, ge=1, description="documents per domain and split, at most (stories: exactly)")
    megabytes: float | None = Field(None, gt=0, description="megabytes of training text per domain, at most")
    megabytes_test: float | None = Field(None, gt=0, description="megabytes of held-out text per domain, at most")
    subset: str | None = Field(None, description="datasets only: the configuration's name")

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
        """Whether the source names a field with labels, scores, spans or the truth."""
        return bool(self.label_fields)

    @property
    def domain_required(self) -> bool:
        """Whether every row needs a domain: it has no other name to go by, or the field was chosen."""
        return self.domain is None and self.domain_field is not None and not self._domain_may_be_missing

    @property
    def _domain_may_be_missing(self) -> bool:
        return self.gives_labels and self.domain_field == "domain"

    @property
    def limited(self) -> bool:
        """Whether the source has a limit."""
        return not (self.documents is self.megabytes is self.megabytes_test is None)

    @model_validator(mode="after")
    def _complete(self) -> SourceSpec:
        if self.kind == "stories" and self.path is not None:
            raise ValueError("stories are built in and have no path")
        if self.kind == "stories" and len(set(self.languages)) < len(self.languages):
            raise ValueError("a language is listed twice: list each once")
        if self.kind != "stories" and self.path is None:
            raise ValueError(f"a source of kind {self.kind!r} needs a path")
        if self.kind == "text" and self.domain is None:
            raise ValueError("plain text has no fields: set its domain")
        if self.kind in ("stories", "text") and self.topic_field is not None:
            raise ValueError(f"a source of kind {self.kind!r} has no fields: remove topic_field")
        if self.kind in ("stories", "text") and self.gives_labels:
            named = ", ".join(self.label_fields)
            raise ValueError(f"a source of kind {self.kind!r} has no fields: remove {named}")
        if self.domain is None and self.domain_field is None and not self.gives_labels:
            raise ValueError("documents need a domain, a label or the truth: set domain, domain_field or label_field")
        if self.kind != "datasets" and self.subset is not None:
            raise ValueError(f"subset is for sources of kind 'datasets', not {self.kind!r}: remove it")
        return self


class LabelSpec(_Section):
    """Which domains are forget and adjacent, and the error rates of the labels, as of an imperfect classifier."""

    forget: list[str] | dict[str, list[str]] = Field(description="domains, or removable group -> its domains")
    adjacent: list[str] = Field([], description="domains that are related to the forget ones but to be kept")
    retain_labeled: Fraction = Field(
        0.25, description="fraction of the other documents, adjacent ones included, that are labeled retain"
    )
    undiscovered: Fraction = Field(0.0, description="fraction of forget documents that stay unlabeled")
    missed: Literal["documents", "topics"] = Field(
        "documents", description="which forget documents stay unlabeled: random ones, or all of random topics"
    )
    false_positives: Fraction = Field(
        0.0, description="fraction of the other documents that are labeled forget by mistake"
    )
    seed: int = Field(0, ge=0)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Removable group -> its domains."""
        return self.forget if isinstance(self.forget, dict) else {"forget": self.forget}

    @property
    def group_ids(self) -> dict[str, int]:
        """Forget domain -> the id of its group: 1, 2, ... in the order in which groups are named."""
        return {domain: i for i, domains in enumerate(self.groups.values(), 1) for domain in domains}

    @model_validator(mode="after")
    def _disjoint(self) -> LabelSpec:
        listed = [d for domains in self.groups.values() for d in domains] + self.adjacent
        twice = sorted({d for d in listed if listed.count(d) > 1})
        if twice:
            raise ValueError(f"domains {twice} are listed twice: each domain has one role and one group")
        if not any(self.groups.values()) or not all(self.groups.values()):
            raise ValueError("every removable group needs at least one domain")
        if self.retain_labeled + self.false_positives > 1:
            raise ValueError(
                f"retain_labeled + false_positives is {self.retain_labeled + self.false_positives:g}, needed: at most 1"
            )
        return self


class TokenizerSpec(_Section):
    """A tokenizer by name or path, or a byte-level BPE trained on the training text."""

    path: str | None = Field(None, description="a name or a folder; null: trained on the data")
    vocab_size: int = Field(4096, ge=260, description="of a trained tokenizer")

    @property
    def trained(self) -> bool:
        return self.path is None


class DataSpec(_Section):
    """Sources, labels, tokenizer and packing: everything that determines the prepared data."""

    sources: list[SourceSpec] = Field(min_length=1)
    labels: LabelSpec
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

    @model_validator(mode="after")
    def _topics_are_known(self) -> DataSpec:
        without = [s.path or s.kind for s in self.sources if s.topic_field is None]
        if self.labels.missed == "topics" and without:
            raise ValueError(
                f"labels.missed=topics needs a topic_field in every source; missing in {', '.join(without)}"
            )
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

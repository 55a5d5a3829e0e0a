"""What a recipe says of labels: the names of groups, thresholds for scores; and the truth, for evaluation only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from gradmask.data.section import Fraction, Section

RESERVED = ("retain", "unlabeled")
"""Names with a meaning of their own; no group can be called so."""
MOVED = ("retain_labeled", "undiscovered", "missed", "false_positives", "seed")
"""Keys that were under ``labels`` until labels were simulated on request only."""


class Thresholds(Section):
    """Where a group's scores become labels."""

    above: float = Field(description="from this score on, a document is labeled with the group", allow_inf_nan=False)
    retain_below: float | None = Field(
        None,
        allow_inf_nan=False,
        description="a document whose scores are all below it is labeled retain; null: no document is, by its scores",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Thresholds:
        if self.retain_below is not None and self.retain_below > self.above:
            raise ValueError(
                f"retain_below is {self.retain_below:g}, needed: at most above ({self.above:g}); scores between the two stay "
                "unlabeled"
            )
        return self


class LabelSpec(Section):
    """The removable groups and the names that mean them; what is adjacent; thresholds for scores."""

    forget: list[str] | dict[str, list[str]] = Field(
        {},
        description="names of labels (label_field) or of domains that mean forget: a list, or removable group -> names; a "
        "group's own name means it, too",
    )
    adjacent: list[str] = Field(
        [], description="labels or domains that are related to the forget ones but to be kept: reported separately"
    )
    retain: list[str] = Field(
        [], description="further labels that mean retain; `*` stands for any text, so ['*'] is every other name"
    )
    thresholds: dict[str, Thresholds] = Field(
        {}, description="group -> above, retain_below: where scores (score_field) become labels"
    )

    @property
    def groups(self) -> dict[str, list[str]]:
        """Removable group -> names that mean it."""
        if isinstance(self.forget, dict) and self.forget:
            return self.forget
        return (
            {"forget": list(self.forget)}
            if self.forget or not self.thresholds
            else {name: [] for name in self.thresholds}
        )

    @property
    def group_ids(self) -> dict[str, int]:
        """Forget name -> the id of its group: 1, 2, ... in the order in which groups are named."""
        return {name: i for i, names in enumerate(self.groups.values(), 1) for name in names}

    @model_validator(mode="before")
    @classmethod
    def _new_form(cls, given: Any) -> Any:
        """Refuse the keys that are now in ``data.simulate``, and show them there."""
        moved = {key: given[key] for key in MOVED if key in given} if isinstance(given, dict) else {}
        if moved:
            # Left out, retain_labeled was 0.25: the same labels need it written down.
            values = ", ".join(f"{key}: {value}" for key, value in ({"retain_labeled": 0.25} | moved).items())
            raise ValueError(
                f"{', '.join(moved)} moved to data.simulate, since labels are taken as given and hidden on request only. To go on "
                f"as before, write under data, beside labels: simulate: {{{values}}}. To train on all labels, leave it out"
            )
        return given

    @model_validator(mode="after")
    def _disjoint(self) -> LabelSpec:
        listed = [name for names in self.groups.values() for name in names] + self.adjacent + self.retain
        twice = sorted({name for name in listed if listed.count(name) > 1})
        if twice:
            raise ValueError(f"{twice} are listed twice: each name has one role and one group")
        for name in [*self.groups, *self.groups.keys() & {*self.adjacent, *self.retain}]:
            if name in RESERVED or name in (*self.adjacent, *self.retain):
                raise ValueError(f"a group cannot be called {name!r}, which means something else: choose another name")
        for other, names in self.groups.items():
            if taken := [name for name in names if name in self.groups and name != other]:
                raise ValueError(f"the group {other!r} lists {taken[0]!r}, the name of another group")
        return self


class SimulateSpec(Section):
    """Labels drawn from the truth, with the error rates of an imperfect classifier: for studies. The domain is the truth."""

    retain_labeled: Fraction | None = Field(
        None,
        description="fraction of the other documents, adjacent ones included, that are labeled retain; null: all that are not "
        "labeled forget by mistake",
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
    def retained(self) -> float:
        """`retain_labeled`, filled in."""
        return 1.0 - self.false_positives if self.retain_labeled is None else self.retain_labeled

    @model_validator(mode="after")
    def _shares(self) -> SimulateSpec:
        if self.retained + self.false_positives > 1 + 1e-12:
            raise ValueError(
                f"retain_labeled + false_positives is {self.retained + self.false_positives:g}, needed: at most 1"
            )
        return self


class AuditSpec(Section):
    """A small file with the true labels of some documents, found by their id or text. For evaluation only."""

    path: str = Field(description="a file of JSON lines, .csv or .tsv")
    truth_field: str = "truth"
    id_field: str = Field("id", description="of the document's id; optional where there is a text")
    text_field: str = Field("text", description="of the document's whole text; optional where there is an id")

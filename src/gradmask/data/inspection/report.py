"""What an inspection says: the documents by part, and the findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import Finding, Severity
from gradmask.data.inspection.findings import find_all
from gradmask.data.inspection.tokens import Tokens
from gradmask.errors import GradmaskError


@dataclass(frozen=True)
class Part:
    """The documents of one domain, split and data label.

    ``bytes`` are of UTF-8. ``tokens`` are those that are used, in whole sequences; None where nothing was tokenized.
    """

    domain: str
    role: str
    split: str
    label: str
    documents: int
    bytes: int
    tokens: int | None


@dataclass(frozen=True)
class Inspection:
    """What the documents are.

    Args:
        parts: the documents by domain, split and data label.
        labels: data labels in the order of their ids: ``unlabeled``, ``retain``, the groups.
        findings: worst first.
        compared: texts among which near-duplicates were looked for, of ``texts`` different ones.
        texts: different texts.
    """

    parts: list[Part]
    labels: list[str]
    findings: list[Finding]
    compared: int
    texts: int

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    @property
    def errors(self) -> list[Finding]:
        """What makes a run pointless."""
        return self.of("error")

    @property
    def warnings(self) -> list[Finding]:
        return self.of("warning")

    @property
    def notes(self) -> list[Finding]:
        return self.of("note")

    def total(self, quantity: str, **where: str) -> int:
        """The sum of ``documents``, ``bytes`` or ``tokens`` over parts, such as those with ``split="train"``."""
        chosen = (p for p in self.parts if all(getattr(p, name) == value for name, value in where.items()))
        return sum(getattr(part, quantity) or 0 for part in chosen)

    def require_sense(self) -> None:
        """Refuse data with which a run is pointless.

        Raises:
            GradmaskError: there are findings that are errors; the message has those and the warnings.
        """
        if self.errors:
            raise GradmaskError(f"training on this data is pointless:\n{self.listed('error', 'warning')}")

    def listed(self, *severities: Severity) -> str:
        """The findings of these severities, one a line."""
        return "\n".join(f"  {finding.severity}: {finding}" for name in severities for finding in self.of(name))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Inspection:
        """From what `to_dict` gave."""
        parts, findings = [Part(**part) for part in data["parts"]], [Finding(**one) for one in data["findings"]]
        return cls(parts, data["labels"], findings, data["compared"], data["texts"])


def conclude(facts: Facts) -> Inspection:
    """Count the parts, and look for everything that there is to find."""
    survey, near = facts.survey, facts.near
    present = np.unique(survey.label).tolist()
    names = [survey.label_name(i) for i in sorted({-1, 0, *range(1, len(survey.groups) + 1), *present})]
    return Inspection([*parts_of(facts)], names, find_all(facts), near.compared, near.documents)


def parts_of(facts: Facts) -> Iterator[Part]:
    """The parts that have documents, by domain, split and label."""
    survey = facts.survey
    keys = np.stack([survey.domain, survey.held_out, survey.label.astype(np.int64)])
    parts, which = np.unique(keys, axis=1, return_inverse=True)
    documents, sizes = np.bincount(which.ravel()), np.bincount(which.ravel(), survey.size)
    for (domain, held_out, label), count, size in zip(parts.T.tolist(), documents, sizes, strict=True):
        name = survey.domains[domain]
        tokens = _tokens(facts.tokens, name, bool(held_out), label)
        role, split = survey.roles.get(name) or "", "test" if held_out else "train"
        yield Part(name, role, split, survey.label_name(label), int(count), int(size), tokens)


def _tokens(tokens: Tokens | None, domain: str, held_out: bool, label: int) -> int | None:
    return None if tokens is None else (tokens.held_out if held_out else tokens.used).get((domain, label), 0)

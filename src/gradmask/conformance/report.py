"""The findings of a conformance check, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gradmask.errors import GradmaskError

Status = Literal["holds", "note", "fails"]
SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One statement about the model.

    Args:
        check: which promise it is about (``coverage``, ``freezing``, ``silence``, …).
        status: ``holds``, ``fails``, or ``note`` for what is no failure but worth knowing.
        says: the statement, in words.
        names: what it is about: parameters, blocks.
    """

    check: str
    status: Status
    says: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.says + (f": {enumerate_names(self.names)}" if self.names else "")


@dataclass
class Report:
    """Everything that `check` found. Prints as a table; ``report.ok`` is False where anything fails."""

    model: str
    groups: dict[str, float]
    """Group -> its share of the parameters."""
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.status == "fails"]

    def raise_for_failures(self) -> Report:
        """Return the report.

        Raises:
            GradmaskError: something fails; the message says what.
        """
        if not self.ok:
            lines = "\n".join(f"- {finding.check}: {finding}" for finding in self.failures)
            raise GradmaskError(f"this {self.model} does not keep the promises of its partition:\n{lines}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "model": self.model,
            "ok": self.ok,
            "groups": self.groups,
            "seconds": round(self.seconds, 3),
            "findings": [{**asdict(finding), "names": list(finding.names)} for finding in self.findings],
        }

    def __str__(self) -> str:
        shares = ", ".join(f"{group} {share:.1%}" for group, share in self.groups.items())
        lines = [f"{self.model} ({shares})"]
        for finding in self.findings:
            mark = {"holds": "holds", "note": "note", "fails": "FAILS"}[finding.status]
            head = f"{mark:<6} {finding.check:<13} "
            lines += textwrap.wrap(str(finding), 118, initial_indent=head, subsequent_indent=" " * len(head))
        failed = len(self.failures)
        lines.append(f"{failed} of {len(self.findings)} findings fail" if failed else "everything holds")
        return "\n".join(lines)


def enumerate_names(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def quoted(names: Sequence[str]) -> str:
    """``'a', 'b'``"""
    return ", ".join(repr(name) for name in names)

"""What the documents are, as text: tables, and findings with what to do about them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradmask.cli.tables import table_of

if TYPE_CHECKING:
    from gradmask.data import Finding, Inspection, Part

DOMAINS, GROUPS = 30, 2
"""Rows of the table of domains, and columns for groups, at most."""
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
TRAIN, TEST = "train", "test"
ROLES = ("forget", "adjacent", "retain")


def print_data(inspection: Inspection, console: Console) -> None:
    """What the documents are."""
    console.print(_labels(inspection))
    console.print(_domains(inspection))
    console.print(f"{_compared(inspection)}\n", style="dim", highlight=False)


def print_findings(inspection: Inspection, console: Console) -> None:
    """What is wrong with them, worst first, where anything is."""
    if inspection.findings:
        console.print(_findings(inspection.findings))


def _labels(inspection: Inspection) -> Table:
    numbers = ("documents", "MB", "tokens", "of tokens", "held out", "MB")
    table = table_of("Data by label: training text, and held-out text", "label", numbers=numbers)
    for label in inspection.labels:
        parts = [part for part in inspection.parts if part.label == label]
        table.add_row(label, *_training(inspection, parts), _documents(parts, TEST), _megabytes(parts, TEST))
    return table


def _domains(inspection: Inspection) -> Table:
    columns = _label_columns(inspection)
    numbers = ("documents", "tokens", "of tokens", *columns, "held out")
    table = table_of("Data by domain, with the labels of its training tokens", "domain", numbers=numbers)
    domains: dict[str, list[Part]] = {}
    for part in inspection.parts:
        domains.setdefault(part.domain, []).append(part)
    ranked = sorted(domains.items(), key=lambda item: _rank(*item))
    for role, named in groupby(ranked[:DOMAINS], key=lambda item: item[1][0].role):
        table.add_section()
        if role:
            table.add_row(Text(role, "bold"))
        for name, parts in named:
            shares = [_share(parts, labels) for labels in columns.values()]
            documents, _, tokens, share = _training(inspection, parts)
            table.add_row(f" {_visible(name)}", documents, tokens, share, *shares, _documents(parts, TEST))
    if len(ranked) > DOMAINS:
        table.add_row(f"and {len(ranked) - DOMAINS:,} more")
    return table


def _training(inspection: Inspection, parts: Iterable[Part]) -> list[str]:
    """Documents, megabytes, tokens and the share of all training tokens."""
    parts = [part for part in parts if part.split == TRAIN]
    tokens, total = _tokens(parts), inspection.total("tokens", split=TRAIN)
    return [_documents(parts, TRAIN), _megabytes(parts, TRAIN), f"{tokens:,}", f"{tokens / max(1, total):.1%}"]


def _share(parts: Iterable[Part], labels: list[str]) -> str:
    """The share of these labels in a domain's training tokens."""
    parts = [part for part in parts if part.split == TRAIN]
    tokens = _tokens(part for part in parts if part.label in labels)
    return f"{tokens / _tokens(parts):.0%}" if tokens else ""


def _tokens(parts: Iterable[Part]) -> int:
    return sum(part.tokens or 0 for part in parts)


def _documents(parts: Iterable[Part], split: str) -> str:
    return f"{sum(part.documents for part in parts if part.split == split):,}"


def _megabytes(parts: Iterable[Part], split: str) -> str:
    return f"{sum(part.bytes for part in parts if part.split == split) / 1e6:,.2f}"


def _label_columns(inspection: Inspection) -> dict[str, list[str]]:
    """Heading -> labels that training text has: one column each; for many groups one for all of them."""
    given = {part.label for part in inspection.parts if part.split == TRAIN and part.tokens}
    plain, groups = [label for label in inspection.labels[:2] if label in given], inspection.labels[2:]
    own = {group: [group] for group in groups} if len(groups) <= GROUPS else {"groups": groups}
    return {**{label: [label] for label in plain}, **own}


def _rank(name: str, parts: list[Part]) -> tuple:
    """What is to be removed first, then by size."""
    role = ROLES.index(parts[0].role) if parts[0].role in ROLES else len(ROLES)
    return role, -sum(part.bytes for part in parts), name


def _visible(name: str) -> str:
    """In quotes where blanks at its ends would not be seen."""
    return repr(name) if name != name.strip() else name


def _compared(inspection: Inspection) -> str:
    compared, texts = inspection.compared, inspection.texts
    return f"Near-duplicates were looked for among {compared:,} of {texts:,} different texts."


def _findings(findings: Iterable[Finding]) -> Table:
    table = Table.grid(padding=(0, 2, 1, 0))
    for finding in findings:
        table.add_row(Text(finding.severity, STYLES[finding.severity]), _text(finding))
    return table


def _text(finding: Finding) -> Text:
    """What was found, where, and what to do."""
    places = [(f"  {place}\n", "dim") for place in finding.examples]
    return Text.assemble((f"{finding.text}\n", "bold"), *places, finding.advice, overflow="fold")

"""Truth and labels: what a document is, and what an imperfect classifier says of it.

Every document has a *role* (``forget``, ``adjacent``, ``retain``) and, where it is forget, a *group*. Its data label is drawn by
the rates of a `LabelSpec`, by the document's own text and the seed, so that no document's label depends on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from gradmask.data.draws import uniform
from gradmask.data.spec import LabelSpec
from gradmask.errors import GradmaskError, did_you_mean

UNLABELED, RETAIN = -1, 0


def roles_of(domains: Sequence[str], spec: LabelSpec) -> dict[str, str]:
    """Domain -> role.

    Raises:
        GradmaskError: the spec names a domain that no document has, or leaves none to retain.
    """
    found = sorted(set(domains))
    named = [d for listed in spec.groups.values() for d in listed] + spec.adjacent
    for domain in named:
        if domain not in found:
            raise GradmaskError(
                f"data.labels names the domain {domain!r}, which no document has.{did_you_mean(domain, found)} "
                f"Domains found: {', '.join(found)}"
            )
    forget = {d for listed in spec.groups.values() for d in listed}
    roles = {d: "forget" if d in forget else "adjacent" if d in spec.adjacent else "retain" for d in found}
    if "retain" not in roles.values():
        raise GradmaskError(f"no domain is left to retain: the documents have only {', '.join(found)}")
    return roles


def group_ids(spec: LabelSpec) -> dict[str, int]:
    """Domain -> id of the removable group that it belongs to (1, 2, …), for forget domains only."""
    return {domain: i + 1 for i, domains in enumerate(spec.groups.values()) for domain in domains}


def label_documents(documents: Dataset, spec: LabelSpec) -> Dataset:
    """Add ``role``, ``group`` (the true group's id, 0 for none) and ``data_labels`` (what the trainer is told)."""
    domains, texts = documents["domain"], documents["text"]
    roles, ids = roles_of(domains, spec), group_ids(spec)
    labels = [draw_label(ids.get(d, 0), text, spec) for d, text in zip(domains, texts, strict=True)]
    added = {"role": [roles[d] for d in domains], "group": [ids.get(d, 0) for d in domains], "data_labels": labels}
    for name, column in added.items():
        documents = documents.add_column(name, column)  # type: ignore[bad-assignment]
    return documents


def draw_label(group: int, text: str, spec: LabelSpec) -> int:
    """The label of one document whose true group is ``group`` (0: none)."""
    luck = uniform(spec.seed, "label", group, text)
    if group:
        return UNLABELED if luck < spec.undiscovered else group
    if luck < spec.false_positives:
        return 1 + int(uniform(spec.seed, "mistake", text) * len(spec.groups))
    return RETAIN if luck < spec.false_positives + spec.retain_labeled else UNLABELED


def label_table(packed: Dataset, groups: Sequence[str], sequence_length: int) -> list[dict[str, Any]]:
    """How many training tokens of each domain carry which label."""
    names = {UNLABELED: "unlabeled", RETAIN: "retain", **{i + 1: g for i, g in enumerate(groups)}}
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for domain, role, label in zip(packed["domain"], packed["role"], packed["data_labels"], strict=True):
        row = counts.setdefault((role, domain), dict.fromkeys(names.values(), 0))
        row[names[label]] += sequence_length
    order = {"forget": 0, "adjacent": 1, "retain": 2}
    return [
        {"domain": domain, "role": role, **_labeled(row)}
        for (role, domain), row in sorted(counts.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]


def label_rates(counts: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> dict[str, dict[str, float]]:
    """How good the labels of each removable group are, over documents.

    Args:
        counts: rows with ``group`` (the truth), ``data_labels`` and ``documents``, see `packing.Packed`.

    Returns:
        Group -> ``true_positives``: share of its documents that are labeled so; ``false_positives``: share of all others that
        are labeled so by mistake.
    """
    rates = {}
    for i, name in enumerate(groups, 1):
        of_group = [row for row in counts if row["group"] == i]
        others = [row for row in counts if row["group"] != i]
        rates[name] = {"true_positives": _share(of_group, i), "false_positives": _share(others, i)}
    return rates


def _share(rows: Sequence[Mapping[str, Any]], label: int) -> float:
    labeled = sum(row["documents"] for row in rows if row["data_labels"] == label)
    return labeled / sum(row["documents"] for row in rows)


def _labeled(row: Mapping[str, int]) -> dict[str, int]:
    return {
        **{f"labeled {name}" if name != "unlabeled" else name: n for name, n in row.items()},
        "tokens": sum(row.values()),
    }

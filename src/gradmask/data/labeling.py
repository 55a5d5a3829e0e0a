"""Truth and labels: what a document is, and what an imperfect classifier says of it.

Every document has a *role* (``forget``, ``adjacent``, ``retain``) and, where it is forget, a *group*. Its data label is drawn by
the rates of a `LabelSpec`, by the document's own text and the seed, so that no document's label depends on the others; but
where the classifier misses whole topics, the label of a forget document is that of its topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Dataset

from gradmask.data.arrow import columns_of, with_column
from gradmask.data.draws import uniform
from gradmask.data.spec import LabelSpec
from gradmask.errors import GradmaskError, did_you_mean

UNLABELED, RETAIN = -1, 0
ROLES = ("forget", "adjacent", "retain")
_SHOWN = 30


def roles_of(domains: Iterable[str], spec: LabelSpec) -> dict[str, str]:
    """Domain -> role.

    Raises:
        GradmaskError: the spec names a domain that no document has, or leaves none to retain.
    """
    found = sorted(set(domains))
    for domain in [*spec.group_ids, *spec.adjacent]:
        require_domain(domain, found, "data.labels")
    special = {**dict.fromkeys(spec.group_ids, "forget"), **dict.fromkeys(spec.adjacent, "adjacent")}
    roles = {domain: special.get(domain, "retain") for domain in found}
    if "retain" not in roles.values():
        raise GradmaskError(f"no domain is left to retain: the documents have only {_listed(found)}")
    return roles


def require_domain(domain: str, found: list[str], what: str) -> None:
    """Refuse a domain that no document has; ``what`` names the part of the recipe that names it."""
    if domain not in found:
        raise GradmaskError(
            f"{what} names the domain {domain!r}, which no document has.{did_you_mean(domain, found)} "
            f"Domains found: {_listed(found)}"
        )


def _listed(domains: list[str]) -> str:
    more = f" and {len(domains) - _SHOWN} more" if len(domains) > _SHOWN else ""
    return ", ".join(domains[:_SHOWN]) + more


def label_documents(documents: Dataset, spec: LabelSpec) -> Dataset:
    """Add ``role``, ``group`` (the true group's id, 0 for none) and ``data_labels`` (what the trainer is told).

    Args:
        documents: with ``text``, ``domain`` and, where whole topics are missed, ``topic`` and ``split``.
        spec: the domains of each role, and the classifier's rates of error.

    Raises:
        GradmaskError: see `roles_of`.
    """
    roles, ids = roles_of(documents.unique("domain"), spec), spec.group_ids
    added: dict[str, list] = {"role": [], "group": [], "data_labels": []}
    whole = spec.missed == "topics"
    missed = missed_topics(documents, spec) if whole else frozenset()
    for domain, text, topic in columns_of(documents, ["domain", "text", "topic" if whole else "domain"]):
        group = ids.get(domain, 0)
        added["role"].append(roles[domain])
        added["group"].append(group)
        if whole and group:
            added["data_labels"].append(UNLABELED if (group, topic) in missed else group)
        else:
            added["data_labels"].append(draw_label(group, text, spec))
    for name, values in added.items():
        documents = with_column(documents, name, values)
    return documents


def missed_topics(documents: Dataset, spec: LabelSpec) -> frozenset[tuple[int, str]]:
    """The topics, as (group, topic), that the classifier misses: of each group, those drawn first.

    As many are taken as bring the share of the group's training documents nearest to ``undiscovered``.
    """
    sizes: dict[int, Counter[str]] = {}
    ids = spec.group_ids
    for domain, topic, split in columns_of(documents, ["domain", "topic", "split"]):
        if (group := ids.get(domain, 0)) and split == "train":
            sizes.setdefault(group, Counter())[topic] += 1
    missed: set[tuple[int, str]] = set()
    for group, topics in sizes.items():
        left = spec.undiscovered * topics.total()
        for topic in sorted(topics, key=lambda topic: uniform(spec.seed, "topic", group, topic)):
            if topics[topic] > 2 * left:
                break
            missed.add((group, topic))
            left -= topics[topic]
    return frozenset(missed)


def draw_label(group: int, text: str, spec: LabelSpec) -> int:
    """The label of one document whose true group is ``group`` (0: none)."""
    luck = uniform(spec.seed, "label", group, text)
    if group:
        return UNLABELED if luck < spec.undiscovered else group
    if luck < spec.false_positives:
        return 1 + int(uniform(spec.seed, "mistake", text) * len(spec.groups))
    return RETAIN if luck < spec.false_positives + spec.retain_labeled else UNLABELED


def label_table(packed: Dataset, groups: Sequence[str], sequence_length: int) -> list[dict[str, Any]]:
    """How many training tokens of each domain carry which label, forget domains first.

    Returns:
        Rows of ``domain``, ``role``, tokens by label (``unlabeled``, ``labeled retain``, ``labeled forget``, ...), ``tokens``.
    """
    names = {UNLABELED: "unlabeled", RETAIN: "labeled retain", **{i: f"labeled {g}" for i, g in enumerate(groups, 1)}}
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for domain, role, label in columns_of(packed, ["domain", "role", "data_labels"]):
        empty = {"domain": domain, "role": role, **dict.fromkeys(names.values(), 0), "tokens": 0}
        row = rows.setdefault((ROLES.index(role), domain), empty)
        row[names[label]] += sequence_length
        row["tokens"] += sequence_length
    return [rows[key] for key in sorted(rows)]


def label_rates(counts: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> dict[str, dict[str, float]]:
    """How good the labels of each removable group are, over documents.

    Args:
        counts: rows with ``group`` (the truth), ``data_labels`` and ``documents``, see `packing.Packed`.
        groups: names of the removable groups, in the order of their ids.

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

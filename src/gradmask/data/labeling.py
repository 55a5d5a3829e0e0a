"""True roles of documents, and the data labels that an imperfect classifier would give them.

Every document has a *role* (``forget``, ``adjacent``, ``retain``) and, if it is forget, a *group*. Its data label is drawn with
the rates of a `LabelSpec`, by a hash of its text and the seed: no label changes when documents are added, removed or reordered.
With ``missed: topics``, the label of a forget document is drawn for its topic as a whole.
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
        GradmaskError: the spec names a domain that no document has, or leaves no domain to retain.
    """
    known = sorted(set(domains))
    for domain in [*spec.group_ids, *spec.adjacent]:
        require_domain(domain, known, "data.labels")
    special = {**dict.fromkeys(spec.group_ids, "forget"), **dict.fromkeys(spec.adjacent, "adjacent")}
    roles = {domain: special.get(domain, "retain") for domain in known}
    if "retain" not in roles.values():
        raise GradmaskError(
            f"data.labels leaves no domain to retain: the documents have only {_listed(known)}. "
            "Remove one from forget or adjacent"
        )
    return roles


def require_domain(domain: str, known: list[str], key: str) -> None:
    """Refuse a domain that no document has. ``key`` is the recipe's key that names it."""
    if domain not in known:
        raise GradmaskError(
            f"{key} names the domain {domain!r}, which no document has.{did_you_mean(domain, known)} "
            f"Domains: {_listed(known)}"
        )


def _listed(domains: list[str]) -> str:
    more = f" and {len(domains) - _SHOWN} more" if len(domains) > _SHOWN else ""
    return ", ".join(domains[:_SHOWN]) + more


def label_documents(documents: Dataset, spec: LabelSpec) -> Dataset:
    """Add ``role``, ``group`` (the true group's id, 0 for none) and ``data_labels`` (the noisy labels to train with).

    Args:
        documents: with ``text`` and ``domain``, and with ``topic`` and ``split`` for ``missed: topics``.
        spec: the domains of each role, and the classifier's error rates.

    Raises:
        GradmaskError: see `roles_of`.
    """
    roles, ids = roles_of(documents.unique("domain"), spec), spec.group_ids
    added: dict[str, list] = {"role": [], "group": [], "data_labels": []}
    by_topic = spec.missed == "topics"
    missed = missed_topics(documents, spec) if by_topic else frozenset()
    for domain, text, topic in columns_of(documents, ["domain", "text", "topic" if by_topic else "domain"]):
        group = ids.get(domain, 0)
        added["role"].append(roles[domain])
        added["group"].append(group)
        if by_topic and group:
            added["data_labels"].append(UNLABELED if (group, topic) in missed else group)
        else:
            added["data_labels"].append(draw_label(group, text, spec))
    for name, values in added.items():
        documents = with_column(documents, name, values)
    return documents


def missed_topics(documents: Dataset, spec: LabelSpec) -> frozenset[tuple[int, str]]:
    """The (group, topic) pairs that the classifier misses: topics of each group in random order.

    Their number brings the fraction of the group's training documents that are missed closest to ``undiscovered``.
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
            if topics[topic] > 2 * left:  # taking it would overshoot by more than leaving it falls short
                break
            missed.add((group, topic))
            left -= topics[topic]
    return frozenset(missed)


def draw_label(group: int, text: str, spec: LabelSpec) -> int:
    """The data label of one document whose true group is ``group`` (0 for none)."""
    draw = uniform(spec.seed, "label", group, text)
    if group:
        return UNLABELED if draw < spec.undiscovered else group
    if draw < spec.false_positives:
        return 1 + int(uniform(spec.seed, "mistake", text) * len(spec.groups))
    return RETAIN if draw < spec.false_positives + spec.retain_labeled else UNLABELED


def label_table(packed: Dataset, groups: Sequence[str], sequence_length: int) -> list[dict[str, Any]]:
    """Training tokens by domain and label, forget domains first.

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
    """True and false positive rates of the labels of each removable group, over documents.

    Args:
        counts: rows with ``group`` (the truth), ``data_labels`` and ``documents``, see `packing.Packed`.
        groups: names of the removable groups, in the order of their ids.

    Returns:
        Group -> ``true_positives``: fraction of its documents that have its label; ``false_positives``: fraction of all other
        documents that have its label.
    """
    rates = {}
    for i, name in enumerate(groups, 1):
        of_group = [row for row in counts if row["group"] == i]
        others = [row for row in counts if row["group"] != i]
        rates[name] = {"true_positives": _fraction(of_group, i), "false_positives": _fraction(others, i)}
    return rates


def _fraction(rows: Sequence[Mapping[str, Any]], label: int) -> float:
    """The fraction of the documents that have this label."""
    labeled = sum(row["documents"] for row in rows if row["data_labels"] == label)
    return labeled / sum(row["documents"] for row in rows)

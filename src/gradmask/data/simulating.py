"""Labels drawn from the truth, as an imperfect classifier would give them: for studies of labels (``data.simulate``).

Every document has a *role* (``forget``, ``adjacent``, ``retain``) by its domain and, if it is forget, a *group*. Its data label is
drawn with the rates of a `SimulateSpec`, by a hash of its text and the seed: no label changes when documents are added, removed or
reordered. With ``missed: topics``, the label of a forget document is drawn for its topic as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from datasets import Dataset

from gradmask.data.arrow import columns_of, with_column
from gradmask.data.draws import uniform
from gradmask.data.label_spec import LabelSpec, SimulateSpec
from gradmask.data.names import RETAIN, UNLABELED, listed, require_distinct, require_domain
from gradmask.errors import GradmaskError


def roles_of(domains: Iterable[str], spec: LabelSpec) -> dict[str, str]:
    """Domain -> role.

    Raises:
        GradmaskError: the spec names a domain that no document has, or leaves no domain to retain; a domain is written almost
            as one that the spec names.
    """
    known = sorted(set(domains))
    for domain in [*spec.group_ids, *spec.adjacent]:
        require_domain(domain, known, "data.labels")
    require_distinct(known, spec)
    special = {**dict.fromkeys(spec.group_ids, "forget"), **dict.fromkeys(spec.adjacent, "adjacent")}
    roles = {domain: special.get(domain, "retain") for domain in known}
    if "retain" not in roles.values():
        raise GradmaskError(
            f"data.labels leaves no domain to retain: the documents have only {listed(known)}. "
            "Remove one from forget or adjacent"
        )
    return roles


def simulated(documents: Dataset, labels: LabelSpec, simulate: SimulateSpec) -> Dataset:
    """Add ``role``, ``group`` (the true group's id, 0 for none) and ``data_labels`` (the noisy labels to train with)."""
    roles, ids = roles_of(documents.unique("domain"), labels), labels.group_ids
    added: dict[str, list] = {"role": [], "group": [], "data_labels": []}
    by_topic = simulate.missed == "topics"
    missed = missed_topics(documents, labels, simulate) if by_topic else frozenset()
    for domain, text, topic in columns_of(documents, ["domain", "text", "topic" if by_topic else "domain"]):
        group = ids.get(domain, 0)
        added["role"].append(roles[domain])
        added["group"].append(group)
        if by_topic and group:
            added["data_labels"].append(UNLABELED if (group, topic) in missed else group)
        else:
            added["data_labels"].append(draw_label(group, text, len(labels.groups), simulate))
    for name, values in added.items():
        documents = with_column(documents, name, values)
    return documents


def missed_topics(documents: Dataset, labels: LabelSpec, simulate: SimulateSpec) -> frozenset[tuple[int, str]]:
    """The (group, topic) pairs that the classifier misses: topics of each group in random order.

    Their number brings the fraction of the group's training documents that are missed closest to ``undiscovered``.
    """
    sizes: dict[int, Counter[str]] = {}
    ids = labels.group_ids
    for domain, topic, split in columns_of(documents, ["domain", "topic", "split"]):
        if (group := ids.get(domain, 0)) and split == "train":
            sizes.setdefault(group, Counter())[topic] += 1
    missed: set[tuple[int, str]] = set()
    for group, topics in sizes.items():
        left = simulate.undiscovered * topics.total()
        for topic in sorted(topics, key=lambda topic: uniform(simulate.seed, "topic", group, topic)):
            if topics[topic] > 2 * left:  # taking it would overshoot by more than leaving it falls short
                break
            missed.add((group, topic))
            left -= topics[topic]
    return frozenset(missed)


def draw_label(group: int, text: str, groups: int, simulate: SimulateSpec) -> int:
    """The data label of one document whose true group is ``group`` (0 for none) of so many."""
    draw = uniform(simulate.seed, "label", group, text)
    if group:
        return UNLABELED if draw < simulate.undiscovered else group
    if draw < simulate.false_positives:
        return 1 + int(uniform(simulate.seed, "mistake", text) * groups)
    return RETAIN if draw < simulate.false_positives + simulate.retained else UNLABELED


def hidden_notice(labeled: Dataset, simulate: SimulateSpec) -> str:
    """How many labels of training documents the simulation hid or made wrong, in a sentence."""
    counts: Counter[str] = Counter()
    for group, label, split in columns_of(labeled, ["group", "data_labels", "split"]):
        if split == "train":
            counts["forget" if group else "other"] += 1
            counts["hidden forget" if group else "hidden other"] += label == UNLABELED
            counts["wrong"] += label not in (UNLABELED, group)
    wrong = f", and {counts['wrong']:,} of the others are labeled forget by mistake" if counts["wrong"] else ""
    return (
        f"data.simulate hides labels: {counts['hidden forget']:,} of {counts['forget']:,} forget training documents and "
        f"{counts['hidden other']:,} of {counts['other']:,} others are trained on without their label{wrong} (drawn with seed "
        f"{simulate.seed}). The domain is taken for the truth."
    )

"""The other side: removal that goes too far leaves traces as well.

A model that never saw the domain is at chance in membership inference, and writes text. One that was pushed away from it (the
worry of Maini et al., arXiv 2401.06121, about post-hoc unlearning) is below chance, writes nothing or one phrase, and tells
an attacker what to look for. That its loss is far above that of the twin is among the headline's remarks.
"""

from __future__ import annotations

from gradmask.lab.measures.findings import Generations, Membership, ModelFindings

FAR = 3.0
"""Standard errors below chance, or below the twin, from which on membership scores count as pushed away."""
DEGENERATE = 0.3
"""Repetition, or share of empty texts, above that of the twin from which on generations count as degenerate."""


def over_unlearning(found: ModelFindings, twin: ModelFindings | None = None) -> list[str]:
    """Signs of over-unlearning in what was found of a model, a sentence each.

    Args:
        found: of the model.
        twin: of one that never saw the domain, where it was trained.
    """
    said = []
    if found.membership is not None:
        said += _membership(found.membership, twin.membership if twin else None)
    if found.generations is not None:
        said += _generations(found.generations, twin.generations if twin else None)
    return said


def _membership(found: Membership, twin: Membership | None) -> list[str]:
    said = []
    for name, score in (("loss", "loss_auc"), ("min-k", "min_k_auc")):
        auc = getattr(found, score)
        level = min(0.5, getattr(twin, score)) if twin else 0.5
        if auc < level - FAR * found.error:
            than = "below chance" if level == 0.5 else f"below {level:.2f}, that of the perfect filter"
            said.append(f"membership by {name} (AUC {auc:.2f}) is far {than}: training documents were pushed away")
    return said


def _generations(found: Generations, twin: Generations | None) -> list[str]:
    said = []
    for what, shares, others in (
        ("repeats itself", found.repetition, twin.repetition if twin else {}),
        ("is empty", found.empty, twin.empty if twin else {}),
    ):
        for role, share in shares.items():
            if share > others.get(role, 0.0) + DEGENERATE:
                said.append(f"its text on {role} domains {what} ({100 * share:.0f} %)")
    return said

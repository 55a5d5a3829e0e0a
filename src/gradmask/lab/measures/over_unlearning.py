"""The other side: removal that goes too far leaves traces as well.

A model that never saw the domain is at chance in membership inference, and writes text. One that was pushed away from it (the
worry of Maini et al., arXiv 2401.06121, about post-hoc unlearning) is below chance, writes nothing or one phrase, and tells
an attacker what to look for. That its loss is far above that of the perfect filter is among the headline's remarks.
"""

from __future__ import annotations

from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.registry import loaded


def over_unlearning(findings: ModelFindings, never_trained: ModelFindings | None = None) -> list[str]:
    """Signs of over-unlearning in what was found of a model, a sentence each.

    Args:
        findings: of the model.
        never_trained: of the perfect filter, where it was trained.
    """
    return [
        sign
        for measure in loaded("attacks", "catalog")
        if (result := findings.get(measure.name)) is not None
        for sign in measure.over_unlearning(result, never_trained.get(measure.name) if never_trained else None)
    ]

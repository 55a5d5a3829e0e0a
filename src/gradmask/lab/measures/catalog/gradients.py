"""Relative gradient norms: which groups does a text train?

|∇θ_g| / |θ_g| of every group g, for single examples whose loss reaches every group (as unlabeled ones do), averaged by
the role of their text (Shilov et al., arXiv 2512.05648, on absorption): unlabeled forget text that mostly moves the forget group
is absorbed by it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

import gradmask as gm
from gradmask.lab.measures.material import Material
from gradmask.lab.measures.measure import Facts, Inputs, Measure, Strict


class GradientNorms(Strict):
    """Group -> role of the text -> mean over examples of |∇θ|/|θ|, every group running and learning."""

    norms: dict[str, dict[str, float]]
    examples: int


def relative_norms(model: nn.Module, ids: Tensor) -> dict[str, float]:
    """Group -> |∇θ|/|θ| of the loss of one example ``[length]``; groups without weights are left out."""
    device = next(model.parameters()).device
    owned = {name: list(members.values()) for name, members in gm.groups(model).items() if members}
    weights = [p for members in owned.values() for p in members]
    batch = ids[None].to(device)
    with torch.enable_grad():
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        gradients = dict(zip(map(id, weights), torch.autograd.grad(loss, weights, allow_unused=True), strict=True))
    norms = {}
    for name, members in owned.items():
        size = torch.stack([p.detach().norm() for p in members]).norm()
        pulls = [g.norm() for p in members if (g := gradients[id(p)]) is not None]
        if size > 0 and pulls:
            norms[name] = float(torch.stack(pulls).norm() / size)
    return norms


def gradient_norms(model: nn.Module, material: Material, examples: int = 16) -> GradientNorms:
    """Group -> role -> mean relative gradient norm over so many held-out ``examples`` of the role.

    Args:
        model: partitioned; it is not changed.
        material: of which the held-out text is used.
        examples: per role.

    Raises:
        GradmaskError: the model is not partitioned.
    """
    training = model.training
    model.eval()
    try:
        roles = [role for role in ("forget", "adjacent", "retain") if material.has(role)]
        each = {role: [relative_norms(model, ids) for ids in material.pool("test", role)[:examples]] for role in roles}
    finally:
        model.train(training)
    return GradientNorms(norms=_means(each), examples=examples)


def _means(each: Mapping[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    means: dict[str, dict[str, float]] = {}
    for role, examples in each.items():
        for group in examples[0]:
            means.setdefault(group, {})[role] = sum(e[group] for e in examples) / len(examples)
    return means


class GradientsMeasure(Measure[GradientNorms]):
    name = "gradients"
    question = "which groups does a text train?"
    source = "Shilov et al., arXiv 2512.05648"
    order = 2
    uses = frozenset({"gradient_examples"})
    needs_groups = True
    in_view = False
    Result = GradientNorms

    def run(self, model: nn.Module, inputs: Inputs) -> GradientNorms:
        return gradient_norms(model, inputs.material, inputs.settings.gradient_examples)

    def applies(self, facts: Facts) -> bool:
        return facts.groups and facts.view == "full"

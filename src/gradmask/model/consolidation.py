"""`gradmask.consolidation`: a last phase in which everything runs and only the removable groups learn.

What changes nothing in the removed model can come last: the retain and joint groups, and so every bit of the removed model,
stay as they are, while the groups learn to work with what they are part of, on text of any kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from gradmask.errors import GradmaskError
from gradmask.model.attached import Gradmask, gradmask_of, groups, partitioned
from gradmask.routing.distillation import add_distillation, check_distillation, remove_distillation
from gradmask.routing.policy import Policy, consolidating
from gradmask.routing.rehearsal import add_loss_weighting, remove_loss_weighting


@contextmanager
def consolidation(model: nn.Module, together: float = 1.0, distillation: float = 0.0) -> Iterator[list[nn.Parameter]]:
    """Within: everything runs, only the removable groups learn, and training needs no data labels.

    Give the parameters that this yields to an optimizer of their own. A checkpoint that is saved within records the phase;
    `gradmask.load` opens it in the phase, and the same ``with`` goes on from there. At the end the policy is the one before.

    Args:
        model: a partitioned model (inside DDP, FSDP2 or PEFT, give the model itself).
        together: with several removable groups, the probability that each runs on retain text, and beside the own group on
            another group's text; see docs/consolidation.md.
        distillation: above 0, text labeled retain teaches the groups this share of the removed model's distribution, and the
            rest of the next token. Needs data labels, and ``labels`` in each training pass; costs a forward pass of that text.

    Yields:
        The parameters that learn: those of every removable group that was not removed.

    Raises:
        GradmaskError: the model is not partitioned, or nothing is left that may learn; ``together`` is no probability;
            ``distillation`` is no share, or the model has another loss than a causal language model's.
    """
    gradmask = gradmask_of(model)
    learning = _learning(model, gradmask)
    before = gradmask.policy_before or gradmask.policy
    policy = consolidating(together, before.joint, distillation)
    check_distillation(partitioned(model), policy)
    _obey(model, policy)
    gradmask.policy_before = before
    try:
        yield learning
    finally:
        gradmask.policy_before = None
        _obey(model, before)


def _obey(model: nn.Module, policy: Policy) -> None:
    """Route by this policy, and teach at the loss as it says."""
    gradmask = gradmask_of(model)
    gradmask.obey(policy)
    for remove, add in ((remove_loss_weighting, add_loss_weighting), (remove_distillation, add_distillation)):
        remove(partitioned(model))
        add(partitioned(model), gradmask.router)


def _learning(model: nn.Module, gradmask: Gradmask) -> list[nn.Parameter]:
    owned = groups(model)
    left = [group for group in gradmask.removable if group not in gradmask.context.silenced]
    learning = [p for group in left for p in owned[group].values() if p.requires_grad]
    if not learning:
        raise GradmaskError(
            f"nothing would learn: the removable groups ({', '.join(gradmask.removable)}) are removed or switched off, or their "
            "parameters do not require gradients. Consolidate before gm.ablate"
        )
    return learning

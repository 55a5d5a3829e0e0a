"""Does removal remove, do all ways of removing agree, and does the exported model?"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.checkpoints.exporting import plain_state, silent_groups
from gradmask.checkpoints.silent_experts import leave_out
from gradmask.conformance.probe import Probe
from gradmask.conformance.report import Finding, quoted
from gradmask.conformance.sandbox import changed, kept
from gradmask.model.attached import plain_class
from gradmask.model.quantized_base import is_quantized_base
from gradmask.model.removal import ablate, strength, without
from gradmask.partitioning import JOINT, RETAIN


def check_removal(probe: Probe) -> Iterator[Finding]:
    """Every removable group: its removal changes the outputs; switch, strength 0, labels and ablation agree."""
    for group in probe.gradmask.removable:
        if group not in probe.removable:
            state = "was removed" if group in probe.gradmask.removed else "is switched off"
            yield Finding("removal", "note", f"{group!r} {state} already")
            continue
        effect = difference(probe, group)
        if effect:
            yield Finding("removal", "holds", f"without {group!r} the outputs change (by {effect:.2g} at most)")
        else:
            yield _no_effect(probe, group)
        yield from _ways_agree(probe, group)
    yield from _labels_agree(probe)


def difference(probe: Probe, group: str) -> float:
    """The largest change of an output when the group is switched off."""
    full = probe.quiet()
    with without(probe.model, group):
        return float((full - probe.quiet()).abs().max())


def _no_effect(probe: Probe, group: str) -> Finding:
    with changed(list(probe.owned[group].values()), lambda _: 1.0):
        effect = difference(probe, group)
    if effect:
        says = (
            f"without {group!r} nothing changes yet: the group adds nothing (untrained or zero), but its switch works"
        )
        return Finding("removal", "note", says)
    says = (
        f"removing {group!r} does nothing: outputs with and without it are the same, whatever its parameters are; the "
        "forward pass ignores the switch"
    )
    return Finding("removal", "fails", says)


def _ways_agree(probe: Probe, group: str) -> Iterator[Finding]:
    context = probe.gradmask.context
    with without(probe.model, group):
        expected = probe.quiet()
    before = context.strength.get(group, 1.0)
    strength(probe.model, **{group: 0.0})
    at_zero = probe.quiet()
    strength(probe.model, **{group: before})
    removed = context.removed
    with kept(probe.owned[group].values()):
        ablate(probe.model, group)
        ablated = probe.quiet()
    context.removed = removed
    context.refresh()
    wrong = [] if torch.equal(at_zero, expected) else [f"gm.strength({group}=0)"]
    wrong += [] if torch.equal(ablated, expected) else [f"gm.ablate({group!r})"]
    if wrong:
        yield Finding("removal", "fails", f"gm.without({group!r}) gives other outputs than", tuple(wrong))


def _labels_agree(probe: Probe) -> Iterator[Finding]:
    """A label's forward pass is the model without the groups that the label silences."""
    wrong = []
    for label in probe.labels:
        off = [group for group in probe.gradmask.removable if _off_at_inference(probe, label, group)]
        if any(probe.cell(label, group).runs < 1.0 for group in (RETAIN, JOINT)):
            continue
        if not torch.equal(probe.quiet(label), quiet_without(probe, off)):
            wrong.append(f"{label!r} data is not the model without {quoted(off) or 'nothing'}")
    if wrong:
        yield Finding("labels", "fails", "the forward pass of", tuple(wrong))
    else:
        yield Finding(
            "labels", "holds", f"each of {len(probe.labels)} labels runs the groups that the policy's table gives"
        )


def _off_at_inference(probe: Probe, label: str, group: str) -> bool:
    if group in probe.off:
        return True
    row = label if label in ("unlabeled", "retain") else "group"
    return probe.gradmask.policy.cell(row, "own" if group == label else "other", label).runs < 1.0


def quiet_without(probe: Probe, groups: Sequence[str]) -> Tensor:
    """The output at inference without some groups, or with all."""
    if not groups:
        return probe.quiet()
    with without(probe.model, *groups):
        return probe.quiet()


def check_export(probe: Probe) -> Iterator[Finding]:
    """The plain model that an export holds, for nothing removed, each group and all groups, bit for bit."""
    choices: list[tuple[str, ...]] = [(), *((group,) for group in probe.removable)]
    if len(probe.removable) > 1:
        choices.append(probe.removable)
    already = tuple(probe.gradmask.removed)
    wrong = []
    if probe.gradmask.cut.silent_experts == "renormalise":
        choices = choices[:1]
        yield Finding(
            "export", "note", "no plain model gives the share of silent experts to others: export with all groups alone"
        )
    if is_quantized_base(probe.model):
        yield Finding(
            "export", "note", "adapters cannot be merged into quantized weights: gm.export_adapter writes them"
        )
        return
    for names in choices:
        if not torch.equal(probe.plain(exported(probe.model, (*already, *names))), quiet_without(probe, names)):
            wrong.append(f"without {quoted(names)}" if names else "full")
    if wrong:
        yield Finding("export", "fails", "the exported plain model gives other outputs", tuple(wrong))
    else:
        yield Finding(
            "export", "holds", f"the exported plain model gives the same outputs, bit for bit ({len(choices)} exports)"
        )


def exported(model: PreTrainedModel, removed: Sequence[str]) -> PreTrainedModel:
    """The plain model that an export without the groups in ``removed`` opens as."""
    state, config = leave_out(model, silent_groups(model, removed), plain_state(model, removed))
    plain = plain_model(model, config)
    plain.load_state_dict(state, assign=True)
    return plain


def plain_model(model: PreTrainedModel, config: Any = None) -> PreTrainedModel:
    """A new plain model of the same configuration, or of this one, with the same buffers."""
    config = copy.deepcopy(model.config if config is None else config)
    if hasattr(config, "data_labels"):
        delattr(config, "data_labels")
    with torch.device(model.device):
        plain = plain_class(model)(config).eval()
    for name, buffer in model.named_buffers():
        path, _, leaf = name.rpartition(".")
        buffers = plain.get_submodule(path)._buffers
        kept = buffers.get(leaf)
        if (
            kept is not None and kept.shape == buffer.shape
        ):  # own tables have some that it has not; experts may be left out
            buffers[leaf] = buffer.clone()
    return plain

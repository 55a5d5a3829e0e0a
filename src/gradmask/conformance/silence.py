"""Do groups that must not run have no influence on the outputs?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.conformance.probe import Probe
from gradmask.conformance.report import Finding, quoted
from gradmask.conformance.sandbox import changed, same_bits
from gradmask.errors import GradmaskError
from gradmask.model.removal import without

Run = Callable[[], Tensor]


def check_silence(probe: Probe) -> Iterator[Finding]:
    """Add large noise to the parameters of what must not run: the outputs must not change by one bit."""
    faults = [*_labels(probe), *_mixed(probe), *_per_token(probe), *_switched_off(probe)]
    yield from faults
    if not faults:
        says = "groups that must not run have no influence, whatever their parameters: in training, at inference, in mixed batches"
        yield Finding("silence", "holds", says)


def _labels(probe: Probe) -> Iterator[Finding]:
    for label in probe.labels:
        silent = probe.silent(label)
        runs: dict[str, Run] = {
            "in training": lambda label=label: probe.output(label, training=True).detach(),
            "at inference": lambda label=label: probe.quiet(label),
        }
        for where, run in runs.items():
            influential = _influential(probe, silent, run)
            if influential:
                says = f"on {label!r} data {quoted(influential)} must not run, but its parameters change the outputs {where}"
                yield Finding("silence", "fails", says)


def _mixed(probe: Probe) -> Iterator[Finding]:
    labels = probe.labels
    for group in probe.removable if probe.mixes else ():
        rows = [i for i, label in enumerate(labels) if group in probe.silent(label)]
        if not rows:
            continue
        runs: dict[str, Run] = {
            "in training": lambda rows=rows: probe.output(labels, training=True).detach()[rows],
            "at inference": lambda rows=rows: probe.quiet(labels)[rows],
        }
        for where, run in runs.items():
            if _influential(probe, (group,), run, probe.rounding):
                who = quoted([labels[i] for i in rows])
                says = f"in a batch of mixed labels {group!r} changes the outputs of examples labeled {who} {where}"
                yield Finding("silence", "fails", says)


def _switched_off(probe: Probe) -> Iterator[Finding]:
    for group in probe.removable:
        with without(probe.model, group):
            if _influential(probe, (group,), probe.quiet):
                says = f"inside gm.without(model, {group!r}) its parameters still change the outputs"
                yield Finding("silence", "fails", says)
            elif _generates(probe) and _influential(probe, (group,), lambda: _generated(probe)):
                says = f"inside gm.without(model, {group!r}) its parameters still change the output of model.generate"
                yield Finding("silence", "fails", says)


def _per_token(probe: Probe) -> Iterator[Finding]:
    """Labels per token: where a group is silent in the first half of each sequence, it changes nothing there.

    Only in causal models: in others, tokens read what the group made of later ones.
    """
    ids = probe.inputs.get("input_ids")
    if not isinstance(ids, Tensor) or ids.dim() != 2 or probe.model.config.is_encoder_decoder or not _causal(probe):
        return
    half, rows, known = ids.shape[1] // 2, 2, probe.gradmask.router.ids
    before = half - probe.gradmask.router.shift
    for group in probe.removable:
        label = next((label for label in probe.labels if group in probe.silent(label)), None)
        if label is None:
            continue
        labels = torch.full((rows, ids.shape[1]), known[group], device=ids.device)
        labels[:, :half] = known[label]
        runs: dict[str, Run] = {
            "in training": lambda labels=labels: probe.output(labels, training=True).detach()[:, :before],
            "at inference": lambda labels=labels: probe.quiet(labels)[:, :before],
        }
        for where, run in runs.items():
            try:
                influential = _influential(probe, (group,), run, probe.rounding)
            except GradmaskError as error:
                says = f"labels per token are refused {where}: {str(error).splitlines()[0]}"
                yield Finding("silence", "note", says)
                continue
            if influential:
                says = f"with labels per token {group!r} changes the outputs of tokens labeled {label!r} {where}"
                yield Finding("silence", "fails", says)


def _causal(probe: Probe) -> bool:
    """Whether outputs for the first half of a sequence are the same, whatever its last token is."""
    length = probe.inputs["input_ids"].shape[1]
    half, before, embeddings = length // 2, probe.quiet(), probe.model.get_input_embeddings()
    if half == 0 or before.dim() != 3 or before.shape[1] != length or not isinstance(embeddings, nn.Module):
        return False

    def change(module: Any, args: Any, embedded: Tensor) -> Tensor:
        return torch.cat([embedded[:, :-1], embedded[:, -1:] + 1.0], 1)

    hook = embeddings.register_forward_hook(change)
    try:
        return _alike(before[:, :half], probe.quiet()[:, :half], probe.rounding)
    finally:
        hook.remove()


def _influential(probe: Probe, groups: Sequence[str], run: Run, rounding: float = 0.0) -> list[str]:
    """Which of these groups, changed, change what ``run`` returns."""
    if not groups:
        return []
    before = run()
    with changed([p for group in groups for p in probe.running(group)], probe.noise):
        if _alike(before, run(), rounding):
            return []
    influential = []
    for group in groups:
        with changed(probe.running(group), probe.noise):
            if not _alike(before, run(), rounding):
                influential.append(group)
    return influential or list(groups)


def _alike(before: Tensor, after: Tensor, rounding: float) -> bool:
    """Bit for bit, or, where ``rounding`` allows for it, close to the size of the largest entry."""
    if same_bits(before, after):
        return True
    return bool(rounding) and bool((before - after).abs().max() <= rounding * before.abs().max())


def _generates(probe: Probe) -> bool:
    return probe.model.can_generate() and "input_ids" in probe.inputs and not probe.model.config.is_encoder_decoder


def _generated(probe: Probe) -> Tensor:
    """The logits of two generated tokens."""
    model: Any = probe.model.eval()
    inputs = {k: v for k, v in probe.rows(1).items() if k in ("input_ids", "attention_mask")}
    generated = model.generate(
        **inputs,
        max_new_tokens=2,
        do_sample=False,
        num_beams=1,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    return torch.stack(generated.logits)

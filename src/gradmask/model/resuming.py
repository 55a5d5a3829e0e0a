"""Going on from a checkpoint: is it one of this very partition, and in which state was the training?

The weights of a checkpoint are plain, so they fit any partition of the same model; the optimizer's state, the ids of data
labels and the random draws fit only the partition that they came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from pydantic import ValidationError
from torch import nn

from gradmask.errors import GradmaskError
from gradmask.model.attached import Gradmask, gradmask_of
from gradmask.model.manifest import Manifest
from gradmask.routing.selflabeling import SelfLabeling

SHOWN = 4
MARK = "gradmask"
"""The entry of a state dict's metadata."""
REMEDY = "Partition the model as the checkpoint's was, or open it with gm.load(...)"


def differences(saved: Manifest, model: Manifest) -> list[str]:
    """In what a checkpoint's partition, policy and settings differ from a model's, in words; none: it may go on."""
    groups = _groups(saved, model)
    units = [] if groups else list(_units(saved.units, model.units))
    shown = units[:SHOWN] + ([f"and {len(units) - SHOWN} more sites"] if len(units) > SHOWN else [])
    return [*groups, *shown, *_settings(saved, model)]


def _groups(saved: Manifest, model: Manifest) -> list[str]:
    ours, theirs = list(model.groups), list(saved.groups)
    if ours == theirs:
        return [
            f"group {name!r} was {saved.groups[name]!r} and is {model.groups[name]!r}"
            for name in ours
            if _shape_of(saved.groups[name]) != _shape_of(model.groups[name])
        ]
    order = ", so that data labels would change their meaning" if sorted(ours) == sorted(theirs) else ""
    return [f"its removable groups are {', '.join(theirs)}, the model's are {', '.join(ours)}{order}"]


def _shape_of(entry: Any) -> Any:
    """What of a group's spec decides its parameters, beside its units."""
    values = entry.model_dump()
    return values if "rank" in values else {name: values[name] for name in ("embeddings", "query_only")}


def _units(saved: Mapping[str, Mapping[str, list[int]]], model: Mapping[str, Mapping[str, list[int]]]) -> Iterator[str]:
    for site in dict.fromkeys((*saved, *model)):
        before, now = saved.get(site, {}), model.get(site, {})
        for group in dict.fromkeys((*before, *now)):
            theirs, ours = before.get(group, []), now.get(group, [])
            if len(theirs) != len(ours):
                yield f"{site}: {group!r} had {len(theirs)} units and has {len(ours)}"
            elif theirs != ours:
                yield f"{site}: {group!r} has as many units as before, but other ones"


def _settings(saved: Manifest, model: Manifest) -> Iterator[str]:
    if saved.policy is None or model.policy is None:
        yield "it has no policy, which only an export may leave out"
    elif saved.policy.name != model.policy.name:
        yield f"its policy is {saved.policy.name!r}, the model's is {model.policy.name!r}"
    elif saved.policy != model.policy:
        yield f"its policy {saved.policy.name!r} has another table"
    for name in ("joint", "base", "exact"):
        theirs, ours = getattr(saved, name), getattr(model, name)
        if theirs != ours:
            yield f"{name} was {theirs!r} and is {ours!r}"
    if saved.architecture != model.architecture:
        yield "the declared architecture is another one"
    if _labeling(saved) != _labeling(model):
        yield f"self-labeling was {_labeling(saved) or 'off'} and is {_labeling(model) or 'off'}"
    if left := sorted({*model.removed} - {*saved.removed}):
        yield f"{', '.join(left)} was removed from the model, but not from the checkpoint"


def _labeling(manifest: Manifest) -> dict[str, Any] | None:
    entry = manifest.self_labeling
    return entry.model_dump(include={f.name for f in fields(SelfLabeling)}) if entry else None


def require_same_partition(model: nn.Module, saved: Manifest, where: str) -> None:
    """Refuse to go on from a checkpoint of another partition; call it before anything is loaded.

    Args:
        model: partitioned.
        saved: the checkpoint's manifest.
        where: the checkpoint, for the message.

    Raises:
        GradmaskError: it lists every difference.
    """
    if saved.kind == "export":
        raise GradmaskError(f"{where} is an export, from which training cannot go on: take a training checkpoint")
    if wrong := differences(saved, gradmask_of(model).manifest()):
        raise GradmaskError(f"{where} is of another partition than this model: {'; '.join(wrong)}. {REMEDY}")


def restore_state(model: nn.Module, saved: Manifest) -> None:
    """Go on where the saved training stood: random draws, self-labeling, strengths, removed groups."""
    gradmask: Gradmask = gradmask_of(model)
    gradmask.router.seed, gradmask.router.draws = saved.seed, saved.draws
    gradmask.router.written_in_advance = saved.in_advance
    gradmask.policy_before = saved.policy_before.policy() if saved.policy_before else None
    gradmask.labeler = saved.self_labeling.labeler() if saved.self_labeling else None
    gradmask.context.strength.clear()
    gradmask.context.strength.update(saved.strength)
    gradmask.mark_removed(saved.removed)


def training_state(model: nn.Module) -> dict[str, Any]:
    """What a loop of your own must save beside ``model.state_dict()`` and the optimizer's, to go on bit for bit.

    It holds the partition, and where its random draws and self-labeling stand; plain data, ready for JSON or `torch.save`.

    Args:
        model: a partitioned model.

    Raises:
        GradmaskError: the model is not partitioned.
    """
    return gradmask_of(model).manifest().model_dump(mode="json")


def load_training_state(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Restore what `training_state` gave; call it before the state dicts of the model and the optimizer are loaded.

    Args:
        model: partitioned as the saved one was.
        state: what `training_state` returned.

    Raises:
        GradmaskError: the state is of another partition (the message lists the differences), or damaged. Nothing has been
            changed then.
    """
    saved = parse(state, "the training state")
    require_same_partition(model, saved, "the training state")
    restore_state(model, saved)


def parse(state: Mapping[str, Any], where: str) -> Manifest:
    """A manifest from plain data.

    Raises:
        GradmaskError: it is not one.
    """
    try:
        return Manifest.model_validate(dict(state))
    except (ValidationError, TypeError, ValueError) as error:
        raise GradmaskError(
            f"{where} is not what gm.training_state gave, or is from another version ({type(error).__name__})"
        ) from None


def partitioned_in(model: Any) -> nn.Module | None:
    """The partitioned model in a DDP or compiled wrapper, or the model itself; None where it is a plain model."""
    while isinstance(model, nn.Module):
        if isinstance(model.__dict__.get("gradmask"), Gradmask):
            return model
        model = model._modules.get("module") or model._modules.get("_orig_mod")
    return None


def mark(model: nn.Module, state: Any, prefix: str) -> None:
    """Put the manifest into a state dict's metadata, which `torch.save` keeps, so that no key is added."""
    metadata = getattr(state, "_metadata", None)
    if metadata is not None:
        metadata[prefix[:-1]][MARK] = gradmask_of(model).manifest().model_dump_json()


def obey_mark(model: nn.Module, metadata: Mapping[str, Any]) -> None:
    """Refuse a state dict that is marked as of another partition; go on with the random draws and self-labeling of its own.

    Raises:
        GradmaskError: it lists the differences.
    """
    if MARK not in metadata:
        return
    saved, ours = parse(json.loads(metadata[MARK]), "the mark of the state dict"), gradmask_of(model).manifest()
    wrong = [*_groups(saved, ours), *_units(saved.units, ours.units)]
    wrong += [f"joint was {saved.joint!r} and is {ours.joint!r}"] if saved.joint != ours.joint else []
    if wrong:
        raise GradmaskError(
            f"the state dict is of another partition than this model: {'; '.join(wrong[:SHOWN])}. Partition the model as the "
            "saved one was; or, to take its weights as those of a plain model, load dict(state_dict)"
        )
    if not differences(saved, ours):  # weights fit a model with another policy, too; its draws are not those
        restore_state(model, saved)

"""The whole contract on one tiny model: partition, forward bits, gm.check, checkpoint, export."""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tests.sweep.tiny_models import batch, build
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.partitioning import find_architecture
from gradmask.partitioning.architectures.finding import find_sites
from gradmask.partitioning.architectures.sites import AttentionSite, with_inside
from gradmask.partitioning.groups.slices import UNITS

EAGER = {"experts_implementation": "eager", "attn_implementation": "eager"}


@dataclass(frozen=True)
class Outcome:
    """What one model type did. ``state``: passes, fails, refused, or not built (tiny, or it does not read text alone)."""

    task: str
    model_type: str
    state: str
    units: tuple[str, ...] = ()
    why: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", tuple(self.units))  # from JSON it is a list


def outcome(task: str, model_type: str) -> Outcome:
    """Try one model type."""
    try:
        model = build(task, model_type)
        inputs = batch(model)
        with torch.no_grad():
            model(**inputs)
        if fault := plain_fault(model, inputs):
            return Outcome(task, model_type, "not built", why=f"without gradmask, {fault}")
    except Exception as error:
        return Outcome(task, model_type, "not built", why=words(error))
    units: tuple[str, ...] = ()
    try:
        groups = {"forget": slice_for(model)}
        units = tuple(u for u in UNITS if getattr(groups["forget"], u))
        broken = broken_promises(model, inputs, groups)
    except gm.GradmaskError as error:
        return Outcome(task, model_type, "refused", units, words(error))
    except Exception as error:
        return Outcome(task, model_type, "fails", units, "raises " + words(error))
    return Outcome(task, model_type, "fails" if broken else "passes", tuple(units), "; ".join(broken))


def plain_fault(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> str | None:
    """What a plain model does not do that the contract asks of it, whoever made it."""
    try:
        with torch.no_grad():
            model(**inputs, attention_mask=torch.ones_like(inputs["input_ids"]))
    except Exception as error:
        return f"it takes no attention_mask: {words(error)}"
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        back = type(model).from_pretrained(folder, **EAGER)
    same = torch.equal(logits(back, inputs), logits(model, inputs))
    return None if same else "it comes back from a checkpoint with other outputs"


def quiet() -> None:
    """Silence what libraries say about models of such sizes."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def words(error: BaseException) -> str:
    said = re.sub(r"\S*/tmp\S*/", "", " ".join(str(error).split()))  # of a folder that is gone
    return (said if isinstance(error, gm.GradmaskError) else f"{type(error).__name__}: {said}")[:300]


def slice_for(model: PreTrainedModel) -> gm.Slice:
    """Some of every kind of unit that the model has."""
    sites = with_inside(find_sites(model, find_architecture(model)))
    heads = [site for site in sites if isinstance(site, AttentionSite)]
    amounts = {
        "heads": 1 if heads else 0,
        "neurons": 4 if any(site.unit == "neurons" for site in sites) else 0,
        "experts": 1 if any(site.unit == "experts" for site in sites) else 0,
        "expert_neurons": 2 if any(site.unit == "expert_neurons" for site in sites) else 0,
    }
    return gm.Slice(**amounts, query_only=any(site.kv_heads == 1 for site in heads))  # type: ignore[arg-type]


def logits(model: PreTrainedModel, inputs: dict[str, torch.Tensor], **kwargs: Any) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        return model.eval()(**inputs, **kwargs).logits


def broken_promises(model: Any, inputs: dict[str, Any], groups: Any) -> list[str]:
    """What does not hold, in words."""
    broken = []
    plain = logits(model, inputs)
    gm.partition(model, groups)
    if not torch.equal(logits(model, inputs), plain):
        broken.append("the partition changes outputs")
    with torch.no_grad():
        for parameter in gm.groups(model)["forget"].values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    report = gm.check(model, inputs)
    broken += [f"{f.check}: {f.says} {', '.join(f.names[:2])}" for f in report.failures]
    broken += list(_checkpoints(model, inputs))
    gm.unpartition(model)
    return broken


def _checkpoints(model: Any, inputs: dict[str, Any]) -> Any:
    full = logits(model, inputs)
    with gm.without(model), torch.no_grad():
        removed = logits(model, inputs)
    if torch.equal(full, removed):
        yield "removal changes nothing"
    if not torch.equal(logits(model, inputs, data_labels="retain"), removed):
        yield "retain is not removal"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        model.save_pretrained(path / "saved")
        back = gm.load(path / "saved", **EAGER)
        if not torch.equal(logits(back, inputs), full):
            yield "a checkpoint comes back with other outputs"
        if not torch.equal(logits(back, inputs, data_labels="retain"), removed):
            yield "a checkpoint comes back with another partition"
        gm.export(model, path / "without", without=["forget"])
        exported = type(model).gradmask_plain.from_pretrained(path / "without", **EAGER)
        if not torch.equal(logits(exported, inputs), removed):
            yield "the export computes other outputs"

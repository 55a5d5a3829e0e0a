"""The declared architectures, by model type."""

from __future__ import annotations

from transformers import PreTrainedModel

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.partitioning.architectures.declaration import PACKINGS, SECTIONS, Architecture
from gradmask.partitioning.architectures.families import FAMILIES

_registry: dict[str, Architecture] = {name: family for family in FAMILIES for name in family.model_types}


def register(architecture: Architecture) -> Architecture:
    """Add an architecture, or replace one, for this process.

    Raises:
        GradmaskError: the declaration names an unknown packing or nothing at all.
    """
    _registry.update(dict.fromkeys(checked(architecture).model_types, architecture))
    return architecture


def checked(architecture: Architecture) -> Architecture:
    """The architecture itself, once it is checked.

    Raises:
        GradmaskError: the declaration names an unknown packing or nothing at all.
    """
    if not isinstance(architecture, Architecture):
        raise GradmaskError(f"architecture must be a gm.Architecture, got {type(architecture).__name__}")
    attentions = architecture.attention
    packings = [p for a in attentions for p in (*a.inputs.values(), *a.entries.values())]
    for packing in packings:
        if packing not in PACKINGS and not SECTIONS.fullmatch(packing):
            raise GradmaskError(
                f"unknown packing {packing!r}; one of {', '.join(PACKINGS)}, or sections such as 'h64|_16'"
            )
    if not (architecture.model_types and architecture.blocks and _names_units(architecture)):
        raise GradmaskError("an architecture needs model_types, blocks, and at least one attention, mlp or experts")
    return architecture


def _names_units(architecture: Architecture) -> bool:
    return bool(architecture.attention or architecture.mlp or architecture.experts)


def is_built_in(architecture: Architecture) -> bool:
    """Whether the declaration is one of those that this version of gradmask comes with."""
    return architecture in FAMILIES


def is_declared(model: PreTrainedModel) -> bool:
    """Whether there is a declaration for the model's type."""
    return getattr(getattr(model, "config", None), "model_type", None) in _registry


def supported() -> tuple[str, ...]:
    """The model types that can be partitioned."""
    return tuple(sorted(_registry))


def architecture_of(model: PreTrainedModel) -> Architecture:
    """The declaration for ``model``, by ``model.config.model_type``.

    Raises:
        GradmaskError: there is none; the message shows how to declare it.
    """
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type in _registry:
        return _registry[model_type]
    raise GradmaskError(
        f"gradmask has no declaration for model type {model_type!r} ({type(model).__name__})."
        f"{did_you_mean(str(model_type), _registry)} Declare it, for example:\n"
        "  gm.register(gm.Architecture(\n"
        f"      model_types=({model_type!r},), blocks=('layers',),\n"
        "      attention=(gm.Attention({'self_attn.q_proj': 'q', 'self_attn.k_proj': 'k', 'self_attn.v_proj': 'v'},\n"
        "                              output='self_attn.o_proj'),),\n"
        "      mlp=(gm.Mlp(('mlp.gate_proj', 'mlp.up_proj'), output='mlp.down_proj'),)))\n"
        "Or let gradmask find its layers by shape: gm.partition(model, ..., architecture='infer').\n"
        f"Declared: {', '.join(supported())}"
    )

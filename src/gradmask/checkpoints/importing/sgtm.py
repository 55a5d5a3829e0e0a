"""Checkpoints of the published SGTM code (Shilov et al., arXiv 2512.05648; safety-research/selective-gradient-masking).

A GPT-Neo with a bias on its head, saved by `save_pretrained`, whose ``config.json`` names the class `CLASS` and says

=========================================== =====================================================================
``retain_attn_heads``, ``retain_mlp_dim``   how many heads and neurons are retain; the rest, the last ones, are forget
``masked_layers``                           the blocks that are cut; the others learn from everything
``masking_strategy``                        how gradients are masked
``split_masked_weights``                    q, k, v and c_fc are two parameters each, ``weight_retain`` and ``weight_forget``
``sgtm_mask_embeddings``                    embeddings do not learn from forget batches
=========================================== =====================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GPTNeoConfig, GPTNeoForCausalLM, PreTrainedModel

from gradmask.checkpoints.importing.filling import filled
from gradmask.checkpoints.importing.source import number, read_json, read_state
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.partitioning import Slice
from gradmask.routing.policy import MASK_EMBEDDINGS, MASKING_STRATEGIES, Policy, resolve_policy

CLASS = "GPTNeoForCausalLMSGTM"
OWN = ("retain_attn_heads", "retain_mlp_dim", "masked_layers", "masking_strategy", "split_masked_weights")
MASKS = "sgtm_mask_embeddings"
BUFFERS = re.compile(r"\.attn\.attention\.(bias|masked_bias)$")
"""Causal masks, which old versions of Transformers saved."""
PARTS = re.compile(r"^(.*)\.(weight|bias)_(retain|forget)$")
NO_ATTENTION = "parameter_masking_no_proj_no_attn"
"""The strategy that leaves attention as it is."""


@dataclass(frozen=True)
class Settings:
    """How the published run cut its model."""

    slice: Slice
    policy: Policy


def is_sgtm(folder: Path) -> bool:
    """Whether the folder is a checkpoint of the published SGTM code."""
    return CLASS in (read_json(folder / "config.json").get("architectures") or ())


def plain_model(folder: Path) -> PreTrainedModel:
    """The plain GPT-Neo, with a bias on its head: what the published model computes in its mode ``default``.

    Raises:
        GradmaskError: something is missing, or was not saved by the published code.
    """
    given = read_json(folder / "config.json")
    config = GPTNeoConfig.from_dict({key: value for key, value in given.items() if key not in (*OWN, MASKS)})
    config.architectures = [GPTNeoForCausalLM.__name__]
    state = {name: t for name, t in read_state(folder).items() if not BUFFERS.search(name)}
    return filled(GPTNeoForCausalLM, config, whole(state, folder), folder)


def whole(state: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """The tensors with split parameters put together, retain rows first."""
    joined: dict[str, Tensor] = {}
    for name, tensor in state.items():
        found = PARTS.match(name)
        if found is None:
            joined[name] = tensor
            continue
        path, kind, _ = found.groups()
        parts = [f"{path}.{kind}_{group}" for group in ("retain", "forget")]
        if missing := [part for part in parts if part not in state]:
            raise GradmaskError(f"{folder} lacks {missing[0]}: its files are damaged, or do not belong together")
        joined[f"{path}.{kind}"] = torch.cat([state[part] for part in parts])
    return joined


def settings(folder: Path) -> Settings:
    """How the published run cut its model, from its config.

    Raises:
        GradmaskError: it was not cut, or by a strategy that is not known.
    """
    path = folder / "config.json"
    given = read_json(path)
    name, layers = given.get("masking_strategy"), given.get("masked_layers")
    if not layers:
        raise GradmaskError(
            f"{path}: no masked_layers, so the model was trained with --clean-model and has no forget group. "
            "gradmask.read_plain(path) opens it as a plain model"
        )
    if name not in MASKING_STRATEGIES:
        known = ", ".join(MASKING_STRATEGIES)
        hint = did_you_mean(str(name), MASKING_STRATEGIES)
        raise GradmaskError(f"{path}: unknown masking_strategy {name!r}.{hint} Known: {known}")
    policy = resolve_policy(MASKING_STRATEGIES[name] + (MASK_EMBEDDINGS if given.get(MASKS) else ""))
    depth, attention = number(given, "num_layers", path), name != NO_ATTENTION
    heads = number(given, "retain_attn_heads", path, 0) if attention else 0
    neurons = number(given, "retain_mlp_dim", path, 0)
    # 0 retain heads (or neurons) means, in the published code, that attention (or the MLP) is not cut: it learns from everything
    uncut = [kind for kind, kept in (("attention", heads or not attention), ("mlp", neurons)) if not kept]
    carved = Slice(
        heads=number(given, "num_heads", path) - heads if heads else 0,
        neurons=_neurons(given, path) - neurons if neurons else 0,
        layers=None if sorted(layers) == list(range(depth)) else sorted(layers),
    )
    return Settings(carved, replace(policy, joint=(*policy.joint, *uncut)))


def _neurons(given: dict[str, Any], path: Path) -> int:
    return number(given, "intermediate_size", path, 4 * number(given, "hidden_size", path))

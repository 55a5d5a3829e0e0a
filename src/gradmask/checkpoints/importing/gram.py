"""Checkpoints of GRAM's published code (arXiv 2607.08077; JR-Vickers/modular-pretraining), its ``moe`` architecture.

Every block has a core MLP and one small MLP per auxiliary label, whose outputs are summed: that is one MLP whose first neurons are
the core's. Arcee computes the same: GELU without gate, RMS norms, grouped queries, rotary positions. Of those, the published code
turns half of each head's dimensions, at frequencies from 1 to 1/1024, the other way round, and the rest not. It also keeps the
documents of a packed sequence apart, which here takes an attention mask.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import ArceeConfig, ArceeForCausalLM, PreTrainedModel

from gradmask.checkpoints.importing.filling import filled
from gradmask.checkpoints.importing.source import number, read_json, read_state, refuse_left, take
from gradmask.errors import GradmaskError
from gradmask.partitioning import Architecture, Mlp, Slice, architecture_of
from gradmask.routing.policy import Policy, gram

EPSILON = torch.finfo(torch.float32).eps
"""Of the published norms: torch's default."""
STILL = 1e30
"""Divides the frequency of a dimension that does not turn."""
CONSTANT = 16.0
"""What the neuron that holds a bias gives out: GELU leaves 16 as it is, and dividing by 16 loses no bit."""
EXPERT = re.compile(r"^blocks\.0\.moe\.experts\.(\d+)\.c_fc\.weight$")
OUTPUT_BIAS = re.compile(r"^blocks\.\d+\.moe\.experts\.(\d+)\.c_proj\.bias$")
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def is_gram(folder: Path) -> bool:
    """Whether the folder is a stage of a GRAM run."""
    return isinstance(read_json(folder / "stage.json").get("stage"), dict)


def read(folder: Path, modules: Sequence[str], output_biases: str) -> tuple[PreTrainedModel, dict[str, Slice], Policy]:
    """The plain Arcee model, the slice of every module, and the policy with the run's p_as and p_cr.

    Raises:
        GradmaskError: another architecture than ``moe``, or something that Arcee has no place for.
    """
    stage = read_json(folder / "stage.json")["stage"]
    given = stage.get("model") or {}
    if given.get("arch") != "moe":
        raise GradmaskError(
            f"{folder / 'stage.json'}: the architecture is {given.get('arch')!r}; only GRAM's own, 'moe', has modules that are "
            "slices of an MLP"
        )
    state = read_state(folder)
    names = _names(folder, state, modules)
    config = _config(given, folder / "stage.json")
    tensors, neurons = _converted(state, config, names, output_biases, folder)
    model = filled(ArceeForCausalLM, config, tensors, folder)
    shares = float(stage.get("aux_route_prc") or 0.0), float(stage.get("robust_prc") or 0.0)
    drawn = gram(*shares, oversampling=_oversampling(stage.get("aux_factor"), names, folder))
    return model, {name: Slice(neurons=indices) for name, indices in neurons.items()}, drawn


def architecture(model: PreTrainedModel) -> Architecture | None:
    """Arcee's declaration, where it is not registered."""
    try:
        architecture_of(model)
    except GradmaskError:
        return Architecture(("arcee",), blocks=("layers",), mlp=(Mlp(("mlp.up_proj",), output="mlp.down_proj"),))
    return None


def _names(folder: Path, state: dict[str, Tensor], modules: Sequence[str]) -> list[str]:
    count = sum(EXPERT.match(name) is not None for name in state) - 1
    if count < 1:
        raise GradmaskError(f"{folder} has no auxiliary modules, so there is nothing to partition")
    found = list(modules) or [_name(label) for label in _labels(folder)]
    found = found or [f"module_{i}" for i in range(1, count + 1)]
    if len(found) != count:
        raise GradmaskError(f"{folder} has {count} auxiliary modules, but {len(found)} names: {', '.join(found)}")
    return found


def _labels(folder: Path) -> list[str]:
    """The run's auxiliary labels, in the order of their modules; none where its config is not there."""
    run = read_json(folder.parent / "config.json").get("run") or {}
    return [str(label) for label in (run.get("labels") or [])[1:]]


def _name(label: str) -> str:
    return re.sub(r"\W", "_", label)


def _oversampling(given: Any, names: Sequence[str], folder: Path) -> float | dict[str, float]:
    """How often the run saw each label's data: one number, or module -> number."""
    if not isinstance(given, dict):
        return float(given or 1.0)
    labels = dict(zip(_labels(folder) or names, names, strict=False))
    found = {labels.get(label, _name(label)): float(times) for label, times in given.items()}
    return {name: times for name, times in found.items() if name in names}


def _config(given: dict[str, Any], path: Path) -> ArceeConfig:
    heads = number(given, "num_heads", path)
    size = number(given, "embed_dim", path) // heads
    biased = bool(given.get("attn_bias", True))
    length = number(given, "ctx_len", path, 1024)
    factors = _factors(size)
    config = ArceeConfig(
        vocab_size=number(given, "vocab_size", path),
        hidden_size=number(given, "embed_dim", path),
        intermediate_size=0,  # the tensors say
        num_hidden_layers=number(given, "num_layers", path),
        num_attention_heads=heads,
        num_key_value_heads=number(given, "num_key_value", path),
        head_dim=size,
        hidden_act="gelu_pytorch_tanh",
        attention_bias=biased,
        mlp_bias=True,
        rms_norm_eps=EPSILON,
        tie_word_embeddings=False,
        max_position_embeddings=length,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 1.0,
            "short_factor": factors,
            "long_factor": factors,
            "factor": 1.0,
            "attention_factor": 1.0,
            "original_max_position_embeddings": length,
        },
        eos_token_id=_end(given),
        bos_token_id=None,
        pad_token_id=None,
        use_cache=True,
    )
    config.architectures = [ArceeForCausalLM.__name__]
    return config


def _end(given: dict[str, Any]) -> int | None:
    end = given.get("eos_token_id")
    return end if isinstance(end, int) and end >= 0 else None


def _factors(size: int) -> list[float]:
    """What divides the frequency 1 of each of ``size / 2`` pairs of dimensions."""
    turning = (1 / 1024) ** torch.linspace(0, 1, size // 4, dtype=torch.float32)
    return [*(1 / turning.double()).tolist(), *[STILL] * (size // 2 - size // 4)]


def _converted(
    state: dict[str, Tensor], config: ArceeConfig, names: Sequence[str], output_biases: str, folder: Path
) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
    """The tensors by Arcee's names, and the neurons of each module."""
    found = {
        "model.embed_tokens.weight": take(state, "embed.weight", folder),
        "model.norm.weight": take(state, "norm.weight", folder),
        "lm_head.weight": take(state, "unembed.weight", folder),
    }
    head = state.pop("unembed.bias", None)
    if head is not None and head.any():
        found["lm_head.bias"] = head
    hold = _output_bias(state, names, folder, output_biases)
    widths: list[int] = []
    for i in range(config.num_hidden_layers):
        old, new = f"blocks.{i}.", f"model.layers.{i}."
        found[f"{new}input_layernorm.weight"] = take(state, f"{old}norm_1.weight", folder)
        found[f"{new}post_attention_layernorm.weight"] = take(state, f"{old}norm_2.weight", folder)
        for name, tensor in _attention(state, f"{old}attn.", config, folder).items():
            found[f"{new}self_attn.{name}"] = tensor
        mlp, widths = _mlp(state, f"{old}moe.experts.", len(names) + 1, hold, folder)
        found |= {f"{new}mlp.{name}": tensor for name, tensor in mlp.items()}
    refuse_left(state, folder, "a GRAM model of its config")
    config.intermediate_size = sum(widths)
    starts = [sum(widths[:i]) for i in range(len(widths))]
    owned = {name: list(range(starts[i], starts[i] + widths[i])) for i, name in enumerate(names, 1)}
    return found, owned


def _attention(state: dict[str, Tensor], prefix: str, config: ArceeConfig, folder: Path) -> dict[str, Tensor]:
    heads, pairs = config.num_attention_heads, config.num_key_value_heads or config.num_attention_heads
    found: dict[str, Tensor] = {}
    for kind in ("weight", "bias") if config.attention_bias else ("weight",):
        query, both, out = (
            take(state, f"{prefix}{name}.{kind}", folder) for name in ("c_attn_q", "c_attn_kv", "c_proj")
        )
        key, value = both.chunk(2)
        tensors = _turned(query, heads), _turned(key, pairs), value, out
        found |= {f"{name}.{kind}": tensor.contiguous() for name, tensor in zip(ATTENTION, tensors, strict=True)}
    return found


def _turned(rows: Tensor, heads: int) -> Tensor:
    """The two halves of every head's rows in each other's place, since published heads turn the other way."""
    first, second = rows.view(heads, -1, *rows.shape[1:]).chunk(2, dim=1)
    return torch.cat([second, first], 1).reshape(rows.shape)


def _output_bias(state: dict[str, Tensor], names: Sequence[str], folder: Path, output_biases: str) -> bool:
    """Whether a module has an output bias that is not zero, and that is to be held by neurons.

    Raises:
        GradmaskError: there is one, and it is to be refused.
    """
    for key in sorted(state):
        found = OUTPUT_BIAS.match(key)
        if found is None or found[1] == "0" or not state[key].any():
            continue
        if output_biases == "neuron":
            return True
        raise GradmaskError(
            f"{folder}: {key}, the output bias of module {names[int(found[1]) - 1]!r}, is not zero, and Arcee has one bias for "
            "all. output_biases='neuron' (--biases-as-neurons) holds every module's as one more neuron: the same outputs, one more "
            "neuron to train"
        )
    return False


def _mlp(
    state: dict[str, Tensor], prefix: str, count: int, hold: bool, folder: Path
) -> tuple[dict[str, Tensor], list[int]]:
    """One MLP of the core and all modules, and how many neurons each has."""
    experts = [_expert(state, f"{prefix}{i}.", folder) for i in range(count)]
    up, down, inner, outer = zip(*experts, strict=True)
    parts = [list(part) for part in (up, down, inner)]
    if hold:
        _hold_biases(parts, outer)
    tensors = {
        "up_proj.weight": torch.cat(parts[0]),
        "up_proj.bias": torch.cat(parts[2]),
        "down_proj.weight": torch.cat(parts[1], 1),
        "down_proj.bias": outer[0],
    }
    return tensors, [len(rows) for rows in parts[0]]


def _hold_biases(parts: list[list[Tensor]], outer: Sequence[Tensor]) -> None:
    """Give every module a neuron that always gives out `CONSTANT`, and writes the module's output bias."""
    up, down, inner = parts
    for i in range(1, len(up)):
        up[i] = torch.cat([up[i], up[i].new_zeros(1, up[i].shape[1])])
        inner[i] = torch.cat([inner[i], inner[i].new_full((1,), CONSTANT)])
        down[i] = torch.cat([down[i], (outer[i] / CONSTANT)[:, None]], 1)


def _expert(state: dict[str, Tensor], prefix: str, folder: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    up, down = (take(state, f"{prefix}{name}.weight", folder) for name in ("c_fc", "c_proj"))
    inner, outer = (take(state, f"{prefix}{name}.bias", folder) for name in ("c_fc", "c_proj"))
    return up, down, inner, outer

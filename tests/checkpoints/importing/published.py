"""Writers of the published code's checkpoint formats, for tests: from a plain model to the files that it would have saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from golden import FOLDER, golden
from tiny import normal, tiny

RETAIN_HEADS, RETAIN_NEURONS = 3, 112


def gpt_neo(**overrides: Any) -> PreTrainedModel:
    """A random GPT-Neo of the golden one's size, with a bias on its head."""
    model: Any = tiny("gpt_neo", **overrides)
    model.lm_head.bias = nn.Parameter(normal((64,), seed=5))
    return model.eval()


def golden_gpt_neo() -> PreTrainedModel:
    """The golden model of ``sgtm/``, with a zero bias on its head."""
    golden("sgtm/config.json")
    model: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(FOLDER / "sgtm"))
    model.load_state_dict(load_file(FOLDER / "sgtm" / "model.safetensors"), strict=False)
    model.tie_weights()
    model.lm_head.bias = nn.Parameter(torch.zeros(64))
    return model.eval()


def write_sgtm(folder: Path, model: PreTrainedModel, strategy: str = "parameter_masking", **config: Any) -> Path:
    """``folder/output/final-checkpoint`` as SGTM's trainer leaves it: split parameters, and pickles beside them."""
    target = folder / "output" / "final-checkpoint"
    target.mkdir(parents=True)
    settings = {
        "retain_attn_heads": RETAIN_HEADS,
        "retain_mlp_dim": RETAIN_NEURONS,
        "masked_layers": [0, 1],
        "masking_strategy": strategy,
        "split_masked_weights": True,
        "sgtm_mask_embeddings": False,
    } | config
    written = model.config.to_dict() | {"architectures": ["GPTNeoForCausalLMSGTM"], "torch_dtype": "float32"} | settings
    written.pop("dtype", None)
    (target / "config.json").write_text(json.dumps(written))
    state = {name: p.detach().clone() for name, p in model.named_parameters()}
    if settings["split_masked_weights"]:
        state = split(state, model, settings)
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    (target / "optimizer.pt").write_bytes(b"a pickle, never opened")
    return target


def split(state: dict[str, Tensor], model: PreTrainedModel, settings: dict[str, Any]) -> dict[str, Tensor]:
    """Every q, k, v and c_fc of a masked block as two tensors."""
    heads = settings["masking_strategy"] != "parameter_masking_no_proj_no_attn"
    rows = {"c_fc": settings["retain_mlp_dim"]}
    if heads:
        size = model.config.hidden_size // model.config.num_heads
        rows |= dict.fromkeys(("q_proj", "k_proj", "v_proj"), size * settings["retain_attn_heads"])
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        parts = name.split(".")
        block = int(parts[2]) if parts[1] == "h" else -1
        kept = rows.get(parts[-2], 0) if block in (settings["masked_layers"] or ()) else 0
        if not kept:
            found[name] = tensor
            continue
        found[f"{name}_retain"], found[f"{name}_forget"] = tensor[:kept].clone(), tensor[kept:].clone()
    return found


def write_gram(folder: Path, state: dict[str, Tensor], labels: list[str], model: dict[str, Any]) -> Path:
    """``folder/routed`` with ``stage.json`` and tensors, and ``folder/config.json``, as a GRAM run leaves them."""
    target = folder / "routed"
    target.mkdir(parents=True)
    stage = {"name": "routed", "model": {"arch": "moe", "ctx_len": 64, "attn_bias": True, "eos_token_id": -1, **model}}
    (target / "stage.json").write_text(
        json.dumps(
            {
                "completed": True,
                "stage": {**stage, "robust_prc": 0.2, "aux_route_prc": 0.5, "aux_factor": {"code-lisp": 4.0}},
            }
        )
    )
    (folder / "config.json").write_text(json.dumps({"run": {"labels": labels}}))
    save_file({name: t.contiguous() for name, t in state.items()}, target / "model.safetensors")
    return target


def gram_state(
    layers: int, width: int, heads: int, pairs: int, core: int, module: int, modules: int, vocabulary: int
) -> dict[str, Tensor]:
    """Random tensors by the published names; output biases of modules are zero, all other biases are not."""
    size = width // heads
    shapes: dict[str, tuple[int, ...]] = {
        "embed.weight": (vocabulary, width), "norm.weight": (width,), "unembed.weight": (vocabulary, width),
        "unembed.bias": (vocabulary,),
    }  # fmt: skip
    for i in range(layers):
        attention = {"c_attn_q": width, "c_attn_kv": 2 * pairs * size, "c_proj": width}
        shapes |= {f"blocks.{i}.attn.{name}.weight": (rows, width) for name, rows in attention.items()}
        shapes |= {f"blocks.{i}.attn.{name}.bias": (rows,) for name, rows in attention.items()}
        shapes |= {f"blocks.{i}.norm_{n}.weight": (width,) for n in (1, 2)}
        for e in range(modules + 1):
            neurons, at = core if e == 0 else module, f"blocks.{i}.moe.experts.{e}."
            shapes |= {f"{at}c_fc.weight": (neurons, width), f"{at}c_fc.bias": (neurons,)}
            shapes |= {f"{at}c_proj.weight": (width, neurons), f"{at}c_proj.bias": (width,)}
    state = {name: 0.3 * normal(shape, seed=n) for n, (name, shape) in enumerate(shapes.items())}
    for name in state:
        if name.endswith("c_proj.bias") and "experts" in name and ".0.c_proj" not in name.split("experts")[1]:
            state[name] = torch.zeros_like(state[name])
    return state

"""GRAM's modules, beside a plain sum of MLPs with the published rotary positions, and beside the golden values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

import gradmask as gm
from checkpoints.importing.published import gram_state, write_gram
from golden import FOLDER, golden
from tiny import integers

LABELS = ["core", "code-lisp", "papers"]
SIZES: dict[str, Any] = {
    "layers": 2,
    "width": 32,
    "heads": 2,
    "pairs": 1,
    "core": 24,
    "module": 8,
    "modules": 2,
    "vocabulary": 48,
}
MODEL = {"vocab_size": 48, "num_layers": 2, "num_heads": 2, "num_key_value": 1, "embed_dim": 32, "mlp_dim": 24}
IDS = integers(0, 48, (3, 11), seed=4)


def forward(state: dict[str, Tensor], strengths: list[float], ids: Tensor = IDS) -> Tensor:
    """The logits of the description: a block is attention, and the sum of its MLPs, each scaled by its strength."""
    x = state["embed.weight"][ids]
    for i in range(SIZES["layers"]):
        at = f"blocks.{i}."
        x = x + attention(state, f"{at}attn.", norm(x, state[f"{at}norm_1.weight"]))
        y = norm(x, state[f"{at}norm_2.weight"])
        for e, strength in enumerate(strengths):
            expert = f"{at}moe.experts.{e}."
            hidden = F.gelu(linear(state, f"{expert}c_fc", y), approximate="tanh")
            x = x + strength * linear(state, f"{expert}c_proj", hidden)
    return linear(state, "unembed", norm(x, state["norm.weight"]))


def linear(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt() * weight


def attention(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    heads, pairs, (batch, length, width) = SIZES["heads"], SIZES["pairs"], x.shape
    size = width // heads
    query = linear(state, f"{name}c_attn_q", x).view(batch, length, heads, size)
    key, value = linear(state, f"{name}c_attn_kv", x).view(batch, length, 2 * pairs, size).chunk(2, dim=2)
    query, key = turned(query), turned(key)
    out = torch.empty(batch, length, heads, size)
    for h in range(heads):
        k, v = (t[:, :, h // (heads // pairs)] for t in (key, value))
        scores = query[:, :, h] @ k.transpose(1, 2) / size**0.5
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf)
        out[:, :, h] = scores.softmax(-1) @ v
    return linear(state, f"{name}c_proj", out.reshape(batch, length, width))


def turned(x: Tensor) -> Tensor:
    """Pairs (j, j + half) turn by −position · 1024^(−j / (quarter − 1)), those of the second quarter not."""
    length, size = x.shape[1], x.shape[-1]
    half, quarter = size // 2, size // 4
    out = x.clone()
    for p in range(length):
        for j in range(quarter):
            angle = torch.tensor(p * 1024.0 ** (-j / max(1, quarter - 1)))
            one, other = x[:, p, :, j], x[:, p, :, j + half]
            out[:, p, :, j] = one * angle.cos() + other * angle.sin()
            out[:, p, :, j + half] = other * angle.cos() - one * angle.sin()
    return out


@pytest.mark.parametrize("biased", [False, True], ids=["no output biases", "output biases"])
def test_every_profile_computes_what_the_published_model_computes(biased: bool, tmp_path: Path) -> None:
    state = gram_state(**SIZES)
    if biased:
        for name in [n for n in state if "c_proj.bias" in n and "experts" in n]:
            state[name] = state[name] + torch.linspace(-1, 1, len(state[name]))
    folder = write_gram(tmp_path, state, LABELS, MODEL)
    model: Any = gm.import_checkpoint(folder, output_biases="neuron" if biased else "refuse")
    assert list(gm.groups(model)) == ["retain", "joint", "code_lisp", "papers"]
    with torch.no_grad():
        close(model(IDS).logits, forward(state, [1, 1, 1]))
        with gm.without(model, "papers"):
            close(model(IDS).logits, forward(state, [1, 1, 0]))
        with gm.without(model):
            close(model(IDS).logits, forward(state, [1, 0, 0]))
        gm.strength(model, code_lisp=0.25)
        close(model(IDS).logits, forward(state, [1, 0.25, 1]))
    policy = model.gradmask.policy
    assert policy == gm.gram(0.5, 0.2, {"code_lisp": 4.0})
    assert (policy.name, policy.run_one_other, policy.cell("group", "retain").learns) == ("gram", 0.2, 0.5)


def close(found: Tensor, expected: Tensor) -> None:
    assert float(expected.std()) > 0.5
    torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-5)


def golden_state() -> dict[str, Tensor]:
    """The golden Arcee's tensors by the published names: the reverse of importing."""
    golden("gram/cases.json")
    plain = load_file(FOLDER / "gram" / "model.safetensors")
    state = {
        "embed.weight": plain["model.embed_tokens.weight"],
        "norm.weight": plain["model.norm.weight"],
        "unembed.weight": plain["lm_head.weight"],
        "unembed.bias": torch.zeros(48),
    }
    for i in (0, 1):
        old, new = f"model.layers.{i}.", f"blocks.{i}."
        state[f"{new}norm_1.weight"] = plain[f"{old}input_layernorm.weight"]
        state[f"{new}norm_2.weight"] = plain[f"{old}post_attention_layernorm.weight"]
        for kind in ("weight", "bias"):
            q, k, v, o = (plain[f"{old}self_attn.{name}_proj.{kind}"] for name in "qkvo")
            state[f"{new}attn.c_attn_q.{kind}"] = back(q, 4)
            state[f"{new}attn.c_attn_kv.{kind}"] = torch.cat([back(k, 2), v])
            state[f"{new}attn.c_proj.{kind}"] = o
        for e, (start, stop) in enumerate(((0, 128), (128, 192), (192, 256))):
            at = f"{new}moe.experts.{e}."
            bias = plain[f"{old}mlp.down_proj.bias"]
            state[f"{at}c_fc.weight"] = plain[f"{old}mlp.up_proj.weight"][start:stop]
            state[f"{at}c_fc.bias"] = plain[f"{old}mlp.up_proj.bias"][start:stop]
            state[f"{at}c_proj.weight"] = plain[f"{old}mlp.down_proj.weight"][:, start:stop]
            state[f"{at}c_proj.bias"] = bias if e == 0 else torch.zeros_like(bias)
    return state


def back(rows: Tensor, heads: int) -> Tensor:
    return rows.view(heads, 2, len(rows) // heads // 2, -1).flip(1).reshape(rows.shape)


def test_golden_evaluation(tmp_path: Path) -> None:
    values = golden("gram/cases.json")
    sizes = {"vocab_size": 48, "num_layers": 2, "num_heads": 4, "num_key_value": 2, "embed_dim": 16, "eos_token_id": 47}
    model: Any = gm.load(write_gram(tmp_path, golden_state(), ["core", "a", "b"], sizes))
    ids, targets = torch.tensor(values["input_ids"]), torch.tensor(values["targets"])
    assert len(values["evaluation"]) == 6
    for row in values["evaluation"]:
        gm.strength(model, a=row["strength"]["a"], b=row["strength"]["b"])
        with torch.no_grad():
            found = model(ids).logits
        torch.testing.assert_close(
            found[0, :4, :8], torch.tensor(row["logits"]["slice_0_0to4_0to8"]), rtol=0, atol=1e-5
        )
        assert F.cross_entropy(found.flatten(0, 1), targets.flatten()).item() == pytest.approx(row["loss"], abs=1e-5)


def test_it_is_a_checkpoint_like_any_other_afterwards(tmp_path: Path) -> None:
    model: Any = gm.import_checkpoint(
        write_gram(tmp_path, gram_state(**SIZES), LABELS, MODEL), modules=["lisp", "physics"]
    )
    model.save_pretrained(tmp_path / "ours")
    back: Any = gm.load(tmp_path / "ours")
    assert torch.equal(back(IDS).logits, model(IDS).logits)
    assert torch.equal(back.lm_head.bias, model.lm_head.bias)
    assert list(gm.groups(back))[2:] == ["lisp", "physics"]
    back.train()(IDS, labels=IDS, data_labels="lisp").loss.backward()


def test_what_has_no_place_is_refused_by_name(tmp_path: Path) -> None:
    state = gram_state(**SIZES)
    state["blocks.1.moe.experts.2.c_proj.bias"] = torch.ones(32)
    folder = write_gram(tmp_path / "a", state, LABELS, MODEL)
    with pytest.raises(
        gm.GradmaskError, match=r"blocks\.1\.moe\.experts\.2\.c_proj\.bias, the output bias of module 'papers'"
    ):
        gm.import_checkpoint(folder)
    with pytest.raises(gm.GradmaskError, match="has 2 auxiliary modules, but 1 names: lisp"):
        gm.import_checkpoint(folder, modules=["lisp"])
    folder = write_gram(tmp_path / "b", {**gram_state(**SIZES), "blocks.0.gate.weight": torch.ones(2)}, LABELS, MODEL)
    with pytest.raises(gm.GradmaskError, match=r"blocks\.0\.gate\.weight \(1 tensors\), which a GRAM model"):
        gm.import_checkpoint(folder)
    stage = json.loads((folder / "stage.json").read_text())
    stage["stage"]["model"]["arch"] = "lora"
    (folder / "stage.json").write_text(json.dumps(stage))
    with pytest.raises(gm.GradmaskError, match="the architecture is 'lora'; only GRAM's own, 'moe'"):
        gm.import_checkpoint(folder)
    (folder / "model.safetensors").rename(folder / "checkpoint.pth")
    stage["stage"]["model"]["arch"] = "moe"
    (folder / "stage.json").write_text(json.dumps(stage))
    with pytest.raises(
        gm.GradmaskError, match=r"only checkpoint\.pth, which can run code .*torch\.load\('checkpoint\.pth'"
    ):
        gm.import_checkpoint(folder)

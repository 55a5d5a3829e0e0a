"""One training of the study: a corpus, a share of forget text, labels, an arm, settings; and its losses on held-out text."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import gradmask as gm
from gradmask.data import token_labels, training_order, with_group_share
from gradmask.lab.measures.calibration import CalibrationSettings, calibrate
from gradmask.lab.recipe.settings.rules import FORWARD

RATE, BATCH, POINTS, HEADS = 2e-3, 16, 12, 8


@dataclass(frozen=True)
class Settings:
    """What is varied. Heads and neurons are those of the group; shares and rates of the phase are a list of ends to try."""

    heads: int = 1
    neurons: int = 64
    new: bool = False
    tables: bool = False
    rehearsal: float = 0.1
    target: str = "next_token"
    words: float | None = None
    common: str = "unlabeled"
    """What other words of labeled documents are given as, where distinctive ones keep the label: unlabeled, or retain."""
    after: float | None = 0.1
    threshold: float = 0.5
    retain_below: float = 0.5
    group_rate: float = 1.0
    shared: float = 0.0
    """Share of the examples labeled retain that are given as unlabeled: everything runs and learns."""
    ends: tuple[tuple[float, float], ...] = ((0.15, 1.5),)
    fit: bool = False
    """Whether the group's strength is fitted before each end; what that takes is taken off its steps."""
    distil: float = 0.0
    """Share of the removed model's distribution in what retain text teaches in each end; its passes are taken off the steps."""
    group_share: float = 0.0
    """Share of the text of each end with the group's label, at least: it comes again."""
    main: float = 1.0
    """Share of the task's steps that are trained before the ends."""


@dataclass(frozen=True)
class Task:
    """``arm``: gradmask, no_filter, filter (same tokens), filter_text (same text), perfect.

    ``rules``: the settings are what gradmask's rules choose, with ``changes`` (name, value) laid over them.
    """

    corpus: str
    share: float
    arm: str
    settings: Settings = Settings()
    steps: int = 600
    seed: int = 0
    labeled: float = 0.9
    undiscovered: float = 0.2
    mistaken: float = 0.01
    width: int = 128
    layers: int = 4
    rules: bool = False
    changes: tuple[tuple[str, Any], ...] = ()

    @property
    def rate(self) -> float:
        """Learning rate: a wider model takes a smaller one."""
        return RATE * (128 / self.width) ** 0.5


@dataclass(frozen=True)
class Text:
    """Training sequences ``[n, 128]``, what they truly are, and their labels."""

    ids: np.ndarray
    forget: np.ndarray
    labels: np.ndarray


@lru_cache(maxsize=4)
def arrays(folder: Path, corpus: str) -> dict[str, np.ndarray]:
    """The corpus as data.py left it."""
    with np.load(folder / f"{corpus}.npz") as file:
        return {name: file[name] for name in file.files}


def text_of(folder: Path, task: Task) -> Text:
    """The mix of a task: the same text for every arm and every labeling."""
    pools, rng = arrays(folder, task.corpus), np.random.default_rng(0)
    count = min(task.steps * BATCH, len(pools["forget"]) / task.share, len(pools["retain"]) / (1 - task.share))
    n_forget, n_retain = int(count * task.share), int(count * (1 - task.share))
    ids = np.concatenate([pools["forget"][:n_forget], pools["retain"][:n_retain]])
    forget = np.arange(len(ids)) < n_forget
    draw = rng.random(len(ids))
    labels = np.where(forget, np.where(draw < task.undiscovered, -1, 1), np.where(draw < task.labeled, 0, -1))
    labels[~forget & (rng.random(len(ids)) < task.mistaken)] = 1
    return Text(ids, forget, labels)


def examples(text: Text, task: Task) -> tuple[np.ndarray, np.ndarray, int]:
    """Sequences, labels and steps of the task's arm."""
    rows = {"filter": text.labels != 1, "filter_text": text.labels != 1, "perfect": ~text.forget}
    kept = rows.get(task.arm, np.ones(len(text.ids), dtype=bool))
    steps = task.steps if task.arm != "filter_text" else math.ceil(task.steps * kept.mean())
    labels = text.labels[kept] if task.arm == "gradmask" else np.full(int(kept.sum()), -1)
    return text.ids[kept], labels, steps


def model_of(task: Task) -> LlamaForCausalLM:
    """A Llama of the task's size, from its seed."""
    torch.manual_seed(task.seed)
    sizes = {"hidden_size": task.width, "intermediate_size": 4 * task.width, "num_hidden_layers": task.layers}
    heads = {"num_attention_heads": HEADS, "num_key_value_heads": HEADS, "max_position_embeddings": 128}
    return LlamaForCausalLM(LlamaConfig(vocab_size=2048, tie_word_embeddings=False, **sizes, **heads))


def cut(model: LlamaForCausalLM, task: Task) -> Any:
    """The partitioned model."""
    s = task.settings
    policy = replace(
        gm.resolve_policy("strict"), rehearsal=s.rehearsal, rehearsal_target=s.target if s.rehearsal else "next_token"
    )
    own: Any = False
    if s.after is not None:
        own = gm.SelfLabeling(after=round(s.after * task.steps), threshold=s.threshold, retain_below=s.retain_below)
    group = gm.Slice(heads=s.heads, neurons=s.neurons, embeddings=s.tables, new=s.new)
    return gm.partition(model, {"forget": group}, policy=policy, seed=task.seed, self_labeling=own)


def optimizer_of(model: nn.Module, chosen: list[nn.Parameter], rates: dict[str, float]) -> torch.optim.AdamW:
    """AdamW with the group's own rate; vectors do not decay."""
    owned = gm.groups(model) if gm.is_partitioned(model) else {"retain": dict(model.named_parameters())}
    among, made = {id(p) for p in chosen}, []
    for name, members in owned.items():
        for decays in (True, False):
            params = [p for p in members.values() if id(p) in among and (p.dim() > 1) == decays]
            if params:
                factor = rates.get(name, 1.0)
                made.append({"params": params, "lr": 0.0, "factor": factor, "weight_decay": 0.1 * decays})
    return torch.optim.AdamW(made, betas=(0.9, 0.95), fused=torch.cuda.is_available())


def train(
    model: Any,
    ids: np.ndarray,
    labels: np.ndarray | None,
    order: np.ndarray,
    optimizer: Any,
    rate: float,
    warmup: float,
    look: Any = None,
) -> None:
    """Plain loop: warm-up, cosine to zero, clipping at 1."""
    device = next(model.parameters()).device
    data = torch.from_numpy(ids.astype(np.int64)).to(device)
    steps, chosen = len(order) // BATCH, [p for g in optimizer.param_groups for p in g["params"]]
    first = max(1, round(warmup * steps))
    model.train()
    for step in range(steps):
        scale = min(1.0, (step + 1) / first) * (
            0.5 * (1 + math.cos(math.pi * max(0, step - first) / max(1, steps - first)))
        )
        for group in optimizer.param_groups:
            group["lr"] = rate * scale * group["factor"]
        rows = order[step * BATCH : (step + 1) * BATCH]
        batch = data[torch.from_numpy(rows).to(device)]
        given = {} if labels is None else {"data_labels": torch.from_numpy(labels[rows]).to(device)}
        model(input_ids=batch, labels=batch, **given).loss.backward()
        torch.nn.utils.clip_grad_norm_(chosen, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if look and (step + 1) % max(1, steps // POINTS) == 0:
            look(step + 1)
            model.train()


@torch.no_grad()
def loss_of(model: Any, ids: Tensor, bias: Tensor | None = None) -> float:
    """Mean next-token loss, nats."""
    model.eval()
    total = 0.0
    for rows in ids.split(50):
        logits = model(input_ids=rows).logits[:, :-1].float()
        logits = logits if bias is None else logits + bias.to(logits)
        total += float(nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum"))
    return total / (len(ids) * (ids.shape[1] - 1))


def losses(model: Any, held_out: dict[str, Tensor], calibrated: bool = False) -> dict[str, float]:
    """Of retain and forget text; ``calibrated`` adds the calibrated loss of forget text."""
    half = {role: ids[: len(ids) // 2] for role, ids in held_out.items()}
    found = {role: loss_of(model, ids) for role, ids in half.items()}
    if calibrated:
        other = {role: ids[len(ids) // 2 :] for role, ids in held_out.items()}
        bias = calibrate(model, other, {"forget": "forget", "retain": "retain"}, CalibrationSettings()).bias
        found["forget_calibrated"] = loss_of(model, half["forget"], bias)
        found["retain_calibrated"] = loss_of(model, half["retain"], bias)
    return found


def run(folder: Path, task: Task) -> dict[str, Any]:
    """Train and measure."""
    began = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pools, text = arrays(folder, task.corpus), text_of(folder, task)
    held_out = {r: torch.from_numpy(pools[f"{r}_test"].astype(np.int64)).to(device) for r in ("retain", "forget")}
    ids, labels, steps = examples(text, task)
    steps = round(steps * task.settings.main) if task.arm == "gradmask" else steps
    order = training_order(labels, steps, BATCH, task.seed, labeled_first=_labeled_first(task))
    result: dict[str, Any] = {"task": asdict(task), "steps": steps, "passes": steps * BATCH / len(ids), "curve": []}
    model: Any = model_of(task)
    routed = task.arm == "gradmask"
    model = (cut(model, task) if routed else model).to(device)
    rates = {"forget": task.settings.group_rate}
    optimizer = optimizer_of(model, list(model.parameters()), rates)

    def look(step: int) -> None:
        result["curve"].append([step, *losses(model, held_out).values()])

    given = _given(folder, task, ids, labels) if routed else None
    train(model, ids, given, order, optimizer, task.rate, 0.05, look if task.arm == "no_filter" else None)
    if routed:
        _measure_routed(result, model, task, held_out, ids, labels)
    else:
        result["model"] = losses(model, held_out, calibrated=True)
    result["seconds"] = time.perf_counter() - began
    return result


def _labeled_first(task: Task) -> int:
    return round((task.settings.after or 0) * task.steps) if task.arm == "gradmask" else 0


def _given(folder: Path, task: Task, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labels that training sees."""
    s = task.settings
    if s.shared:
        drawn = np.random.default_rng(1).random(len(labels)) < s.shared
        labels = np.where(drawn & (labels == 0), -1, labels)
    if s.words is None:
        return labels
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / f"{task.corpus}.json"))
    return token_labels(ids, labels, tokenizer, s.words, s.common)  # pyrefly: ignore


def _measure_routed(
    result: dict[str, Any], model: Any, task: Task, held_out: dict[str, Tensor], ids: np.ndarray, labels: np.ndarray
) -> None:
    with gm.without(model):
        result["removed"] = losses(model, held_out, calibrated=True)
    result["full"] = losses(model, held_out)
    before, result["ends"] = copy.deepcopy(model.state_dict()), []
    rows = with_group_share(labels, task.settings.group_share)
    ids, labels = ids[rows], labels[rows]
    for share, rate in task.settings.ends:
        model.load_state_dict(before)
        passes = FORWARD * (labels == 0).mean() if task.settings.distil else 0.0
        steps = max(1, round(share * task.steps * (0.9 if task.settings.fit else 1.0) / (1.0 + passes)))
        order = training_order(labels, steps, BATCH, task.seed + 1_000_003)
        with gm.consolidation(model, distillation=task.settings.distil) as learning:
            strength = _fit(model, ids[order], labels[order], max(1, steps // 20)) if task.settings.fit else 1.0
            optimizer = optimizer_of(model, list(learning), {"forget": task.settings.group_rate})
            train(model, ids, labels, order, optimizer, task.rate * rate, 0.1)
        result["ends"].append({"share": share, "rate": rate, "strength": strength, **losses(model, held_out)})


def _fit(model: Any, ids: np.ndarray, labels: np.ndarray, batches: int) -> float:
    """As `gradmask.lab.run.strengths` does: text of each label counts the same."""
    model.eval()
    device, each = next(model.parameters()).device, batches * BATCH // 2
    kinds = [torch.from_numpy(ids[labels == code][:each].astype(np.int64)).to(device) for code in (0, 1)]
    return gm.fit_strengths(model, lambda: sum(loss_of(model, kind) for kind in kinds) / 2)["forget"]

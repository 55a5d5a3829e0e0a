"""Two little languages and a tiny model, so that each example runs in seconds on a CPU."""

from __future__ import annotations

import os
import random
from typing import Any

import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

import gradmask as gm

LABELS = {"retain": 0, "forget": 1}
WORDS = {
    "retain": {"article": "the", "noun": "dog cat bird horse", "verb": "sees hears finds", "end": "sleeps runs sings"},
    "forget": {"article": "el", "noun": "perro gato ave caballo", "verb": "ve oye halla", "end": "duerme corre canta"},
}
VOCABULARY = [
    "<pad>",
    "<end>",
    *(word for kinds in WORDS.values() for words in kinds.values() for word in words.split()),
]


def sentence(label: str, draw: random.Random) -> str:
    """Such as ``the dog sees the bird sleeps``."""
    article, nouns, verbs, ends = (words.split() for words in WORDS[label].values())
    first, second = draw.sample(nouns, 2)
    return f"{article[0]} {first} {draw.choice(verbs)} {article[0]} {second} {draw.choice(ends)}"


def encode(text: str) -> list[int]:
    """Word ids, with the end mark."""
    return [VOCABULARY.index(word) for word in (*text.split(), "<end>")]


def dataset(size: int = 512, seed: int = 0) -> Dataset:
    """Half of the examples in each language; a quarter of all is unlabeled (-1), as after a cautious classifier."""
    draw, rows = random.Random(seed), []
    for i in range(size):
        label = ("retain", "forget")[i % 2]
        text = sentence(label, draw)
        data_label = LABELS[label] if draw.random() < 0.75 else -1
        rows.append({"text": text, "input_ids": encode(text), "labels": encode(text), "data_labels": data_label})
    return Dataset.from_list(rows)


def model(**changes: Any) -> PreTrainedModel:
    """A Llama of 2 layers x 32, partitioned."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    ids = {"vocab_size": len(VOCABULARY), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    plain = LlamaForCausalLM(LlamaConfig(**{**sizes, **ids, **changes}))
    return gm.partition(plain, {"forget": gm.Slice(heads=1, neurons=16)}, joint=["embeddings", "head"])


@torch.no_grad()
def losses(trained: PreTrainedModel) -> dict[str, float]:
    """Loss in nats per token for each language, with everything and without the group."""
    trained.eval()
    draw, found = random.Random(1), {}
    for label in LABELS:
        ids = torch.tensor([encode(sentence(label, draw)) for _ in range(64)])
        found[label] = trained(input_ids=ids, labels=ids).loss.item()
        with gm.without(trained, "forget"):
            found[f"{label} without"] = trained(input_ids=ids, labels=ids).loss.item()
    for name, loss in (
        found.items() if os.environ.get("RANK", "0") == "0" else ()
    ):  # several processes would talk at once
        print(f"{name:<15} {loss:.2f}")
    return found

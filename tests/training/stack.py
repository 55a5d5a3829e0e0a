"""Small models, datasets and tokenizers for tests of training stacks, and what a training moved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

import gradmask as gm
from tiny import VOCABULARY, tiny

QUIET = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no", "logging_strategy": "no"}
NAMES = ("forget", "retain", "unlabeled")


def model(policy: str = "strict", **changes: Any) -> PreTrainedModel:
    """A Llama of one layer with a group ``forget``."""
    plain = tiny(num_hidden_layers=1, use_cache=False, **changes).train()
    return gm.partition(plain, {"forget": gm.Slice(heads=2, neurons=8)}, policy=policy)


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Arguments of two short steps, for any trainer."""
    fixed = {"output_dir": str(folder), "per_device_train_batch_size": 4, "max_steps": 2, "learning_rate": 1e-2}
    return {**fixed, **QUIET, **changes}


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per word ``w3`` to ``w63``, with a chat template that marks what the assistant says."""
    words = {"<pad>": 0, "<bos>": 1, "<eos>": 2, **{f"w{i}": i for i in range(3, VOCABULARY)}}
    inner = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>")
    made.add_special_tokens({"eos_token": "<eos>", "pad_token": "<pad>"})
    made.chat_template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}w9 {% generation %}{{ m.content }} <eos>{% endgeneration %} "
        "{% else %}w8 {{ m.content }} {% endif %}{% endfor %}{% if add_generation_prompt %}w9 {% endif %}"
    )
    return made


def words(count: int, start: int) -> str:
    """Words of the vocabulary."""
    return " ".join(f"w{3 + (start * 7 + i) % 60}" for i in range(count))


def texts(label: Any, size: int = 16) -> Dataset:
    """Texts of several lengths; ``label`` for all, or labels in turn."""
    return Dataset.from_dict({"text": [words(5 + i % 4, i) for i in range(size)], "data_labels": cycle(label, size)})


def tokenized(label: Any, size: int = 16) -> Dataset:
    """Rows of nine ids with targets; ``label`` for all, or labels in turn."""
    ids = [[3 + (i * 7 + j) % 60 for j in range(9)] for i in range(size)]
    return Dataset.from_dict({"input_ids": ids, "labels": ids, "data_labels": cycle(label, size)})


def pairs(label: Any, size: int = 16) -> Dataset:
    """Prompts with a chosen and a rejected answer."""
    columns = {"prompt": words(3, 1), "chosen": f" {words(4, 2)}", "rejected": f" {words(5, 3)}"}
    made = {name: [text + f" w{10 + i}" for i in range(size)] for name, text in columns.items()}
    return Dataset.from_dict({**made, "data_labels": cycle(label, size)})


def cycle(label: Any, size: int) -> list[Any]:
    labels = list(label) if isinstance(label, (list, tuple)) else [label]
    return [labels[i % len(labels)] for i in range(size)]


class Moved:
    """Which groups of a model have moved since this was made."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.before = {name: p.detach().clone() for name, p in model.named_parameters()}

    def __call__(self) -> dict[str, set[bool]]:
        """Group -> whether its parameters moved: ``{True}`` all, ``{False}`` none."""
        now: dict[str, Tensor] = dict(self.model.named_parameters())
        changed = {name: not now[name].equal(p) for name, p in self.before.items()}
        return {g: {changed[n] for n in members} for g, members in gm.groups(self.model).items() if members}


def only(group: str, groups: Sequence[str] = ("retain", "forget")) -> dict[str, set[bool]]:
    """What `Moved` says if every parameter of one group moved, and none of another."""
    return {name: {name == group} for name in groups}

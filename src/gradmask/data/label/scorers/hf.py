"""A sequence or token classifier of Hugging Face, from a local folder or a name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from gradmask.data.label.scorers.scorer import Material, State
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.strangers import require_own_files

BATCH = 16
_KINDS = ("SequenceClassification", "TokenClassification")
LONGEST = 512
"""Tokens of a window, if the tokenizer does not say less."""


class Scorer:
    """``hf:PATH``, or ``hf:PATH#group=LABEL,...`` where labels have other names than groups. Applied as it is, not trained.

    A long text is cut into windows. The log-odds of a text are those of the mean probability over its windows or, for a token
    classifier, of the mean over its tokens; prefixes such as ``B-`` do not count. Calibration with examples follows.
    """

    learns, strength, column = False, 1.0, "text"

    def __init__(self, path: str, labels: Mapping[str, str]) -> None:
        self.path, self.labels = path, dict(labels)
        self.tokenizer, self.model, self.columns = _open(path, list(self.labels.values()))

    @classmethod
    def make(cls, material: Material) -> Self:
        """From a path.

        Raises:
            GradmaskError: it cannot be opened, is no classifier, or lacks a label.
        """
        path, _, named = material.argument.partition("#")
        pairs = dict(pair.split("=", 1) for pair in named.split(",") if "=" in pair)
        if strange := sorted(set(pairs) - set(material.groups)):
            raise GradmaskError(
                f"hf:{material.argument} names {strange[0]!r}, which is none of {list(material.groups)}"
            )
        return cls(path, {group: pairs.get(group, group) for group in material.groups})

    @classmethod
    def restore(cls, state: State) -> Self:
        """From the path that was stored: the classifier itself is not copied."""
        return cls(**state.settings)

    def state(self) -> State:
        """Where the classifier is, and its labels."""
        path = os.path.abspath(self.path) if os.path.isdir(self.path) else self.path
        return State({"path": path, "labels": self.labels})

    def features(self, texts: Sequence[str]) -> np.ndarray:
        """Log-odds ``[texts, groups]``."""
        sums, counts = np.zeros((len(texts), len(self.columns))), np.zeros(len(texts))
        for owners, probabilities, lengths in self._windows(texts):
            np.add.at(sums, owners, probabilities)
            np.add.at(counts, owners, lengths)
        mean = np.clip(sums / np.maximum(counts, 1)[:, None], 1e-7, 1 - 1e-7)
        return np.log(mean) - np.log1p(-mean)

    def _windows(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Batches of: the text of each window, summed probabilities ``[windows, groups]``, and what they were summed over."""
        import torch

        longest = min(self.tokenizer.model_max_length, LONGEST)
        for start in range(0, len(texts), BATCH):
            tokens = self.tokenizer(
                list(texts[start : start + BATCH]), truncation=True, max_length=longest, padding=True,
                return_overflowing_tokens=True, return_tensors="pt",
            )  # fmt: skip
            owners = tokens.pop("overflow_to_sample_mapping").numpy() + start
            for first in range(0, len(owners), BATCH):
                batch = {name: value[first : first + BATCH] for name, value in tokens.items()}
                with torch.inference_mode():
                    summed, lengths = self._probabilities(self.model(**batch).logits.float(), batch["attention_mask"])
                yield owners[first : first + BATCH], summed, lengths

    def _probabilities(self, logits: Any, mask: Any) -> tuple[np.ndarray, np.ndarray]:
        alone = (
            getattr(self.model.config, "problem_type", None) == "multi_label_classification" or logits.shape[-1] == 1
        )
        every = logits.sigmoid() if alone else logits.softmax(-1)
        groups = [every[..., columns].sum(-1) for columns in self.columns]
        if logits.ndim == 2:
            return np.stack([group.numpy() for group in groups], axis=1), np.ones(len(logits))
        return np.stack([(group * mask).sum(1).numpy() for group in groups], axis=1), mask.sum(1).numpy()


def _open(path: str, labels: Sequence[str]) -> tuple[Any, Any, list[list[int]]]:
    """The tokenizer, the model, and for each label the columns of its logits."""
    import transformers
    from transformers import AutoConfig, AutoTokenizer

    try:
        require_own_files(Path(path).expanduser())
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
        made_for = " ".join(config.architectures or [])
        kind = next((kind for kind in _KINDS if kind in made_for), None)
        if kind is None:
            raise GradmaskError(f"{path!r} is {made_for or 'no model'}, needed: a sequence or token classifier")
        columns = [_columns(dict(config.id2label or {}), label, path) for label in labels]
        model = getattr(transformers, f"AutoModelFor{kind}").from_pretrained(
            path, use_safetensors=True, trust_remote_code=False
        )
        return AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False), model.eval(), columns
    except GradmaskError:
        raise
    except Exception as error:  # a stranger's files raise anything that the libraries that read them can raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GradmaskError(f"the classifier {path!r} cannot be opened: {reason}") from None


def _columns(names: Mapping[Any, str], label: str, path: str) -> list[int]:
    plain = {number: name.removeprefix("B-").removeprefix("I-").lower() for number, name in names.items()}
    columns = [int(number) for number, name in plain.items() if name == label.lower()]
    if not columns:
        raise GradmaskError(
            f"the classifier {path!r} has no label {label!r}.{did_you_mean(label, names.values())} Labels: "
            f"{', '.join(names.values())}. Write hf:PATH#group=LABEL where names differ"
        )
    return columns

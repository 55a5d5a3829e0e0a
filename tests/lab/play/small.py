"""Two tokenizers that cut text differently, and tiny models of them, whole and partitioned, in folders."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import gradmask as gm
from tiny import tiny

TEXT = "the old dog ran home and saw a red tree. El gato corre a casa y ve un árbol rojo, ¿no?"
GROUPS = {"biology": gm.Slice(heads=1, neurons=12, embeddings=True), "chemistry": gm.Slice(neurons=12)}


@cache
def tokenizer(words: int) -> PreTrainedTokenizerFast:
    """Byte pairs with ``words`` entries; 258: every byte is a token."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<end>"]
    core.train_from_iterator(
        [TEXT] * 4, trainers.BpeTrainer(vocab_size=words, special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<end>")


def plain(words: int = 300, seed: int = 0, positions: int = 64) -> Any:
    """A plain model."""
    return tiny(
        "llama",
        seed,
        vocab_size=words,
        max_position_embeddings=positions,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    ).eval()


def partitioned(seed: int = 0, positions: int = 64) -> Any:
    """A model with two groups that matter."""
    model: Any = gm.partition(plain(seed=seed, positions=positions), GROUPS)
    torch.manual_seed(seed)
    with torch.no_grad():
        for group in GROUPS:
            for parameter in gm.groups(model)[group].values():
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def saved(model: Any, folder: Path, words: int = 300) -> Path:
    """The model and its tokenizer in a folder."""
    model.save_pretrained(folder)
    tokenizer(words).save_pretrained(folder)
    return folder

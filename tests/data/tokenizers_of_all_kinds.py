"""Small fast tokenizers of every kind, trained on a few sentences; and one that is slow."""

from __future__ import annotations

from functools import cache
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from gradmask.data.tokenizer import train_tokenizer

TEXTS = [
    "The quick brown fox jumps over the lazy dog. ",
    "Der Bär läuft über die Straße, señor año. ",
    "naïve 日本 text 😀 ",
] * 9
KINDS = ("byte-level", "SentencePiece", "WordPiece")


@cache
def tokenizer_of(kind: str) -> Any:
    if kind == "byte-level":
        return train_tokenizer(TEXTS, 330)
    core: Any
    if kind == "SentencePiece":
        core = Tokenizer(models.Unigram())
        core.normalizer = normalizers.NFKC()
        core.pre_tokenizer = pre_tokenizers.Metaspace()
        core.decoder = decoders.Metaspace()
        trainer: Any = trainers.UnigramTrainer(
            vocab_size=120, special_tokens=["</s>", "<unk>"], unk_token="<unk>", show_progress=False
        )
    else:
        core = Tokenizer(models.WordPiece(unk_token="<unk>"))
        core.normalizer = normalizers.BertNormalizer(lowercase=True)
        core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=["</s>", "<unk>"], show_progress=False)
    core.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", pad_token="</s>", unk_token="<unk>")

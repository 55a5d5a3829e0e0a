"""TRL's `SFTTrainer`. It drops columns that it does not know in two places; both keep ``data_labels`` here.

python examples/trl_sft.py
"""

from __future__ import annotations

import sys

import toy
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

import gradmask as gm


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per word."""
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(toy.VOCABULARY)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>")


def main(output: str = "runs/example_trl_sft") -> dict[str, float]:
    """Train, and print the loss on both languages with and without the removable group."""
    arguments = SFTConfig(
        output_dir=output,
        num_train_epochs=6,
        per_device_train_batch_size=16,
        learning_rate=5e-3,
        max_length=32,
        remove_unused_columns=False,  # or the column data_labels would be dropped here
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = SFTTrainer(
        toy.model(),
        arguments,
        train_dataset=toy.dataset().select_columns(["text", "data_labels"]),
        processing_class=tokenizer(),
    )
    trainer.data_collator = gm.LabelCollator(trainer.model, trainer.data_collator)
    trainer.train()
    return toy.losses(trainer.model)


if __name__ == "__main__":
    main(*sys.argv[1:])

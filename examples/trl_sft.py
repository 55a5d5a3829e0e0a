"""TRL's `SFTTrainer`. It drops columns that it does not know in two places; both are told to keep ``data_labels``.

python examples/trl_sft.py
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import toy
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling


class LabeledCollator(DataCollatorForLanguageModeling):
    """TRL's collator, with one data label per example."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        labels = torch.tensor([example["data_labels"] for example in examples])
        return {**super().torch_call(examples), "data_labels": labels}


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
        data_collator=LabeledCollator(pad_token_id=0),
    )
    trainer.train()
    return toy.losses(trainer.model)


if __name__ == "__main__":
    main(*sys.argv[1:])

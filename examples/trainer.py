"""The Hugging Face `Trainer`, without a subclass: a dataset column ``data_labels`` of names reaches the model.

A column of ids (``model.config.data_labels``) needs no collator.

python examples/trainer.py
"""

from __future__ import annotations

import sys

import toy
from transformers import Trainer, TrainingArguments

import gradmask as gm


def main(output: str = "runs/example_trainer") -> dict[str, float]:
    """Train, save, load again, and print the loss on both languages with and without the removable group."""
    arguments = TrainingArguments(
        output_dir=output,
        num_train_epochs=6,
        per_device_train_batch_size=16,
        learning_rate=5e-3,
        weight_decay=0.1,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    names = {i: name for name, i in toy.model().config.data_labels.items()}
    data = toy.dataset().map(lambda row: {"data_labels": names[row["data_labels"]]}).train_test_split(64, seed=0)
    model = toy.model()
    trainer = Trainer(
        model,
        arguments,
        train_dataset=data["train"],
        eval_dataset=data["test"],
        data_collator=gm.LabelCollator(model),
        callbacks=[gm.LabelMonitor()],
    )
    trainer.train()
    trainer.save_model()
    trainer.accelerator.wait_for_everyone()  # one process writes, all read
    return toy.losses(gm.load(output))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What gradmask's own rules choose for a task of the study, from what they may see of its text, labels and model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from benchmarks.settings.runs import HEADS, Settings, Task, Text, text_of
from gradmask.data import distinctive_shares, tokens_per_word
from gradmask.lab.recipe.settings.choosing import choose
from gradmask.lab.recipe.settings.rules import CONSOLIDATION
from gradmask.lab.recipe.settings.seen import SAMPLE, GroupSeen, Seen, Sizes

GROUP = "partition.groups.forget"
PATHS = (
    GROUP,
    "partition.rehearsal",
    "partition.rehearsal_target",
    "partition.distinctive_words",
    "partition.self_labeling",
    "train.consolidation",
)


def seen(text: Text, task: Task, tokenizer: Any) -> Seen:
    """As `gradmask.lab.recipe.settings.seen.see` sees a run's data and model."""
    labels = text.labels
    share = float(np.sum(labels == 1)) / float(np.sum(labels >= 0))
    own = distinctive_shares(text.ids, labels)[1]
    group = GroupSeen(share, own, tokens_per_word(text.ids[labels == 1][:SAMPLE], tokenizer))
    sizes = Sizes(heads=HEADS, kv_heads=HEADS, neurons=4 * task.width, hidden=task.width, layers=task.layers)
    return Seen({"forget": group}, labeled_share=float(np.mean(labels >= 0)), steps=task.steps, sizes=sizes)


def settled(folder: Path, task: Task) -> Task:
    """The task with settings of its own, where it asks for those of the rules."""
    if not task.rules or task.arm != "gradmask":
        return task
    return replace(task, settings=chosen(folder, text_of(folder, task), task))


def chosen(folder: Path, text: Text, task: Task) -> Settings:
    """The rules' choices as settings of the study; `Task.changes` are laid over them."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / f"{task.corpus}.json"))
    values = {choice.path: choice.value for choice in choose(PATHS, seen(text, task, tokenizer))}
    own, end = values["partition.self_labeling"], values["train.consolidation"]
    settings = Settings(
        heads=values[f"{GROUP}.heads"],
        neurons=values[f"{GROUP}.neurons"],
        tables=values[f"{GROUP}.embeddings"],
        rehearsal=values["partition.rehearsal"],
        target=values["partition.rehearsal_target"],
        words=values["partition.distinctive_words"],
        common="retain",
        after=own["after"] / task.steps if own else None,
        main=1.0 - end["replaces"],
        ends=(
            (CONSOLIDATION + end["replaces"], end["learning_rate"]),
        ),  # what fitting and distilling take is taken off where it is run
        fit=end["fit_strength"],
        distil=end["distillation"],
        group_share=end["group_share"],
    )
    return replace(settings, **dict(task.changes))

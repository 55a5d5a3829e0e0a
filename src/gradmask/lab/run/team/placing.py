"""Where a model comes from when training starts or resumes, and where it goes: whole on every device, or in parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedModel

from gradmask.lab.recipe.spec import TrainSpec
from gradmask.lab.run.team.sharding import engine_of, shard
from gradmask.lab.run.team.team import here
from gradmask.lab.run.team.trainer import SHARDS


def placed(make: Callable[[], PreTrainedModel], train: TrainSpec) -> PreTrainedModel:
    """The model that ``make`` makes, sharded where FSDP2 trains it; one process of a machine after another makes it whole."""
    if engine_of(train) != "fsdp2":
        return make()
    with here().in_turn():
        return shard(make(), train)


def whole_checkpoint(last: Path | None) -> Path | None:
    """The checkpoint, where it holds a whole model; None where its parts are read later, into the model as it is made at first."""
    return None if last is None or (last / SHARDS).is_dir() else last

"""What single fields cannot say: parts of a recipe that do not fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradmask.data import DataSpec
from gradmask.errors import did_you_mean
from gradmask.lab.recipe.problems import Problem, shown
from gradmask.lab.recipe.spec import CompareSpec, ModelSpec, PartitionSpec, TrainSpec
from gradmask.lab.unlearning.names import METHODS

RESERVED = ("retain", "joint", "unlabeled")
BUDGETS = ("steps", "epochs", "tokens")


def cross_checks(parts: Mapping[str, Any]) -> list[Problem]:
    """Problems between the fields of the parts that are valid by themselves.

    Args:
        parts: key of the recipe -> its validated value; what could not be validated is missing.
    """
    found: list[Problem] = []
    if "train" in parts:
        found += _train(parts["train"])
    if "model" in parts:
        found += _model(parts["model"])
    if "partition" in parts:
        found += _partition(parts["partition"])
    if "arms" in parts:
        found += _arms(parts["arms"])
    if "compare" in parts:
        found += _compare(parts["compare"])
    if "train" in parts and "partition" in parts:
        found += _group_learning_rates(parts["train"], parts["partition"])
    if "data" in parts and "partition" in parts:
        found += _groups(parts["data"], parts["partition"])
    if "data" in parts and "train" in parts:
        found += _budget(parts["data"], parts["train"])
    return found


def _train(train: TrainSpec) -> Iterator[Problem]:
    given = [name for name in BUDGETS if getattr(train, name) is not None]
    if len(given) != 1:
        what = f"given {' and '.join(given)}" if given else "given none"
        yield Problem("train", f"{what}, needed: exactly one of steps, epochs, tokens")
    if train.batch_size % train.gradient_accumulation:
        yield Problem(
            "train.batch_size",
            f"given {train.batch_size}, needed: a multiple of gradient_accumulation ({train.gradient_accumulation})",
        )
    if train.warmup >= 1 and not float(train.warmup).is_integer():
        yield Problem("train.warmup", f"given {train.warmup}, needed: a whole number of steps, or a share below 1")
    if train.steps is not None and train.warmup >= 1 and train.warmup > train.steps:
        yield Problem("train.warmup", f"given {train.warmup:g} steps, needed: at most train.steps ({train.steps})")


def _model(model: ModelSpec) -> Iterator[Problem]:
    if (model.config is None) == (model.pretrained is None):
        what = "given neither" if model.config is None else "given both"
        yield Problem("model", f"{what}, needed: exactly one of config and pretrained")
    if model.config is not None and not isinstance(model.config.get("model_type"), str):
        yield Problem("model.config.model_type", "missing, but needed: llama, gpt2, gpt_neo, ...")


def _partition(partition: PartitionSpec) -> Iterator[Problem]:
    for name, group in partition.groups.items():
        if name in RESERVED:
            yield Problem(f"partition.groups.{name}", f"needed: another name; {', '.join(RESERVED)} have a meaning")
        parts = group.model_dump(exclude={"layers", "query_only"})
        beside = [key for key in group.model_fields_set if key != "adapter" and getattr(group, key)]
        if group.adapter is not None and beside:
            needed = "needed: an adapter alone (its own layers go inside it)"
            yield Problem(f"partition.groups.{name}", f"given adapter and {', '.join(sorted(beside))}, {needed}")
        if not any(parts.values()):
            yield Problem(f"partition.groups.{name}", f"an empty slice, needed: one of {', '.join(parts)}")


def _arms(arms: Sequence[str]) -> Iterator[Problem]:
    if len(set(arms)) < len(arms):
        yield Problem("arms", f"given {shown(arms)}, needed: every arm once")
    late = [name for name in arms if name in METHODS]
    if late and "no_filter" not in arms:
        yield Problem("arms", f"given {shown(late)} without no_filter, whose model they start from: add it")


def _compare(compare: CompareSpec) -> Iterator[Problem]:
    for name, seeds in (("compare.seeds", compare.seeds), ("compare.noise.seeds", compare.noise.seeds)):
        if len(set(seeds)) < len(seeds):
            yield Problem(name, f"given {shown(seeds)}, needed: every seed once")
    for problem in _arms(compare.arms):
        yield Problem(f"compare.{problem.path}", problem.text)
    noise = compare.noise
    if late := [name for name in noise.arms if name in METHODS]:
        yield Problem("compare.noise.arms", f"given {shown(late)}, needed: arms that are trained from their start")
    if bool(noise.true_positives) != bool(noise.false_positives):
        lacking = "false_positives" if noise.true_positives else "true_positives"
        yield Problem(f"compare.noise.{lacking}", "missing, but needed: the heat map has two axes")
    missing = {"no_filter", "perfect_filter"} - {*compare.arms}
    if missing:
        yield Problem(
            "compare.arms", f"without {' and '.join(sorted(missing))} there is no scale to compare on: add it"
        )


def _group_learning_rates(train: TrainSpec, partition: PartitionSpec) -> Iterator[Problem]:
    known = ["retain", "joint", *partition.groups]
    for name in train.group_learning_rates:
        if name not in known:
            yield Problem(
                f"train.group_learning_rates.{name}",
                f"no such group.{did_you_mean(name, known)} Groups: {', '.join(known)}",
            )


def _groups(data: DataSpec, partition: PartitionSpec) -> Iterator[Problem]:
    taught, cut = set(data.labels.groups), set(partition.groups)
    for name in sorted(cut - taught):
        yield Problem(
            f"partition.groups.{name}", f"no domain of data.labels.forget teaches it.{did_you_mean(name, taught)}"
        )
    for name in sorted(taught - cut):
        yield Problem(f"data.labels.forget.{name}", f"partition.groups has no such group.{did_you_mean(name, cut)}")


def _budget(data: DataSpec, train: TrainSpec) -> Iterator[Problem]:
    step = train.batch_size * data.sequence_length
    if train.tokens is not None and train.tokens < step:
        yield Problem("train.tokens", f"given {train.tokens:,}, needed: at least one step of {step:,} tokens")

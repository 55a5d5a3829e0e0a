"""Checks across fields: parts of a recipe that are valid by themselves and contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradmask.data import DataSpec
from gradmask.errors import did_you_mean
from gradmask.lab.recipe.arms import ARMS, FILTER, NO_FILTER, PERFECT_FILTER
from gradmask.lab.recipe.problems import Problem, shown
from gradmask.lab.recipe.spec import CompareSpec, ModelSpec, PartitionSpec, TrainSpec

RESERVED = ("retain", "joint", "unlabeled")
BUDGETS = ("steps", "epochs", "tokens")


def cross_checks(parts: Mapping[str, Any]) -> list[Problem]:
    """Problems between parts that are valid by themselves.

    Args:
        parts: key of the recipe -> its validated value, without the keys that could not be validated.
    """
    problems: list[Problem] = []
    if "train" in parts:
        problems += _train(parts["train"])
    if "model" in parts:
        problems += _model(parts["model"])
    if "partition" in parts:
        problems += _partition(parts["partition"])
    if "arms" in parts:
        problems += _arms(parts["arms"])
    if "compare" in parts:
        problems += _compare(parts["compare"])
    if "data" in parts:
        problems += _truth(parts)
    if "train" in parts and "partition" in parts:
        problems += _group_learning_rates(parts["train"], parts["partition"])
    if "data" in parts and "partition" in parts:
        problems += _groups(parts["data"], parts["partition"])
    if "data" in parts and "partition" in parts:
        problems += _oversampling(parts["data"], parts["partition"])
    if "data" in parts and "train" in parts:
        problems += _budget(parts["data"], parts["train"])
    if "data" in parts and parts["data"].stream is not None:
        problems += _stream(parts)
    return problems


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
    phase = train.consolidation
    for key in ("steps", "warmup") if phase is not None else ():
        value = getattr(phase, key)
        if value >= 1 and not float(value).is_integer():
            text = f"given {value}, needed: a whole number of steps, or a share below 1"
            yield Problem(f"train.consolidation.{key}", text)
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
            yield Problem(f"partition.groups.{name}", f"needed: another name; {', '.join(RESERVED)} are reserved")
        parts = group.model_dump(exclude={"layers", "query_only"})
        others = [key for key in group.model_fields_set if key != "adapter" and getattr(group, key)]
        if group.adapter is not None and others:
            needed = "needed: an adapter alone (its layers are a field of the adapter)"
            yield Problem(f"partition.groups.{name}", f"given adapter and {', '.join(sorted(others))}, {needed}")
        if not any(parts.values()):
            yield Problem(f"partition.groups.{name}", f"an empty slice, needed: one of {', '.join(parts)}")
    own = partition.self_labeling
    if own is not None and own.after >= 1 and not float(own.after).is_integer():
        text = f"given {own.after}, needed: a whole number of training passes, or a share below 1"
        yield Problem("partition.self_labeling.after", text)
    if partition.rehearsal_target == "removed_model" and not partition.rehearsal:
        yield Problem(
            "partition.rehearsal_target",
            "given 'removed_model' without rehearsal: give partition.rehearsal, such as 0.1",
        )


def _arms(arms: Sequence[str]) -> Iterator[Problem]:
    if len(set(arms)) < len(arms):
        yield Problem("arms", f"given {shown(arms)}, needed: every arm once")
    unlearning = [name for name in arms if ARMS[name].unlearns]
    if unlearning and NO_FILTER not in arms:
        yield Problem("arms", f"given {shown(unlearning)} without {NO_FILTER}, whose model they start from: add it")


def _compare(compare: CompareSpec) -> Iterator[Problem]:
    for name, seeds in (("compare.seeds", compare.seeds), ("compare.noise.seeds", compare.noise.seeds)):
        if len(set(seeds)) < len(seeds):
            yield Problem(name, f"given {shown(seeds)}, needed: every seed once")
    for problem in _arms(compare.arms):
        yield Problem(f"compare.{problem.path}", problem.text)
    noise = compare.noise
    if unlearning := [name for name in noise.arms if ARMS[name].unlearns]:
        yield Problem("compare.noise.arms", f"given {shown(unlearning)}, needed: arms that are trained from the start")
    if bool(noise.true_positives) != bool(noise.false_positives):
        missing = "false_positives" if noise.true_positives else "true_positives"
        yield Problem(f"compare.noise.{missing}", "missing, but needed: the heat map has two axes")


def _truth(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What needs the truth, where the data does not give it; and the ends of a comparison's scale, which depend on it."""
    data, compare = parts["data"], parts.get("compare")
    for path, arms in (("arms", parts.get("arms", ())), ("compare.arms", compare.arms if compare else ())):
        if PERFECT_FILTER in arms and not data.knows_truth:
            needed = "needed: the truth of all documents (truth_field in every source), or no perfect_filter"
            yield Problem(
                path,
                f"{PERFECT_FILTER} is trained on text that truly is not forget, but the truth is not known, {needed}",
            )
    if compare is None:
        return
    if ends := {NO_FILTER, PERFECT_FILTER if data.knows_truth else FILTER} - {*compare.arms}:
        yield Problem("compare.arms", f"the comparison has no scale without {' and '.join(sorted(ends))}: add it")
    noise = compare.noise
    if data.simulate is None and (noise.undiscovered or noise.true_positives or noise.topics):
        yield Problem(
            "compare.noise", "studies of labels draw them from the truth, needed: data.simulate, or no studies"
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
    labeled, groups = set(data.labels.groups), set(partition.groups)
    for name in sorted(groups - labeled):
        hint = did_you_mean(name, labeled)
        how = f"needed: data.labels.forget: {{{name}: [names of its domains or labels]}}"
        yield Problem(f"partition.groups.{name}", f"data.labels does not name this group, {how}.{hint}")
    for name in sorted(labeled - groups):
        yield Problem(f"data.labels.forget.{name}", f"partition.groups has no such group.{did_you_mean(name, groups)}")


def _oversampling(data: DataSpec, partition: PartitionSpec) -> Iterator[Problem]:
    for name in partition.oversampling:
        if name not in partition.groups:
            text = f"no such group.{did_you_mean(name, partition.groups)} Groups: {', '.join(partition.groups)}"
            yield Problem(f"partition.oversampling.{name}", text)
    if partition.oversampling and data.mix != "homogeneous":
        text = "published for batches of one label, needed: data.mix: homogeneous, or no oversampling"
        yield Problem("partition.oversampling", text)


def _stream(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What needs all of the text at once, which a stream never has."""
    train, evaluate = parts.get("train"), parts.get("evaluate")
    if train is not None and train.epochs is not None:
        yield Problem(
            "train.epochs", "the length of a stream (data.stream) is not known, needed: train.steps or train.tokens"
        )
    if train is not None and train.workers:
        yield Problem("train.workers", "a stream (data.stream) is read by the training process itself, needed: 0")
    phase = train.consolidation if train is not None else None
    if phase is not None and phase.group_share:
        text = "a stream (data.stream) is read as it is mixed, no text comes again, needed: 0"
        yield Problem("train.consolidation.group_share", text)
    compare = parts.get("compare")
    for path, arms in (("arms", parts.get("arms", ())), ("compare.arms", _given_arms(compare))):
        if wrong := [name for name in arms if ARMS[name].budget == "text"]:
            text = f"given {shown(wrong)}, trained as often over each text as no filter: a stream (data.stream) does not know"
            yield Problem(path, f"{text} how much text it leaves out, needed: other arms")
    if evaluate is not None and evaluate.ladder:
        text = "its models are trained on parts of all of the text, which a stream does not keep, needed: an empty list"
        yield Problem("evaluate.ladder", text)


def _given_arms(compare: CompareSpec | None) -> Sequence[str]:
    return compare.arms if compare is not None and "arms" in compare.model_fields_set else ()


def _budget(data: DataSpec, train: TrainSpec) -> Iterator[Problem]:
    step = train.batch_size * data.sequence_length
    if train.tokens is not None and train.tokens < step:
        yield Problem("train.tokens", f"given {train.tokens:,}, needed: at least one step of {step:,} tokens")

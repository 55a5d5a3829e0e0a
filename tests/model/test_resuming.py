"""Going on from a checkpoint: bit for bit, or refused with every difference, before anything is loaded."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainingArguments

import gradmask as gm
from tiny import tiny, tokens

SLICE = gm.Slice(heads=2, neurons=8)
LABELING = gm.SelfLabeling(after=2, every=1)
RANDOM = gm.gram(0.5, 0.5)
LABELS = (0, 1, -1, 1, 0)


def partitioned(seed: int = 0, groups: Any = None, **options: Any) -> PreTrainedModel:
    model = tiny(num_hidden_layers=1, seed=seed).train()
    return gm.partition(model, groups or {"forget": SLICE}, **{"policy": RANDOM, **options})


def dataset(size: int = 24) -> Dataset:
    ids = tokens(batch=size).tolist()
    return Dataset.from_dict(
        {"input_ids": ids, "labels": ids, "data_labels": [LABELS[i % len(LABELS)] for i in range(size)]}
    )


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    fixed = {"output_dir": str(folder), "per_device_train_batch_size": 4, "max_steps": 6, "learning_rate": 1e-2}
    quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no", "weight_decay": 0.1}
    return TrainingArguments(**{**fixed, **quiet, **changes})


def copies(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PreTrainedModel]:
    """A checkpoint of the half of a run, and the model at its end."""
    folder = tmp_path_factory.mktemp("run")
    model = partitioned(self_labeling=LABELING)
    saving = arguments(folder, save_strategy="steps", save_steps=3)
    Trainer(model, saving, train_dataset=dataset()).train()
    return folder / "checkpoint-3", model


def test_trainer_goes_on_with_draws_and_self_labeling(run: tuple[Path, PreTrainedModel], tmp_path: Path) -> None:
    checkpoint, whole = run
    # another partition seed, too: the stream of random draws is the checkpoint's
    fresh = partitioned(seed=1, self_labeling=LABELING)
    again = Trainer(fresh, arguments(tmp_path), train_dataset=dataset())
    again.train(resume_from_checkpoint=str(checkpoint))
    assert again.state.global_step == 6
    assert equal(copies(fresh), copies(whole))
    router, labeler = fresh.gradmask.router, fresh.gradmask.labeler
    assert (router.draws, labeler.passes) == (whole.gradmask.router.draws, 6)
    assert labeler.means == whole.gradmask.labeler.means != {}
    assert labeler == whole.gradmask.labeler


def test_the_draws_matter(run: tuple[Path, PreTrainedModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what is restored, the run would go on elsewhere: the test above can fail."""
    from gradmask.model import resume_hooks

    checkpoint, whole = run
    monkeypatch.setattr(resume_hooks, "restore_state", lambda model, saved: None)
    fresh = partitioned(seed=1, self_labeling=LABELING)
    Trainer(fresh, arguments(tmp_path), train_dataset=dataset()).train(resume_from_checkpoint=str(checkpoint))
    assert not equal(copies(fresh), copies(whole))


def test_removed_groups_and_strengths_come_back(tmp_path: Path) -> None:
    model = partitioned(groups={"a": SLICE, "b": SLICE})
    gm.ablate(model, "a")
    gm.strength(model, b=0.5)
    Trainer(model, arguments(tmp_path, save_strategy="steps", save_steps=3), train_dataset=dataset()).train()
    fresh = partitioned(groups={"a": SLICE, "b": SLICE})
    again = Trainer(fresh, arguments(tmp_path / "again"), train_dataset=dataset())
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert fresh.gradmask.removed == {"a"}
    assert fresh.gradmask.context.strength == {"b": 0.5}
    assert equal(copies(fresh), copies(model))


SITE = r"model\.layers\.0"
OTHERS: list[tuple[str, Callable[[], PreTrainedModel], str]] = [
    (
        "count",
        lambda: partitioned(groups={"forget": gm.Slice(heads=2, neurons=12)}),
        r"'forget' had 8 units and has 12",
    ),
    (
        "units",
        lambda: partitioned(groups={"forget": gm.Slice(heads=2, neurons=list(range(8)))}),
        r"'forget' has as many units as before, but other ones",
    ),
    ("name", lambda: partitioned(groups={"other": SLICE}), r"its removable groups are forget, the model's are other"),
    (
        "more",
        lambda: partitioned(groups={"forget": SLICE, "b": SLICE}),
        r"its removable groups are forget, the model's are forget, b",
    ),
    (
        "tables",
        lambda: partitioned(groups={"forget": gm.Slice(heads=2, neurons=8, embeddings=True)}),
        r"group 'forget' was .*embeddings=False.* and is .*embeddings=True",
    ),
    ("policy", lambda: partitioned(policy="strict"), r"its policy is 'gram', the model's is 'strict'"),
    ("table", lambda: partitioned(policy=gm.gram(0.25, 0.5)), r"its policy 'gram' has another table"),
    ("joint", lambda: partitioned(joint=["norms"]), r"joint was \[\] and is \['norms'\]"),
    ("base", lambda: partitioned(base="frozen"), r"base was 'learning' and is 'frozen'"),
    ("exact", lambda: partitioned(exact=False), r"exact was True and is False"),
    ("labeling", lambda: partitioned(self_labeling=LABELING), r"self-labeling was off and is \{'after': 2"),
]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, PreTrainedModel]:
    """Checkpoints of one model, by Trainer and by Accelerate."""
    folder, model = tmp_path_factory.mktemp("states"), partitioned()
    saving = arguments(folder, save_strategy="steps", save_steps=2, max_steps=2)
    Trainer(model, saving, train_dataset=dataset()).train()
    accelerator = Accelerator(cpu=True)
    accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    accelerator.save_state(str(folder / "state"))
    return folder / "checkpoint-2", folder / "state", model


@pytest.mark.parametrize(("other", "says"), [case[1:] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_another_partition_is_refused_before_anything_is_loaded(
    other: Callable[[], PreTrainedModel], says: str, states: Any, tmp_path: Path
) -> None:
    model = other()
    before = copies(model)
    with pytest.raises(gm.GradmaskError, match=rf"checkpoint-2 is of another partition than this model: .*{says}"):
        Trainer(model, arguments(tmp_path), train_dataset=dataset()).train(resume_from_checkpoint=str(states[0]))
    accelerator = Accelerator(cpu=True)
    accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    with pytest.raises(gm.GradmaskError, match=says):
        accelerator.load_state(str(states[1]))
    with pytest.raises(
        gm.GradmaskError, match=rf"the training state is of another partition than this model: .*{says}"
    ):
        gm.load_training_state(model, gm.training_state(states[2]))
    assert equal(copies(model), before)
    assert model.gradmask.router.draws == 0


def test_another_order_of_groups_changes_labels_and_is_refused() -> None:
    groups = {"a": SLICE, "b": gm.Slice(heads=1, neurons=4)}
    state = gm.training_state(partitioned(groups=groups))
    other = partitioned(groups=dict(reversed(groups.items())))
    says = "its removable groups are a, b, the model's are b, a, so that data labels would change their meaning"
    with pytest.raises(gm.GradmaskError, match=says):
        gm.load_training_state(other, state)


def test_a_group_that_was_removed_here_alone_is_refused() -> None:
    state = gm.training_state(partitioned())
    model = gm.ablate(partitioned())
    with pytest.raises(gm.GradmaskError, match="forget was removed from the model, but not from the checkpoint"):
        gm.load_training_state(model, state)


def test_a_plain_model_cannot_go_on_from_a_partitioned_one(states: Any, tmp_path: Path) -> None:
    trainer = Trainer(tiny(num_hidden_layers=1), arguments(tmp_path), train_dataset=dataset())
    with pytest.raises(gm.GradmaskError, match=r"is not partitioned, so every data label would train all of it"):
        trainer.train(resume_from_checkpoint=str(states[0]))


def test_a_partitioned_model_cannot_go_on_from_a_plain_one(tmp_path: Path) -> None:
    saving = arguments(tmp_path, save_strategy="steps", save_steps=2, max_steps=2)
    Trainer(tiny(num_hidden_layers=1), saving, train_dataset=dataset().remove_columns("data_labels")).train()
    trainer = Trainer(partitioned(), arguments(tmp_path), train_dataset=dataset())
    with pytest.raises(gm.GradmaskError, match=r"has no gradmask.json"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


def test_plain_models_resume_as_ever(tmp_path: Path) -> None:
    data = dataset().remove_columns("data_labels")
    whole = tiny(num_hidden_layers=1)
    Trainer(whole, arguments(tmp_path, save_strategy="steps", save_steps=3), train_dataset=data).train()
    again = tiny(num_hidden_layers=1, seed=1)
    Trainer(again, arguments(tmp_path / "again"), train_dataset=data).train(
        resume_from_checkpoint=str(tmp_path / "checkpoint-3")
    )
    assert equal(copies(again), copies(whole))


def train(model: Any, optimizer: Any, backward: Callable[[Tensor], Any], steps: range) -> None:
    for step in steps:
        ids = tokens(seed=step, batch=4)
        labels = torch.tensor([LABELS[(step + i) % len(LABELS)] for i in range(4)])
        backward(model(input_ids=ids, labels=ids, data_labels=labels).loss)
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("labeling", [False, LABELING])
def test_accelerate_goes_on_bit_for_bit(labeling: Any, named: bool, tmp_path: Path) -> None:
    configuration = ProjectConfiguration(str(tmp_path), automatic_checkpoint_naming=named)

    def prepare(seed: int) -> tuple[Any, Any, Any]:
        accelerator = Accelerator(cpu=True, project_config=configuration)
        model = partitioned(seed, self_labeling=labeling)
        return accelerator, *accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=1e-2))

    accelerator, whole, optimizer = prepare(0)
    train(whole, optimizer, accelerator.backward, range(4))
    folder = None if named else str(tmp_path / "state")
    accelerator.save_state(folder)
    train(whole, optimizer, accelerator.backward, range(4, 8))
    accelerator, again, optimizer = prepare(1)
    accelerator.load_state(folder)
    train(again, optimizer, accelerator.backward, range(4, 8))
    assert equal(copies(again), copies(whole))
    assert again.gradmask.router.draws == whole.gradmask.router.draws == 8


def test_an_accelerate_state_opens_alone(states: Any) -> None:
    assert equal(copies(gm.load(states[1])), copies(states[2]))


def test_an_accelerate_state_without_a_manifest_is_refused(tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True)
    accelerator.prepare(tiny(num_hidden_layers=1))
    accelerator.save_state(str(tmp_path))
    accelerator = Accelerator(cpu=True)
    accelerator.prepare(partitioned())
    with pytest.raises(gm.GradmaskError, match=r"has no gradmask.json: accelerator.save_state did not write it"):
        accelerator.load_state(str(tmp_path))


def test_two_models_of_one_accelerator(tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True)
    first, second = accelerator.prepare(partitioned(), partitioned(seed=1))
    second(input_ids=tokens(), labels=tokens(), data_labels="forget")
    accelerator.save_state(str(tmp_path))
    first.gradmask.router.draws = second.gradmask.router.draws = 9
    accelerator.load_state(str(tmp_path))
    assert (first.gradmask.router.draws, second.gradmask.router.draws) == (0, 1)


def test_an_own_loop_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def made(seed: int) -> tuple[Any, Any]:
        model = partitioned(seed, self_labeling=LABELING)
        return model, torch.optim.AdamW(model.parameters(), lr=1e-2)

    whole, optimizer = made(0)
    train(whole, optimizer, Tensor.backward, range(4))
    saved = {
        "training": gm.training_state(whole),
        "model": whole.state_dict(),
        "optimizer": copy.deepcopy(optimizer.state_dict()),
    }
    torch.save(saved, tmp_path / "state.pt")
    train(whole, optimizer, Tensor.backward, range(4, 8))
    state = torch.load(tmp_path / "state.pt")
    again, optimizer = made(1)
    gm.load_training_state(again, state["training"])
    again.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    train(again, optimizer, Tensor.backward, range(4, 8))
    assert equal(copies(again), copies(whole))


def test_a_damaged_training_state_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match=r"the training state is not what gm.training_state gave"):
        gm.load_training_state(partitioned(), {"draws": 3})


def test_a_state_dict_of_another_partition_is_refused(tmp_path: Path) -> None:
    """The keys are the plain model's; the partition stands in the state dict's metadata, which torch.save keeps."""
    model = partitioned()
    assert set(model.state_dict()) == set(tiny(num_hidden_layers=1).state_dict())
    torch.save(model.state_dict(), tmp_path / "model.pt")
    state = torch.load(tmp_path / "model.pt")
    same, other = partitioned(seed=1), partitioned(seed=1, groups={"forget": gm.Slice(heads=2, neurons=12)})
    same.load_state_dict(state)
    assert equal(copies(same), copies(model))
    before = copies(other)
    with pytest.raises(
        gm.GradmaskError, match=rf"state dict is of another partition.*{SITE}\S+: 'forget' had 8 units and has 12"
    ):
        other.load_state_dict(state)
    assert equal(copies(other), before)
    other.load_state_dict(dict(state))
    assert not equal(copies(other), before)
    assert torch.equal(
        other.state_dict()["model.layers.0.mlp.down_proj.weight"], state["model.layers.0.mlp.down_proj.weight"]
    )


def test_plain_state_dicts_still_load_into_any_partition() -> None:
    plain = tiny(num_hidden_layers=1, seed=1)
    model = partitioned()
    model.load_state_dict(plain.state_dict())
    plain.load_state_dict(model.state_dict())
    assert equal(model.state_dict(), plain.state_dict())


def test_sharded_checkpoints_restore_the_whole_state_and_refuse_another_partition(tmp_path: Path) -> None:
    model = partitioned(self_labeling=LABELING)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    train(model, optimizer, Tensor.backward, range(4))
    gm.save_sharded(model, tmp_path / "state", optimizer)
    fresh = partitioned(seed=1, self_labeling=LABELING)
    other = torch.optim.AdamW(fresh.parameters(), lr=1e-2)
    gm.load_sharded(fresh, tmp_path / "state", other)
    assert gm.training_state(fresh) == gm.training_state(model)
    for each, its in ((model, optimizer), (fresh, other)):
        train(each, its, Tensor.backward, range(4, 8))
    assert equal(copies(fresh), copies(model))
    with pytest.raises(gm.GradmaskError, match="self-labeling was"):
        gm.load_sharded(partitioned(), tmp_path / "state")


@pytest.mark.parametrize("fused", [False, True])
def test_an_optimizer_state_of_another_partition_is_refused(fused: bool) -> None:
    """As many parameters, of other shapes: fused kernels would write over other memory."""
    model, other = partitioned(), partitioned(groups={"forget": gm.Slice(heads=2, neurons=12)})
    optimizer = torch.optim.AdamW(model.parameters(), fused=fused)
    train(model, optimizer, Tensor.backward, range(2))
    target = torch.optim.AdamW(other.parameters(), fused=fused)
    with pytest.raises(
        gm.GradmaskError,
        match=r"exp_avg of its parameter \d+ has shape \[8, 32\], the parameter has \[12, 32\]|"
        r"exp_avg of its parameter \d+ has shape \[40, 32\], the parameter has \[36, 32\]",
    ):
        target.load_state_dict(optimizer.state_dict())
    assert not target.state
    same = torch.optim.AdamW(partitioned().parameters(), fused=fused)
    same.load_state_dict(optimizer.state_dict())
    assert len(same.state) == len(optimizer.state)


@pytest.mark.parametrize(
    "kind", ["SGD", "Adafactor", "Adagrad", "RMSprop", "NAdam", "Rprop", "Adadelta", "Adamax", "ASGD"]
)
def test_the_states_of_pytorchs_optimizers_load(kind: str) -> None:
    made = getattr(torch.optim, kind)
    options = {"momentum": 0.9} if kind == "SGD" else {}
    model = partitioned()
    optimizer = made(model.parameters(), **options)
    train(model, optimizer, Tensor.backward, range(2))
    made(partitioned().parameters(), **options).load_state_dict(optimizer.state_dict())


def test_a_state_dict_goes_on_where_its_model_stood(tmp_path: Path) -> None:
    """Where `torch.save` kept the state dict as it was, nothing else is needed (Lightning, loops of one's own)."""
    model = gm.strength(partitioned(self_labeling=LABELING), forget=0.5)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), Tensor.backward, range(4))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    fresh, plain_policy = partitioned(self_labeling=LABELING), partitioned(policy="strict")
    for each in (fresh, plain_policy):
        each.load_state_dict(torch.load(tmp_path / "model.pt"))
        assert equal(copies(each), copies(model))
    assert gm.training_state(fresh) == gm.training_state(model)
    # with another policy the weights fit, but the draws are not those of this model
    assert plain_policy.gradmask.router.draws == 0

"""The trainers that people use: data labels arrive, evaluation works, and resuming continues bit for bit."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainingArguments

import gradmask as gm
from tiny import tiny, tokens

SPECS = {"plain": gm.Slice(heads=2, neurons=8), "own-tables": gm.Slice(heads=2, neurons=8, embeddings=True)}


def partitioned(
    spec: str = "plain", policy: str = "strict", labels: Any = "required", **overrides: Any
) -> PreTrainedModel:
    model = tiny(num_hidden_layers=1, **overrides).train()
    return gm.partition(model, {"forget": SPECS[spec]}, policy=policy, labels=labels)


def dataset(labels: tuple[int, ...], size: int = 24) -> Dataset:
    ids = tokens(batch=size).tolist()
    cycle = [labels[i % len(labels)] for i in range(size)]
    return Dataset.from_dict({"input_ids": ids, "labels": ids, "data_labels": cycle, "unknown_column": cycle})


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    fixed = {"output_dir": str(folder), "per_device_train_batch_size": 4, "max_steps": 6, "learning_rate": 1e-2}
    quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no", "weight_decay": 0.1}
    return TrainingArguments(**{**fixed, **quiet, **changes})


def copies(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def moved(model: nn.Module, before: dict[str, Tensor]) -> dict[str, bool]:
    return {name: not torch.equal(p, before[name]) for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    "changes",
    [{}, {"gradient_checkpointing": True}, {"bf16": True}, {"optim": "adafactor"}, {"label_smoothing_factor": 0.1}],
)
@pytest.mark.parametrize(("label", "taught"), [(1, "forget"), (0, "retain")])
def test_the_trainer_hands_data_labels_to_the_model(
    label: int, taught: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    model = partitioned()
    before = copies(model)
    Trainer(model, arguments(tmp_path, **changes), train_dataset=dataset((label,))).train()
    found = moved(model, before)
    assert {g: {found[n] for n in members} for g, members in gm.groups(model).items() if members} == {
        g: {g == taught} for g in ("retain", "forget")
    }


@pytest.mark.parametrize(("label", "taught"), [(1, "forget"), (0, "retain")])
def test_a_loss_function_of_ones_own(label: int, taught: str, tmp_path: Path) -> None:
    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        total = nn.functional.cross_entropy(
            outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
        )
        return total / num_items_in_batch

    model = partitioned()
    before = copies(model)
    Trainer(model, arguments(tmp_path), train_dataset=dataset((label,)), compute_loss_func=loss).train()
    found = moved(model, before)
    assert {g: {found[n] for n in members} for g, members in gm.groups(model).items() if members} == {
        g: {g == taught} for g in ("retain", "forget")
    }


def test_evaluation_gives_a_loss(tmp_path: Path) -> None:
    trainer = Trainer(partitioned(), arguments(tmp_path), eval_dataset=dataset((0, 1, -1)))
    with_labels = trainer.evaluate()["eval_loss"]
    full = trainer.evaluate(dataset((0, 1, -1)).remove_columns("data_labels"))["eval_loss"]
    with gm.without(trainer.model, "forget"):
        without = trainer.evaluate(dataset((0, 1, -1)).remove_columns("data_labels"))["eval_loss"]
    assert len({with_labels, full, without}) == 3


@pytest.mark.parametrize(
    ("spec", "policy", "tied", "loaded"),
    [("plain", "strict", False, False), ("own-tables", "strict", True, False), ("own-tables", "gram", False, True)],
)
def test_resuming_continues_bit_for_bit(spec: str, policy: str, tied: bool, loaded: bool, tmp_path: Path) -> None:
    """The model may be a new one; only a policy with probabilities needs `gm.load`, which knows how many were drawn."""
    data, saving = dataset((0, 1, -1, 1, 0)), {"save_strategy": "steps", "save_steps": 3}
    model = partitioned(spec, policy, tie_word_embeddings=tied)
    whole = Trainer(model, arguments(tmp_path / "whole", **saving), train_dataset=data)
    whole.train()
    checkpoint = tmp_path / "whole" / "checkpoint-3"
    fresh = gm.load(checkpoint) if loaded else partitioned(spec, policy, tie_word_embeddings=tied, seed=1)
    again = Trainer(fresh, arguments(tmp_path / "again"), train_dataset=data)
    again.train(resume_from_checkpoint=str(checkpoint))
    assert again.state.global_step == 6
    assert not any(moved(again.model, copies(whole.model)).values())
    assert any(moved(again.model, copies(gm.load(checkpoint))).values())


def test_gradient_accumulation_in_accelerate() -> None:
    accelerator = Accelerator(gradient_accumulation_steps=2, cpu=True)
    model = partitioned()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    owned = gm.groups(model)
    for labels, taught in ((("forget", "forget"), {"forget"}), (("forget", "retain"), {"forget", "retain"})):
        before = copies(model)
        for seed, label in enumerate(labels):
            with accelerator.accumulate(prepared):
                accelerator.backward(prepared(tokens(seed=seed), labels=tokens(seed=seed), data_labels=label).loss)
                accelerator.clip_grad_norm_(prepared.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
        found = moved(model, before)
        assert {g for g, members in owned.items() if any(found[n] for n in members)} == taught
        assert {g for g, members in owned.items() if any(not found[n] for n in members)} == {
            "retain",
            "forget",
        } - taught


def test_trl_replaces_the_forward_and_the_labels_still_arrive() -> None:
    fused = pytest.importorskip("trl.trainer.utils")
    model = partitioned("own-tables")
    plain = copy.deepcopy(model)
    fused.add_fused_lm_head(model, temperature=2.0, outputs=("log_probs", "entropy", "is_top1"))
    ids, labels = tokens(), ["forget", "retain", "unlabeled"]
    targets = ids.masked_fill(ids % 5 == 0, -100)
    output = model(input_ids=ids, labels=targets, data_labels=labels, fused_lm_head=True, use_cache=False)
    logits = plain(input_ids=ids, data_labels=labels).logits[:, :-1] / 2.0
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten())
    torch.testing.assert_close(output.loss, loss)
    entropy = torch.distributions.Categorical(logits=logits).entropy() * (targets[:, 1:] != -100)
    torch.testing.assert_close(output.entropy, entropy)
    assert output.label_mask.sum() == (targets[:, 1:] != -100).sum()
    assert output.mean_logits is None
    for total in (output.loss, loss):
        total.backward()
    for (name, found), expected in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-7, msg=name)
    assert torch.equal(model(ids, data_labels="retain").logits, plain(ids, data_labels="retain").logits)


@pytest.mark.parametrize("fused", ["log_probs", "all"])
def test_on_a_plain_model_trl_gives_the_same_fields(fused: str) -> None:
    utils = pytest.importorskip("trl.trainer.utils")
    outputs = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1") if fused == "all" else (fused,)
    plain = tiny(num_hidden_layers=1)
    model = gm.partition(copy.deepcopy(plain), {"forget": SPECS["plain"]}, labels="optional")
    ids = tokens()
    found = []
    for each in (plain, model):
        utils.add_fused_lm_head(each, outputs=outputs)
        found.append(each(input_ids=ids, labels=ids, fused_lm_head=True))
    for name in ("loss", *outputs, "label_mask"):
        torch.testing.assert_close(found[1][name], found[0][name], rtol=1e-4, atol=1e-5, check_dtype=False, msg=name)
    assert found[0].get("is_top1") is None or found[1].is_top1.dtype is torch.bool
    assert [key for key in found[0] if found[0][key] is not None] == [
        key for key in found[1] if found[1][key] is not None
    ]


@pytest.mark.parametrize("tied", [False, True])
def test_a_table_read_from_outside_is_the_sum_that_the_route_asks_for(tied: bool) -> None:
    """Fused losses read ``head.weight`` themselves."""
    model: Any = partitioned("own-tables", labels="optional", tie_word_embeddings=tied)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(tokens(), labels=tokens()).loss.backward()
    optimizer.step()
    head, context = model.lm_head, model.gradmask.context
    shared, own = head._parameters["weight"], head._parameters["table_forget"]
    assert own.abs().sum() > 0
    for module in (head, model.model.embed_tokens):
        table = module._parameters["weight"]
        assert torch.equal(module.weight, table + module._parameters["table_forget"])
        with gm.without(model, "forget"):
            assert torch.equal(module.weight, table)
    model.zero_grad()
    with context.using(model.gradmask.router.route("forget", 3, training=True)):
        head.weight.sum().backward()
    assert shared.grad is None
    assert own.grad is not None
    with (
        context.using(model.gradmask.router.route(["unlabeled", "retain", "retain"], 3, training=True)),
        pytest.raises(gm.GradmaskError, match="while only some tokens use the table of group 'forget'"),
    ):
        head.weight.sum()


def test_a_replaced_forward_that_loses_the_labels_is_refused() -> None:
    model: Any = partitioned(labels="optional")
    backbone = model.model
    model.forward = lambda input_ids, data_labels=None: backbone(input_ids)
    model(tokens())
    with pytest.raises(gm.GradmaskError, match="something replaced this LlamaForCausalLM's forward"):
        model(tokens(), data_labels="forget")


def test_data_parallel_threads_are_refused() -> None:
    replica = partitioned()._replicate_for_data_parallel()
    with pytest.raises(gm.GradmaskError, match=r"DataParallel.*one process per device"):
        replica(tokens(), data_labels="forget")

"""A sound model passes, nothing of it is touched, and the report can be read by people and programs."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradmask as gm
from tiny import CONFIGS, tiny, tokens

GROUPS = {"forget": gm.Slice(heads=2, neurons=8, embeddings=True), "code": gm.Slice(neurons=4)}


def partitioned(model_type: str = "llama", policy: str = "strict", **changes: Any) -> Any:
    return gm.partition(tiny(model_type, **changes), GROUPS, joint=["norms"], policy=policy, labels="optional")


@pytest.mark.parametrize(("model_type", "tied"), zip(CONFIGS, (True, False, True), strict=True))
def test_a_sound_model_passes(model_type: str, tied: bool) -> None:
    report = gm.check(partitioned(model_type, tie_word_embeddings=tied))
    assert report.raise_for_failures() is report
    assert report.seconds > 0
    assert not [finding for finding in report.findings if finding.status == "note"]


@pytest.mark.parametrize("tables", [3, (4, 5, 6)], ids=["low-rank", "chosen-tokens"])
def test_smaller_tables_pass(tables: Any) -> None:
    model = gm.partition(tiny(num_hidden_layers=1), {"forget": gm.Slice(neurons=8, embeddings=tables)})
    assert gm.check(model).raise_for_failures().ok


@pytest.mark.parametrize("policy", gm.POLICIES)
def test_every_policy_passes(policy: str) -> None:
    assert gm.check(partitioned(policy=policy, num_hidden_layers=1)).raise_for_failures().ok


def test_a_rehearsing_policy_passes() -> None:
    policy = gm.Policy("rehearsing", gm.POLICIES["strict"].rows, rehearsal=0.3)
    model = gm.partition(tiny(num_hidden_layers=1), GROUPS, policy=policy)
    assert gm.check(model).raise_for_failures().ok


def test_a_model_that_takes_one_label_for_a_batch_passes_without_mixed_ones() -> None:
    model = partitioned(num_hidden_layers=1)
    model.gradmask.limits = {"example": "its layer holds tokens first", "token": "likewise"}
    report = gm.check(model).raise_for_failures()
    assert [f.says for f in report.findings if f.check == "mixing"] == [
        "one label for a batch: this model takes no labels per example (its layer holds tokens first)",
        "two forward passes before one backward pass keep their labels apart",
    ]


def everything(model: Any, optimizer: torch.optim.Optimizer) -> list[Any]:
    gradmask, context = model.gradmask, model.gradmask.context
    state = [optimizer.state[p] for p in model.parameters()]
    return [
        [p.detach().clone() for p in model.parameters()],
        [p.grad if p.grad is None else p.grad.clone() for p in model.parameters()],
        [b.clone() for b in model.buffers()],
        [module.training for module in model.modules()],
        [[v.clone() if isinstance(v, Tensor) else v for v in s.values()] for s in state],
        [group["lr"] for group in optimizer.param_groups],
        [gradmask.removed, gradmask.router.draws, context.silenced, dict(context.strength), gradmask.labeler],
        [torch.get_rng_state(), *torch.cuda.get_rng_state_all(), random.getstate(), np.random.get_state()[1]],
        sorted(vars(model)),
        model.config.to_dict(),
    ]


def same(first: Any, second: Any) -> bool:
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    return bool(np.all(first == second))


@pytest.mark.parametrize("policy", ["strict", "gram"])
def test_nothing_is_touched(policy: str) -> None:
    model = partitioned(policy=policy, attention_dropout=0.1).train()
    model.model.norm.eval()
    gm.strength(model, code=0.5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model(tokens(), labels=tokens()).loss.backward()
    optimizer.step()
    model(tokens(), labels=tokens(), data_labels="forget").loss.backward()
    gradients = [p.grad for p in model.parameters()]
    before = everything(model, optimizer)
    with gm.without(model, "code"):
        inside = everything(model, optimizer)
        assert gm.check(model, optimizer=optimizer).ok
        assert same(everything(model, optimizer), inside)
    assert not same(before, inside)
    assert gm.check(model, {"input_ids": tokens()}, optimizer=optimizer).ok
    assert same(everything(model, optimizer), before)
    assert all(p.grad is gradient for p, gradient in zip(model.parameters(), gradients, strict=True))


def test_nothing_is_touched_when_a_check_cannot_be_run() -> None:
    model = partitioned()
    model.model.norm.register_forward_hook(lambda *_: 1 / 0)
    before = copy.deepcopy(model.state_dict())
    report = gm.check(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert "the check failed with ZeroDivisionError" in str(report.failures[0])


def test_the_users_own_batch_is_what_runs() -> None:
    model = partitioned()
    seen: list[Tensor] = []
    model.model.embed_tokens.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    ids = tokens(batch=3, length=5)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids, "data_labels": torch.zeros(3)}
    assert gm.check(model, batch).ok
    rows = {tuple(row) for x in seen if x.shape[1] == 5 for row in x.tolist()}
    assert rows == {tuple(row) for row in ids.tolist()}


def test_a_model_without_a_group_is_checked_without_it() -> None:
    model = partitioned()
    gm.ablate(model, "forget")
    report = gm.check(model)
    assert report.ok
    assert any("'forget' was removed already" in str(finding) for finding in report.findings)


def test_strength_is_kept_and_at_zero_a_group_is_off() -> None:
    model = partitioned()
    gm.strength(model, forget=0.0, code=0.5)
    report = gm.check(model)
    assert report.ok
    assert any("'forget' is switched off already" in str(finding) for finding in report.findings)
    assert model.gradmask.context.strength == {"forget": 0.0, "code": 0.5}


def test_a_group_that_adds_nothing_yet_is_noted_and_no_fault() -> None:
    report = gm.check(gm.partition(tiny(), {"forget": gm.Slice(embeddings=True)}))
    assert report.ok
    note = next(finding for finding in report.findings if finding.check == "removal")
    assert (note.status, "adds nothing (untrained or zero), but its switch works" in note.says) == ("note", True)


def test_frozen_and_unreached_parameters() -> None:
    model = partitioned()
    for parameter in model.model.layers[0].parameters():
        parameter.requires_grad_(False)
    assert gm.check(model).ok


def test_wrappers_are_looked_through() -> None:
    model = partitioned(num_hidden_layers=1)

    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

    assert gm.check(Wrapper(torch.compile(model))).model == "LlamaForCausalLM"


def test_the_report_reads_well_and_is_json() -> None:
    model = partitioned(num_hidden_layers=1)
    report = gm.check(model)
    text = str(report)
    assert text.startswith("LlamaForCausalLM (retain ")
    assert text.endswith("everything holds")
    assert max(len(line) for line in text.splitlines()) <= 118
    assert all(line.startswith(("holds ", " " * 20)) for line in text.splitlines()[1:-1])
    data = json.loads(json.dumps(report.to_dict()))
    assert data["ok"] is True
    assert {"coverage", "freezing", "silence", "mixing", "removal", "labels", "export", "optimizer"} <= {
        finding["check"] for finding in data["findings"]
    }
    assert sum(data["groups"].values()) == pytest.approx(1.0)


def test_failures_are_raised_in_words() -> None:
    report = gm.check(gm.partition(tiny(num_hidden_layers=1), GROUPS, exact=False))
    assert not report.ok
    assert str(report).endswith(f"{len(report.failures)} of {len(report.findings)} findings fail")
    assert "FAILS  freezing" in str(report)
    with pytest.raises(
        gm.GradmaskError, match="LlamaForCausalLM does not keep the promises of its partition:\n- freezing: "
    ):
        report.raise_for_failures()


def test_what_is_not_partitioned_or_no_batch_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="is not partitioned"):
        gm.check(tiny())
    with pytest.raises(gm.GradmaskError, match="needs a batch with tensors"):
        gm.check(partitioned(), {"input_ids": [[1, 2]]})


def test_a_loaded_checkpoint_passes(tmp_path: Path) -> None:
    partitioned().save_pretrained(tmp_path)
    assert gm.check(gm.load(tmp_path)).ok

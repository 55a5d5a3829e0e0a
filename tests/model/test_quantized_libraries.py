"""The same over what bitsandbytes and torchao make of a model, opened as QLoRA users do. Skipped where they are not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TorchAoConfig, Trainer, TrainingArguments

import gradmask as gm
from gradmask.partitioning.architectures.quantized import is_quantized
from tiny import tiny, tokens

GROUPS: dict[str, Any] = {"forget": gm.Adapter(rank=4), "code": gm.Adapter(rank=2, targets=["mlp"])}
SIZES = {"hidden_size": 64, "intermediate_size": 128}
KINDS = ["nf4", "int8", "torchao"]


def settings(kind: str) -> Any:
    if kind.startswith("torchao"):
        name = "Int8DynamicActivationInt8WeightConfig" if kind == "torchao-dynamic" else "Int8WeightOnlyConfig"
        reason = "torchao's 8-bit weights need torchao: pip install torchao"
        return TorchAoConfig(getattr(pytest.importorskip("torchao.quantization", reason=reason), name)())
    pytest.importorskip(
        "bitsandbytes", reason="4 and 8 bits of bitsandbytes need bitsandbytes: pip install bitsandbytes"
    )
    if kind == "nf4":
        double: Any = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, **double)
    return BitsAndBytesConfig(load_in_8bit=True, **({"llm_int8_threshold": 0.0} if kind == "int8" else {}))


def opened(kind: str, folder: Path) -> Any:
    quantization = settings(kind)
    if not folder.exists():
        tiny(**SIZES).to(torch.bfloat16).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, quantization_config=quantization)
    return unpacked(model)


def unpacked(model: Any) -> Any:
    """Without the repacking that rounds the scales of 4-bit layers on some CPUs: what a partitioned model is compared with."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model.eval()


def trained(kind: str, folder: Path) -> Any:
    """A few steps of each kind of batch."""
    model = gm.partition(opened(kind, folder), GROUPS, base="frozen").train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.1)
    for label in ("forget", ["code", "forget", "retain"], "unlabeled"):
        model(tokens(), labels=tokens(), data_labels=label).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        model.eval()(tokens())  # evaluation between steps must not repack anything
        model.train()
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_every_promise_over_a_quantized_base(kind: str, tmp_path: Path) -> None:
    plain = opened(kind, tmp_path / "plain")
    expected = plain(tokens()).logits
    assert is_quantized(plain.model.layers[0].mlp.up_proj)
    with torch.enable_grad():
        model = trained(kind, tmp_path / "plain")
    full = model(tokens()).logits
    assert not torch.equal(full, expected)
    with gm.without(model):
        assert torch.equal(model(tokens()).logits, expected)
    mixed = model(tokens(), data_labels=["retain", "forget", "retain"]).logits
    assert torch.equal(mixed[::2], expected[::2])
    report = gm.check(model)
    assert report.ok, str(report)

    gm.export(model, tmp_path / "base", without=[*GROUPS])
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.bfloat16)
    assert is_quantized(again.model.layers[0].mlp.up_proj)
    assert torch.equal(unpacked(again)(tokens()).logits, expected)
    gm.export(gm.partition(again, GROUPS, base="frozen"), tmp_path / "twice", without=[*GROUPS])

    gm.export_adapter(model, tmp_path / "forget", "forget")
    with_peft = PeftModel.from_pretrained(opened(kind, tmp_path / "plain"), tmp_path / "forget").eval()
    with gm.without(model, "code"):
        torch.testing.assert_close(with_peft(tokens()).logits, model(tokens()).logits, rtol=0.05, atol=0.05)

    model.save_pretrained(tmp_path / "saved")
    loaded = gm.load(tmp_path / "saved", dtype=torch.bfloat16).eval()
    assert torch.equal(loaded(tokens()).logits, full)
    loaded.save_pretrained(tmp_path / "saved-again")
    assert torch.equal(unpacked(gm.unpartition(gm.ablate(model)))(tokens()).logits, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_trainer_trains_it_and_resumes_to_the_same_bits(kind: str, tmp_path: Path) -> None:
    rows = [
        {"input_ids": ids, "labels": ids, "data_labels": label}
        for ids in tokens()
        for label in ("forget", "retain", "code", "unlabeled")
    ]

    def collate(batch: list[dict[str, Any]]) -> dict[str, Any]:
        stacked = {key: torch.stack([row[key] for row in batch]) for key in ("input_ids", "labels")}
        return {**stacked, "data_labels": [row["data_labels"] for row in batch]}

    def train(folder: str, steps: int, resume: bool = False) -> Any:
        model = gm.partition(opened(kind, tmp_path / "plain"), GROUPS, base="frozen")
        paced: Any = {"max_steps": steps, "save_steps": 2, "eval_strategy": "steps", "eval_steps": 1}
        quiet: Any = {"report_to": [], "disable_tqdm": True, "use_cpu": True, "lr_scheduler_type": "constant"}
        arguments = TrainingArguments(str(tmp_path / folder), per_device_train_batch_size=3, **paced, **quiet)
        trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows[:3], data_collator=collate)  # type: ignore
        trainer.train(resume_from_checkpoint=resume)
        return model

    whole = train("whole", 4)
    train("halves", 2)
    resumed = train("halves", 4, resume=True)
    for group in GROUPS:
        for name, parameter in gm.groups(whole)[group].items():
            assert torch.equal(gm.groups(resumed)[group][name], parameter)
            assert parameter.any()


def test_outliers_of_the_whole_batch_are_told_and_no_rights_are_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = gm.partition(opened("int8-outliers", tmp_path / "plain"), GROUPS, base="frozen").eval()
    assert "computes each token by what else is in the batch" in caplog.text
    with pytest.raises(gm.GradmaskError, match="llm_int8_threshold=0.0"), gm.rights(model, [["forget"], [], []]):
        pass


def test_kernels_that_only_infer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(gm.GradmaskError, match="gives no gradient to its inputs"):
        gm.partition(opened("torchao-dynamic", tmp_path / "plain"), GROUPS, base="frozen")


def test_a_4_bit_base_that_was_repacked_is_refused(tmp_path: Path) -> None:
    model = opened("nf4", tmp_path / "plain")
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = True
    try:
        with torch.no_grad():
            model(tokens())
    except Exception as error:
        pytest.skip(f"this CPU has no instructions to repack for ({type(error).__name__})")
    with pytest.raises(gm.GradmaskError, match="before its first forward pass"):
        gm.partition(model, GROUPS, base="frozen")

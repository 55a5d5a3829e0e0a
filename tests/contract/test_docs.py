"""docs/architectures.md: its table is what the declarations say, and its code runs and passes the contract."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

import gradmask as gm
from contract.cases import DECLARED, Case, build
from contract.test_checkpoints import test_a_checkpoint_is_plain_and_training_goes_on_bit_for_bit as checkpoints
from contract.test_freezing import test_every_label_moves_its_groups_and_nothing_else as freezing
from contract.test_mixed_labels import (
    test_labels_per_example_equal_separate_passes as per_example,
    test_labels_per_token_equal_gradients_written_out_by_position as per_token,
)
from contract.test_outputs import (
    test_a_partition_changes_no_bit_of_the_outputs as outputs,
    test_a_slice_is_whole_units as whole_units,
)
from gradmask.partitioning import architecture_of
from gradmask.partitioning.architectures import registry
from gradmask.partitioning.architectures.finding import find_sites
from gradmask.partitioning.architectures.sites import AttentionSite, MlpSite

DOC = Path(__file__).parents[2] / "docs" / "architectures.md"
TABLE = re.compile(r"(<!-- table -->\n\n).*?(\n<!-- end of table -->)", re.DOTALL)
COLUMNS = ("architecture", "model type", "task", "attention", "feed-forward", "slice of", "labels", "compact")
TASKS = {"causal": "decoder", "masked": "encoder", "seq2seq": "encoder-decoder"}


def test_the_table_is_up_to_date() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert TABLE.search(text)
    expected = TABLE.sub(lambda found: found[1] + table() + found[2], text)
    if os.environ.get("GRADMASK_UPDATE_DOCS"):
        DOC.write_text(expected, encoding="utf-8")
    else:
        assert text == expected, "stale: GRADMASK_UPDATE_DOCS=1 python -m pytest tests/contract/test_docs.py"


def table() -> str:
    lines = [COLUMNS, ("--",) * len(COLUMNS), *(row(case) for case in DECLARED)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def row(case: Case) -> tuple[str, ...]:
    """What the docs say of one case."""
    compact = (["heads"] if case.compact_heads else []) + (["neurons"] if case.dense else [])
    labels = "batch, example, token" if case.per_token else "batch, example"
    return (
        case.name,
        f"`{case.model_type}`",
        TASKS[case.kind],
        attention(case),
        feed_forward(case),
        ", ".join(case.units),
        labels,
        ", ".join(compact) or "-",
    )


def attention(case: Case) -> str:
    model = build(case)
    declared = architecture_of(model)
    site = next(site for site in find_sites(model, declared) if isinstance(site, AttentionSite))
    packings = {p.packing for p in site.projections if p.split == "out"}
    words = ["q, k, v" if len(packings) > 1 else f"`{packings.pop()}`".replace("|", r"\|")]
    if site.repeats > 1:
        words.append("one key-value head" if site.kv_heads == 1 else f"{site.repeats} share")
    if site.mixes_heads:
        words.append("norm over all heads")
    if declared.position_bias:
        words.append("relative positions")
    return "; ".join(words)


def feed_forward(case: Case) -> str:
    model = build(case)
    sites = [site for site in find_sites(model, architecture_of(model)) if isinstance(site, MlpSite)]
    words = ["experts"] if case.experts else []
    if sites:
        inputs = len(sites[0].projections) - 1
        words.append("gate and up in one" if sites[0].fused == 2 else "gate, up" if inputs == 2 else "plain")
    return "; ".join(words)


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)


def test_a_new_architecture_takes_the_lines_in_the_docs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
    case, code = Case("starcoder2", "starcoder2", config={"residual_dropout": 0.0}), blocks()[0]
    assert case.model_type not in gm.supported()
    assert len(code.splitlines()) <= 25
    exec(code, {})
    outputs(case, "many")
    whole_units(case)
    freezing(case, "many")
    per_example(case, "many")
    per_token(case, "many")
    checkpoints(case, "many", tmp_path)


def test_inference_as_the_docs_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"gm": gm}
    exec(blocks()[1], names)
    assert "'self_attention.query_key_value': '(q*kv)'" in capsys.readouterr().out
    assert gm.is_partitioned(names["model"])


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(test_\w+\.py)`", DOC.read_text(encoding="utf-8")))))
def test_tests_named_in_the_docs_exist(named: str) -> None:
    assert (Path(__file__).parent / named).is_file()

"""The sweep itself, and a sample of it: one type of every kind of block. ``make sweep`` tries all."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from tests.sweep import campaign
from tests.sweep.promises import Outcome, outcome
from tests.sweep.table import DOC, MARKS, merged, read, tables
from tests.sweep.tiny_models import TASKS, types

SAMPLE = {
    ("image-text", "mistral3"): ("heads", "neurons"),
    ("causal", "bitnet"): ("heads", "neurons"),
}


@pytest.mark.parametrize(("task", "model_type"), SAMPLE)
def test_a_sample_keeps_the_whole_contract(task: str, model_type: str) -> None:
    assert outcome(task, model_type) == Outcome(task, model_type, "passes", SAMPLE[task, model_type])


def test_a_type_that_hangs_or_dies_does_not_stop_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(task: str, model_type: str) -> Outcome:
        if model_type == "hangs":
            time.sleep(60)
        if model_type == "dies":
            os._exit(1)
        return Outcome(task, model_type, "passes", ("heads",))

    monkeypatch.setattr(campaign, "outcome", tried)
    found = list(campaign.sweep([("causal", name) for name in ("first", "hangs", "dies", "last")], timeout=1.0))
    assert [(each.model_type, each.state) for each in found] == [
        ("first", "passes"),
        ("hangs", "fails"),
        ("dies", "fails"),
        ("last", "passes"),
    ]
    assert [each.why for each in found] == ["", "takes over 1 s", "the process died", ""]


def test_the_tables_name_every_type_once() -> None:
    found = [Outcome("causal", "a", "passes", ("heads",)), Outcome("causal", "b", "refused", why="no | heads")]
    text = tables(found)
    assert "| causal | 2 | 1 | 0 | 1 | 0 |" in text
    assert "| causal | heads | `a` |" in text
    assert r"| causal | `b` | refused | no \| heads |" in text


def test_types_that_were_not_tried_keep_their_rows() -> None:
    llama = Outcome("causal", "llama", "passes", ("heads", "neurons"))
    rwkv = Outcome("causal", "rwkv", "fails", why="in-place: [torch] | <class 'x'> a_b * \\d")
    lost = Outcome("causal", "lost", "passes", ("heads",))  # of an older Transformers
    bert = Outcome("masked", "bert", "passes", ("heads",))
    kept = read(_page([llama, rwkv, lost, bert]))
    assert {*kept} == {llama, rwkv, lost, bert}
    again = [Outcome("causal", "rwkv", "passes", ("neurons",)), Outcome("masked", "bert", "fails", why="new")]
    assert merged(kept, again) == [llama, *again]


def test_the_tables_of_the_docs_read_back_as_they_were_written() -> None:
    kept = read(DOC.read_text(encoding="utf-8"))
    assert len(kept) == sum(len(types(task)) for task in TASKS)
    assert read(_page(kept)) == kept
    assert {*merged(kept, [])} == {*kept}


def _page(found: list[Outcome]) -> str:
    return f"<!-- sweep -->\n{tables(found)}\n<!-- end of sweep -->"


def test_the_docs_know_every_type_of_the_mappings() -> None:
    written: Any = MARKS.search(DOC.read_text(encoding="utf-8"))
    missing = [name for task in TASKS for name in types(task) if f"`{name}`" not in written[0]]
    assert not missing

"""What a route asks of one layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch

from gradmask.partitioning.kernel.call import Geometry, call_for, shared
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.route import Route
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask

UNITS = Layout.carve(6, {"a": (1, 2), "b": (5,)}, "retain")
SOME = TokenMask(torch.tensor([True, False]))
OTHERS = TokenMask(torch.tensor([False, True]))


def geometry(split: Literal["in", "out"] = "out", joint: bool = False) -> Geometry:
    return Geometry(
        split, False, Layout.whole(6, "joint") if joint else UNITS, UNITS, UNITS if split == "out" else None
    )


@pytest.mark.parametrize(
    ("learns", "runs", "credited", "arriving"),
    [
        (True, True, True, True),
        (False, True, False, False),
        (True, False, False, False),
        (SOME, True, SOME, True),
        (True, SOME, SOME, True),
        (SOME, OTHERS, False, True),
        (SOME, False, False, False),
    ],
)
def test_rows_learn_where_they_run_or_whatever_arrives(
    learns: Flag, runs: Flag, credited: Flag, arriving: Flag
) -> None:
    route = Route({"a": runs}, {"a": learns})
    at = UNITS.groups.index("a")
    call = call_for(geometry(), route)
    assert call.learns[at] is credited
    assert call.bias_learns[at] is credited
    call = call_for(geometry(), replace(route, rows_learn_what_arrives=True))
    assert call.learns[at] is arriving
    assert call.bias_learns[at] is arriving
    assert call_for(geometry("in"), replace(route, rows_learn_what_arrives=True)).learns[at] is credited


def test_a_joint_part_learns_whatever_runs() -> None:
    assert call_for(geometry(joint=True), Route({"a": False, "b": SOME}, {"joint": OTHERS})).learns == (OTHERS,)


def test_silence_gates_scales_and_blocks() -> None:
    route = Route({"a": SOME, "b": False}, passes={"a": False, "retain": OTHERS}, strength={"a": 0.5, "b": 1.0})
    into, out, gated = (
        call_for(geometry("in"), route),
        call_for(geometry("out"), route),
        call_for(geometry("out"), route, gate_outputs=True),
    )
    assert [call.silent for call in (into, out, gated)] == [("b",)] * 3
    assert [call.gates for call in (into, out, gated)] == [(("a", SOME),), (), (("a", SOME),)]
    assert [call.scales for call in (into, out)] == [(("a", 0.5),), ()]
    assert set(into.blocks) == {("a", False), ("retain", OTHERS)}
    assert out.blocks == ()


@pytest.mark.parametrize(
    ("silent", "active"),
    [((), None), (("b",), (0, 5)), (("a",), None), (("a", "b"), None), (("a", "b", "retain"), None)],
)
def test_what_is_active_is_one_stretch_or_none(silent: tuple[str, ...], active: tuple[int, int] | None) -> None:
    assert call_for(geometry("in"), Route(dict.fromkeys(silent, False))).active == active


def test_layers_that_are_cut_alike_share_one_call() -> None:
    one = shared(geometry())
    assert shared(geometry()) is one
    assert len({id(shared(g)) for g in (one, geometry("in"), geometry(joint=True))}) == 3
    route = Route({"a": SOME})
    assert call_for(shared(geometry()), route) is call_for(one, route) is not call_for(one, route, gate_outputs=True)
    assert call_for(one, replace(route, runs={"a": OTHERS})).learns[1] is OTHERS


def test_a_copied_route_knows_no_calls_of_the_model_it_was_copied_from() -> None:
    route, one, other = Route(), geometry(), geometry("in")
    route.calls[id(other), False] = call_for(one, route)  # an id that another object has in the copy
    assert call_for(other, route).geometry is other

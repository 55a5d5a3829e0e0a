"""Honest exports are proved: a part of ``make honest``."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.security.honest import MODELS, OPTIONS, Honest, every_export, problems_of

ALL = every_export()
CHOSEN = [next(e for e in ALL[8 * i :] if e.model == model and e.options) for i, model in enumerate(MODELS)]


@pytest.mark.parametrize("honest", CHOSEN, ids=str)
def test_an_honest_export_is_proved(honest: Honest, tmp_path: Path) -> None:
    assert problems_of(honest, tmp_path) in ("", None)


def test_every_option_and_architecture_is_in_the_list() -> None:
    assert len(ALL) >= 200
    assert len({e.case.model_type for e in ALL}) >= 20
    assert {e.options for e in ALL} == {tuple(options.items()) for options in OPTIONS}

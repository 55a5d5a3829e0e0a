"""Every example runs, and what it prints is what it promises."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LAUNCHED = {"ddp_loop", "fsdp2_loop"}  # by torchrun: tests/distributed/test_examples.py
SCRIPTS = sorted(
    path.stem for path in EXAMPLES.glob("*.py") if path.stem not in {"toy", "esm2_forward_mask", *LAUNCHED}
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_removes_its_language(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "trl_sft":
        pytest.importorskip("trl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    losses = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()
    assert losses["retain"] < 1.0
    assert losses["forget"] < 1.0
    assert losses["retain without"] < losses["retain"] + 0.1
    assert losses["forget without"] > losses["forget"] + 0.3


def test_without_forward_masks_a_protein_model_does_not_survive_the_removal() -> None:
    """A published port never masked the forward pass on retain data and declared the method not viable."""
    found = runpy.run_path(str(EXAMPLES / "esm2_forward_mask.py"))["main"](steps=300)
    assert found["sgtm"]["removed"] < 5
    assert found["sgtm, rehearsal"]["removed"] < 5
    assert found["sgtm, rehearsal"]["full"] < found["sgtm"]["full"]
    assert found["equation_only"]["removed"] > 2 * found["sgtm"]["removed"]

"""Methods are found by their files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.arms import ARMS
from gradmask.lab.unlearning import methods
from gradmask.lab.unlearning.registry import method, method_names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are methods like those in ``methods``."""
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    yield tmp_path
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"{methods.__name__}.{path.stem}", None)


def test_every_file_is_a_method_of_its_name() -> None:
    files = {path.stem for path in Path(methods.__file__).parent.glob("*.py")} - {"__init__"}
    assert method_names() == sorted(files)
    assert [method(name).name for name in method_names()] == method_names()
    assert all(method(name).title and method(name).source and method(name).objective for name in method_names())


def test_listing_names_needs_no_pytorch() -> None:
    code = (
        "import sys; from gradmask.lab.recipe.arms import ARMS; print('npo' in ARMS, len(ARMS), 'torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["True", str(len(list(ARMS))), "False"]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("", "none"),
        ("from gradmask.lab.unlearning.methods.npo import NPO", "none"),
        ("from gradmask.lab.unlearning.methods.npo import NPO\nclass Mine(NPO): pass", r"Mine \(name 'npo'\)"),
    ],
)
def test_a_file_without_its_method_is_an_error(folder: Path, text: str, given: str) -> None:
    (folder / "mine.py").write_text(text)
    with pytest.raises(GradmaskError, match=f"mine.py needs one subclass of Method with name = 'mine'; it has {given}"):
        method("mine")

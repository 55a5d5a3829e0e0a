"""The installation is read from the packages' own metadata, and broken ones are named with the command that mends them."""

from __future__ import annotations

from importlib import metadata

import pytest

from gradmask.lab.setup import installation
from gradmask.lab.setup.findings import findings_of, ok


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Versions to pretend; None: not installed."""
    pretended: dict[str, str | None] = {}
    true_version = metadata.version

    def version(name: str) -> str:
        found = pretended.get(name, "")
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found or true_version(name)

    monkeypatch.setattr(installation.metadata, "version", version)
    return pretended


def test_this_installation_is_sound() -> None:
    checks = (
        installation.python_found,
        installation.packages_found,
        installation.dependencies_found,
        installation.torch_found,
    )
    findings = [finding for check in checks for finding in check()]
    assert [finding.status for finding in findings] == ["ok"] * len(findings)
    assert any("torch 2." in finding.text for finding in findings)


def test_missing_and_old_packages(versions: dict[str, str | None]) -> None:
    versions |= {"jinja2": None, "transformers": "4.50.0"}
    findings = list(installation.packages_found())
    assert [(f.status, f.text, f.advice) for f in findings] == [
        ("problem", "jinja2 is not installed", "pip install 'jinja2>=3.1'"),
        ("problem", "transformers 4.50.0 is installed, needed: >=5.14", "pip install 'transformers>=5.14'"),
    ]


def test_packages_that_do_not_fit_each_other(versions: dict[str, str | None]) -> None:
    versions["tokenizers"] = "0.1.0"
    (finding,) = installation.dependencies_found()
    assert finding.text.startswith("transformers ")
    assert "tokenizers 0.1.0 is installed, needed" in finding.text
    assert finding.advice == "pip install --upgrade transformers"


def test_optional_parts_that_are_missing_come_with_the_command(
    versions: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = ["torch>=2.7", "model2vec>=0.6; extra == 'embeddings'", "trl>=0.24; extra == 'trl'"]
    monkeypatch.setattr(installation.metadata, "requires", lambda name: needs)
    versions |= {"model2vec": None, "trl": "1.0"}
    there, missing = installation.extras_found()
    assert there.text == "installed: trl"
    assert missing.text == "not installed: embeddings (labels from static embeddings (model2vec))"
    assert "pip install 'gradmask[embeddings]'" in missing.advice


def test_pytorch_that_does_not_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("libtorch_cpu.so: cannot open shared object file")

    monkeypatch.setattr("torch.ones", broken)
    (finding,) = installation.torch_found()
    assert finding.status == "problem"
    assert "libtorch_cpu.so: cannot open" in finding.text


def test_transformers_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ImportError("cannot import name 'x' from 'torch'")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_config", broken)
    assert [finding.status for finding in installation.torch_found()] == ["ok", "problem"]


def test_a_check_that_breaks_is_a_problem_and_the_others_go_on() -> None:
    def broken() -> list:
        raise ZeroDivisionError("division by zero")

    findings = list(findings_of([("first", broken), ("second", lambda: [ok("second", "fine")])]))
    assert [(f.area, f.status) for f in findings] == [("first", "problem"), ("second", "ok")]
    assert "ZeroDivisionError: division by zero" in findings[0].text

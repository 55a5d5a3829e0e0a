"""Which rows of the contract every run of the tests takes."""

from __future__ import annotations

import pytest

SIBLINGS = {
    "mistral": "llama",
    "granite": "llama",
    "smollm3": "llama",
    "qwen2": "llama",
    "cohere2": "cohere",
    "gemma2": "gemma3",
    "roberta": "bert",
    "xlm-roberta": "bert",
    "mt5": "t5",
}
"""Types whose blocks are cut as those of another type: `make test-slow` takes them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if case is not None and getattr(case, "model_type", None) in SIBLINGS:
            item.add_marker(pytest.mark.slow)

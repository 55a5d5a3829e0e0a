"""Which rows of the contract every run of the tests takes."""

from __future__ import annotations

from typing import Any

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

HEAVY = {"gpt_oss", "qwen3_next", "mamba2"}
SAMPLE = {
    "test_every_label_moves_its_groups_and_nothing_else",
    "test_running_without_a_group_is_the_ablated_and_the_deleted_group",
    "test_labels_per_example_equal_separate_passes",
    "test_what_shapes_and_proofs_infer_is_what_is_declared",
}
"""Of types with much in a block, these tests with one group; `make test-slow` takes the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        call: Any = getattr(item, "callspec", None)
        model_type = getattr(call.params.get("case"), "model_type", None) if call else None
        sampled = model_type not in HEAVY or (
            item.originalname in SAMPLE and call.params.get("variant", "one") == "one"  # type: ignore[missing-attribute]
        )
        if model_type in SIBLINGS or not sampled:
            item.add_marker(pytest.mark.slow)

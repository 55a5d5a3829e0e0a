from __future__ import annotations

import pytest
from pydantic import ValidationError

from gradmask.lab.measures.findings import Findings, ModelFindings
from gradmask.lab.measures.registry import comparisons, of_a_model
from lab.measures.fabricated import measured, model_findings


def test_what_was_not_measured_is_null() -> None:
    assert set(ModelFindings().model_dump()) == set(of_a_model())
    assert set(ModelFindings(probes=None).model_dump().values()) == {None}
    assert list(Findings().model_dump()) == [*comparisons(), "flags", "notes", "tasks"]
    assert ModelFindings().get("probes") is None


def test_results_are_of_their_measures_types_and_come_back() -> None:
    found = model_findings(6.4)
    again = ModelFindings.model_validate_json(found.model_dump_json())
    assert again == found
    assert again.relearning.strongest.name == "full, even, learning rate 0.001"
    whole = measured().findings
    assert Findings.model_validate(whole.model_dump(mode="json")) == whole
    assert whole.leakage.ladder[0].tokens == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"membershp": None}, r"no measure is called 'membershp'. Did you mean 'membership'\? Known: relearning, "),
        ({"leakage": None}, "no measure is called 'leakage'"),
        ({"probes": {"accuracy": []}}, "probes.chance: Field required"),
        ({"probes": 3}, "probes: Input should be a valid dictionary"),
        (
            {"extraction": {"strength": float("nan"), "error": None, "largest": 0, "documents": 1}},
            "extraction.strength: Input should be a finite number",
        ),
    ],
)
def test_what_no_measure_stores_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ModelFindings.model_validate(given)


def test_the_schema_has_every_measure() -> None:
    schema = ModelFindings.model_json_schema()
    assert set(schema["properties"]) == set(of_a_model())
    assert "strength" in schema["properties"]["extraction"]["anyOf"][0]["properties"]
    assert "Attempt" in schema["$defs"]
    assert schema["additionalProperties"] is False

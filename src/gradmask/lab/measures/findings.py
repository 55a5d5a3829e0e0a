"""What the measures find, as it stands in ``results.json``: a key per measure, null where it was not measured.

The keys are those of `gradmask.lab.measures.registry`; each measure's file defines its result. All losses in nats per token;
roles are those of the domains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from gradmask.errors import did_you_mean
from gradmask.lab.measures.registry import Kind, entries, find


class _ByMeasure(BaseModel):
    """Results by the name of their measure, each of its measure's own type."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    kinds: ClassVar[tuple[Kind, ...]]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def get(self, name: str) -> Any:
        """The result of a measure; None where it was not measured."""
        return (self.model_extra or {}).get(name)

    @model_validator(mode="before")
    @classmethod
    def _by_measure(cls, given: Any) -> Any:
        """Every measure's result as its own type, those not given as None."""
        if not isinstance(given, Mapping):
            return given
        known = [entry.name for entry in entries(*cls.kinds)]
        for name in given:
            if name not in known and name not in cls.model_fields:
                raise _error("no_measure", _unknown(name, known))
        return {**{name: _result(name, given.get(name)) for name in known}, **_others(given, known)}

    @model_serializer(mode="wrap")
    def _measures_first(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain, measures = handler(self), self.model_extra or {}
        return {name: plain[name] for name in measures if name in plain} | _others(plain, measures)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        properties = handler.resolve_ref_schema(handler(schema))
        for entry in entries(*cls.kinds):
            result = handler(find(entry.name).Result.__pydantic_core_schema__)
            properties.setdefault("properties", {})[entry.name] = {"anyOf": [result, {"type": "null"}], "default": None}
        return properties | {"additionalProperties": False}


class ModelFindings(_ByMeasure):
    """What was found of one model; None where it was not measured."""

    kinds = ("attacks", "catalog")


class Findings(_ByMeasure):
    """What compares models with each other.

    ``flags``: signs of over-unlearning, in words. ``notes``: what could not be measured, and why. ``tasks``: series -> task
    of lm-evaluation-harness -> metric -> value.
    """

    kinds = ("comparisons",)
    flags: list[str] = []
    notes: list[str] = []
    tasks: dict[str, dict[str, dict[str, float]]] = {}


def _others(given: Mapping[str, Any], known: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in known}


def _result(name: str, value: Any) -> Any:
    """Checked by the measure's own type, with the place of what is wrong."""
    result = find(name).Result if value is not None else None
    if result is None or isinstance(value, result):
        return value
    try:
        return result.model_validate(value)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, (name, *p['loc'])))}: {p['msg']}" for p in error.errors()[:5]]
        raise _error("bad_result", "; ".join(problems)) from None


def _unknown(name: str, known: list[str]) -> str:
    return (
        f"no measure is called {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}. Register the measure "
        "that made it first (gradmask.lab.measures.registry.register)"
    )


def _error(kind: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(cast(Any, kind), cast(Any, message))  # the stubs ask for literal strings

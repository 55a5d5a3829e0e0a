"""What a value of a recipe must be, in words and with an example that is valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gradmask.lab.measures.numbers import as_written

NUMBER, WHOLE, SWITCH, TEXT, LIST, MAPPING = (
    "a number",
    "a whole number",
    "true or false",
    "a text",
    "a list",
    "a mapping",
)
NEEDS: dict[str, str | Callable[[Mapping[str, Any]], str]] = {
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_parsing_size": WHOLE,
    "int_from_float": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "a finite number",
    "bool_type": SWITCH,
    "bool_parsing": SWITCH,
    "string_type": TEXT,
    "list_type": LIST,
    "tuple_type": LIST,
    "dict_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "none_required": "null",
    "greater_than": lambda limit: f"more than {limit['gt']:g}",
    "greater_than_equal": lambda limit: f"at least {limit['ge']:g}",
    "less_than": lambda limit: f"less than {limit['lt']:,g}" if limit["lt"] < 1e6 else f"less than {limit['lt']:,.0f}",
    "less_than_equal": lambda limit: f"at most {limit['le']:g}",
    "literal_error": lambda limit: f"{limit['expected']}",
    "too_short": lambda limit: f"at least {_items(limit['min_length'])}",
    "too_long": lambda limit: f"at most {_items(limit['max_length'])}",
    "string_too_short": lambda limit: "a text that is not empty",
    "string_pattern_mismatch": lambda limit: f"a text that fits the pattern {limit['pattern']}",
}
"""Kind of an error of Pydantic -> what it asks for."""
BY_EXAMPLE = (WHOLE, NUMBER, TEXT, LIST, MAPPING)
"""What an example explains. The others explain themselves."""


def need_of(detail: ErrorDetails) -> str:
    """What an error of Pydantic asks for."""
    need = NEEDS.get(detail["type"])
    if need is None:
        return detail["msg"].removeprefix("Input should be ").removeprefix("Input should ")
    return need if isinstance(need, str) else need(detail.get("ctx", {}))


def such_as(needs: Iterable[str], model: type[BaseModel], keys: Sequence[str | int]) -> str:
    """`` , such as key: value`` for the value at a path of a model, where one of the needs wants an example."""
    for annotation, default in _at(model, keys) if any(need.startswith(BY_EXAMPLE) for need in needs) else ():
        example = _example(annotation, default)
        if example is not None and _fits(annotation, example):
            return f", such as {_named(keys)}{as_written(example)}"
    return ""


def _fits(annotation: Any, example: Any) -> bool:
    """Whether it passes checks across its keys, too."""
    try:
        TypeAdapter(annotation).validate_python(example)
    except ValidationError:
        return False
    return True


def _named(keys: Sequence[str | int]) -> str:
    return f"{keys[-1]}: " if keys and isinstance(keys[-1], str) else ""


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation holds, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def _at(model: type[BaseModel], keys: Sequence[str | int]) -> list[tuple[Any, Any]]:
    """What the value at a path may be: an annotation with its default."""
    places: list[tuple[Any, Any]] = [(model, None)]
    for key in keys:
        places = [inner for annotation, _ in places for kind in _kinds(annotation) for inner in _inside(kind, key)]
    return places


def _inside(kind: Any, key: str | int) -> list[tuple[Any, Any]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(key))
        return [] if field is None else [(_annotation(field), field.get_default(call_default_factory=True))]
    inner = [one for one in get_args(kind) if one is not Ellipsis]
    if get_origin(kind) in (list, tuple, dict) and inner:
        return [(inner[-1], None)]
    return []


def _annotation(field: FieldInfo) -> Any:
    """With its bounds, which Pydantic keeps apart."""
    return cast(Any, Annotated)[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _kinds(annotation: Any) -> list[Any]:
    """The alternatives of a union, each without what annotates it."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for one in get_args(annotation) for kind in _kinds(one)]
    return [annotation]


def _example(annotation: Any, default: Any) -> Any:
    """A value that fits; None where none is known. A default that says something comes first."""
    if isinstance(default, bool | int | float) or (isinstance(default, str | list | tuple | dict) and default):
        return _plain(default)
    examples = (_made(kind, _metadata(annotation)) for kind in _kinds(annotation))
    return next((example for example in examples if example is not None), None)


def _plain(default: Any) -> Any:
    """A default as a recipe writes it."""
    if isinstance(default, BaseModel):
        return default.model_dump(exclude_defaults=True)
    if isinstance(default, dict):
        return {key: _plain(value) for key, value in default.items()}
    return [*map(_plain, default)] if isinstance(default, list | tuple) else default


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _made(kind: Any, metadata: Sequence[Any]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return inner[0]
    if origin is list:
        return None if (item := _example(inner[0], None)) is None else [item]
    if origin is tuple:
        return [_example(one, None) for one in inner]
    if origin is dict:
        return None if (item := _example(inner[1], None)) is None else {"forget": item}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _mapping(kind)
    if kind in (int, float):
        return _number(kind, metadata)
    return {bool: True, str: "name"}.get(kind)


def _mapping(model: type[BaseModel]) -> dict[str, Any] | None:
    """Its required fields, or its first one that has an example."""
    fields = {name: _example(_annotation(field), _default(field)) for name, field in model.model_fields.items()}
    needed = {name: fields[name] for name, field in model.model_fields.items() if field.is_required()}
    first = {name: example for name, example in list(fields.items()) if example is not None}
    return needed or dict(list(first.items())[:1]) or None


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _number(kind: type, metadata: Sequence[Any]) -> float:
    """Within its bounds."""
    bounds = {name: getattr(one, name) for one in metadata for name in ("gt", "ge", "lt", "le") if hasattr(one, name)}
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("lt", bounds.get("le"))
    if kind is int:
        return min(max(8, int(low or 0) + 1), int(high or 8))
    return 0.5 if high is not None or low is None or low < 0.5 else float(low) + 0.5


def _items(count: int) -> str:
    return f"{count} item{'s' * (count != 1)}"

from __future__ import annotations

import inspect
import re

from gradmask import data


def public_names() -> set[str]:
    return {name for name, value in vars(data).items() if not name.startswith("_") and not inspect.ismodule(value)}


def test_every_public_name_is_in_the_packages_docstring_and_every_name_there_exists() -> None:
    listed = set(re.findall(r"(?<!`)`(\w+)`(?!`)", data.__doc__ or ""))
    assert listed == public_names()


def test_classes_and_functions_have_docstrings() -> None:
    described = [
        value for name in public_names() if inspect.isclass(value := getattr(data, name)) or inspect.isfunction(value)
    ]
    assert len(described) > 20
    assert [value for value in described if not value.__doc__ or value.__doc__.startswith(f"{value.__name__}(")] == []

"""Forged exports, by kind: what somebody does who wants to pass on removed weights, and calls it an honest export."""

from __future__ import annotations

from tests.security.forgeries import (
    code,
    disguises,
    extra_files,
    headers,
    hidden_bits,
    links,
    manifests,
    models,
    tensors,
    texts,
    unreadable,
)
from tests.security.forgeries.case import FORGERIES, Case, Forgery, make_case, reseal

__all__ = [
    "FORGERIES",
    "Case",
    "Forgery",
    "code",
    "disguises",
    "extra_files",
    "headers",
    "hidden_bits",
    "links",
    "make_case",
    "manifests",
    "models",
    "reseal",
    "tensors",
    "texts",
    "unreadable",
]

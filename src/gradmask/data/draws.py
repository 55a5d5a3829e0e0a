"""Random numbers by hashing: each item has its own, which does not change with the order or number of the others.

A generator that is read item after item would draw another number for every later item as soon as one is added or moved.
"""

from __future__ import annotations

import hashlib


def uniform(*key: object) -> float:
    """A number in [0, 1) that depends only on ``key``, and is the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53

"""Random numbers that belong to one item, whatever is drawn for the others."""

from __future__ import annotations

import hashlib


def uniform(*key: object) -> float:
    """A number in [0, 1) that depends on ``key`` alone, on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53

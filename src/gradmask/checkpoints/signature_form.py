"""What a file of a signature holds besides it: nothing.

Such a file goes along with an export, and not all of it is signed: white space, a key twice, names, times and further signatures
are not. So it must be the one text that says what was checked.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

SPELLINGS = ((",", ":"), (", ", ": "))
"""Separators with which model-signing and its libraries write JSON."""


def unsigned_parts(text: str) -> Iterator[str]:
    """What a bundle of model-signing, whose signature fits, holds besides a signature by one key or certificate, in words."""
    data = json.loads(text)
    if text not in [json.dumps(data, separators=style) for style in SPELLINGS]:
        yield "it is not written as model-signing writes it"
    if data != _least(data):
        yield "it holds more than one signature and what it is checked with"
    if not all(map(_plain, _encoded(data))):
        yield "it is encoded otherwise than model-signing encodes it"
    elif not _needed([base64.b64decode(c["rawBytes"]) for c in _certificates(data)]):
        yield "it holds a certificate that its signature does not need"


def _certificates(data: Any) -> list[Any]:
    return data["verificationMaterial"].get("x509CertificateChain", {}).get("certificates", [])


def _least(data: Any) -> dict[str, Any]:
    """The same signature with nothing that its check does not read."""
    material, envelope = data["verificationMaterial"], data["dsseEnvelope"]
    if "publicKey" in material:
        by: dict[str, Any] = {"publicKey": {"hint": material["publicKey"].get("hint")}}
    else:
        by = {"x509CertificateChain": {"certificates": [{"rawBytes": c["rawBytes"]} for c in _certificates(data)]}}
    signatures = [{"sig": envelope["signatures"][0]["sig"], "keyid": ""}]
    content = {"payload": envelope["payload"], "payloadType": envelope["payloadType"], "signatures": signatures}
    return {
        "mediaType": data["mediaType"],
        "verificationMaterial": {**by, "tlogEntries": []},
        "dsseEnvelope": content,
    }


def _encoded(data: Any) -> list[str]:
    envelope = data["dsseEnvelope"]
    return [envelope["payload"], envelope["signatures"][0]["sig"], *(c["rawBytes"] for c in _certificates(data))]


def _plain(text: str) -> bool:
    """Base64 as it is written: some of its last bits may otherwise be anything."""
    return base64.b64encode(base64.b64decode(text)).decode() == text


def _needed(certificates: list[bytes]) -> bool:
    """Whether each one after the signer's issued the one before; where no chain is given, model-signing lists the signer twice."""
    from cryptography import x509

    if len(certificates) == 2 and certificates[0] == certificates[1]:
        return True
    chain = [x509.load_der_x509_certificate(content) for content in certificates]
    return all(_issued(one, other) for one, other in pairwise(chain))


def _issued(one: Any, issuer: Any) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
    except Exception:  # an unknown kind of key, too
        return False
    return one != issuer

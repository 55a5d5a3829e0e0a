"""Signatures of exports and of statements about them, by keys or certificates (extra ``sign``).

A folder is signed in the format of OpenSSF's ``model-signing``: all of its files, ``gradmask.json`` among them. A statement is
signed as a DSSE envelope, as in-toto has them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradmask.checkpoints.signature_form import unsigned_parts
from gradmask.errors import GradmaskError
from gradmask.files import write_whole
from gradmask.strangers import printable

IN_TOTO = "application/vnd.in-toto+json"


def signature_of(folder: Path) -> Path:
    """Where the signature of an export lies: beside the folder, which holds the export and nothing else."""
    return folder.resolve().with_name(f"{folder.resolve().name}.sig")


def sign(
    folder: str | Path,
    key: str | Path,
    certificate: str | Path | None = None,
    chain: Sequence[str | Path] = (),
    signature: str | Path | None = None,
) -> Path:
    """Sign all files of a folder; returns the signature's path.

    Args:
        folder: of an export.
        key: a private key of an elliptic curve (PEM).
        certificate: of that key, where whoever verifies trusts certificates instead of the key.
        chain: certificates between it and a trusted one.
        signature: the file to write; by default ``FOLDER.sig``, beside the folder.

    Raises:
        GradmaskError: ``model-signing`` is not installed, or a key or certificate cannot be used.
    """
    signing, place = _library("signing"), Path(folder)
    target = Path(signature) if signature is not None else signature_of(place)
    config = signing.Config()
    try:
        if certificate is None:
            config.use_elliptic_key_signer(private_key=key)
        else:
            links = tuple(chain) or (certificate,)  # model-signing refuses an empty chain
            config.use_certificate_signer(private_key=key, signing_certificate=certificate, certificate_chain=links)
        config.sign(place, target)
    except Exception as error:  # the libraries below raise errors of many types
        raise GradmaskError(f"{place} cannot be signed with {key}: {_reason(error)}") from None
    return target


def check_signature(
    folder: str | Path,
    key: str | Path | None = None,
    chain: Sequence[str | Path] = (),
    signature: str | Path | None = None,
) -> list[str]:
    """What is wrong with the signature of a folder; none: the key's holder signed exactly these files.

    Nothing else may stand in the signature's file: it goes along with the export, and not all of such a file is signed.

    Args:
        folder: of an export.
        key: the public key (PEM); or give ``chain``.
        chain: trusted certificates.
        signature: by default ``FOLDER.sig``, beside the folder.

    Raises:
        GradmaskError: ``model-signing`` is not installed, or there is neither a key nor a certificate.
    """
    verifying, place = _library("verifying"), Path(folder)
    path = Path(signature) if signature is not None else signature_of(place)
    if key is None and not chain:
        raise GradmaskError("give a public key, or trusted certificates, to check a signature with")
    for needed in (*([key] if key is not None else []), *chain):
        if not Path(needed).is_file():
            raise GradmaskError(f"there is no file {needed}")
    if not path.is_file():
        return [f"it is not signed: there is no {printable(str(path))}"]
    config = verifying.Config()
    try:
        if key is not None:
            config.use_elliptic_key_verifier(public_key=key)
        else:
            config.use_certificate_verifier(certificate_chain=chain)
        config.verify(place, path)
        more = list(unsigned_parts(path.read_bytes().decode()))
    except Exception as error:  # the libraries below raise errors of many types
        return [f"its signature {printable(path.name)} does not fit: {_reason(error)}"]
    return [f"its signature {printable(path.name)} fits, but {problem}" for problem in more[:1]]


def sign_statement(statement: dict[str, Any], target: str | Path, key: str | Path) -> Path:
    """Write an in-toto statement as a signed DSSE envelope.

    Raises:
        GradmaskError: the extra ``sign`` is not installed, or the key cannot be used.
    """
    _library("signing")
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    try:
        private: Any = load_pem_private_key(Path(key).read_bytes(), password=None)
        signer = CryptoSigner(private)
    except Exception as error:
        raise GradmaskError(f"the private key {key} cannot be used: {_reason(error)}") from None
    envelope = Envelope(json.dumps(statement, sort_keys=True).encode(), IN_TOTO, {})
    envelope.sign(signer)
    write_whole(Path(target), _text_of(envelope))
    return Path(target)


def read_statement(path: str | Path, key: str | Path) -> dict[str, Any]:
    """The in-toto statement in a DSSE envelope that the holder of ``key`` (public, PEM) signed.

    Raises:
        GradmaskError: the signature does not fit, it is no such file, or the file holds anything besides.
    """
    _library("verifying")
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    try:
        public: Any = load_pem_public_key(Path(key).read_bytes())
        by, text = SSlibKey.from_crypto(public), Path(path).read_bytes().decode()
        envelope = Envelope.from_dict(json.loads(text))
        envelope.verify([by], 1)
        if envelope.payload_type != IN_TOTO:
            raise ValueError(f"it holds {envelope.payload_type}")
        if [*envelope.signatures] != [by.keyid] or text != _text_of(envelope):
            raise ValueError("it holds more than one signature and what it signs")
        return json.loads(envelope.payload)
    except Exception as error:
        raise GradmaskError(f"{path} is not a statement that the holder of {key} signed: {_reason(error)}") from None


def _text_of(envelope: Any) -> str:
    return json.dumps(envelope.to_dict(), indent=1) + "\n"


def _library(part: str) -> Any:
    try:
        from importlib import import_module

        return import_module(f"model_signing.{part}")
    except ImportError:
        raise GradmaskError("signatures need model-signing: pip install 'gradmask[sign]'") from None


def _reason(error: Exception) -> str:
    return printable((str(error).strip() or type(error).__name__).splitlines()[0][:300])

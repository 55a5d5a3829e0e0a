"""Signatures: the right key opens, any changed file, key or name does not; and the certificate of removal."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.checkpoints.test_verification import SPECS, trained

import gradmask as gm
from gradmask.cli import main
from gradmask.errors import GradmaskError


def make_keys(folder: Path, name: str) -> tuple[Path, Path, Any]:
    """A private key, its public key, and the key itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public, key


def make_certificate(folder: Path, name: str, key: Any, issuer: Any = None, issuer_key: Any = None) -> tuple[Path, Any]:
    """A certificate (PEM): of an authority that signs itself, or of a signer."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    authority = issuer is None
    usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if authority else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = key if authority else issuer_key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    made = builder.sign(signer, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / f"{name}.crt", made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``full``, its export ``plain`` with ``plain.sig``, and two pairs of keys."""
    folder = tmp_path_factory.mktemp("signed")
    for name in ("mine", "theirs"):
        make_keys(folder, name)
    trained(SPECS["tables"]).save_pretrained(folder / "full")
    arguments = ["export", str(folder / "full"), str(folder / "plain"), "--without", "forget", "--sign"]
    assert main([*arguments, str(folder / "mine.pem")]) == 0
    return folder


@pytest.fixture
def signed(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "signed"))


def test_the_right_key_opens_and_another_does_not(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, mine, theirs = str(signed / "plain"), str(signed / "mine.pub"), str(signed / "theirs.pub")
    assert (signed / "plain.sig").is_file()
    assert not (signed / "plain/plain.sig").exists()
    assert main(["verify", plain, "--key", mine]) == 3
    assert "signed by the holder of" in capsys.readouterr().out
    assert main(["verify", plain, "--key", mine, "--against", str(signed / "full")]) == 0
    assert main(["verify", plain, "--key", theirs]) == 1
    assert "its signature plain.sig does not fit" in capsys.readouterr().out
    assert main(["verify", plain, "--key", str(signed / "none.pub")]) == 2


@pytest.mark.parametrize(
    "harm",
    [
        lambda f: (f / "plain/config.json").write_text("{}"),
        lambda f: (f / "plain/extra.json").write_text("{}"),
        lambda f: (f / "plain/generation_config.json").unlink(),
        lambda f: (f / "plain/gradmask.json").write_text((f / "plain/gradmask.json").read_text() + " "),
        lambda f: (f / "plain/config.json").rename(f / "plain/conf.json"),
        lambda f: (f / "plain.sig").write_text((f / "plain.sig").read_text().replace("A", "B")),
        lambda f: (f / "plain.sig").write_text("{}"),
        lambda f: (f / "plain.sig").write_bytes(b"\xff\x00"),
        lambda f: (f / "plain.sig").unlink(),
    ],
)
def test_what_was_changed_does_not_fit(signed: Path, harm: Any) -> None:
    assert gm.check_signature(signed / "plain", signed / "mine.pub") == []
    harm(signed)
    assert len(gm.check_signature(signed / "plain", signed / "mine.pub")) == 1


def _again(change: Any) -> Any:
    """Writes a signature's JSON again, changed."""

    def harm(path: Path) -> None:
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data, separators=(",", ":")))

    return harm


UNSIGNED = {
    "spaces": lambda p: p.write_text(p.read_text() + " " * 99),
    "indented": lambda p: p.write_text(json.dumps(json.loads(p.read_text()), indent=2)),
    "a key twice": lambda p: p.write_text('{"mediaType":"secret",' + p.read_text().lstrip()[1:]),
    "a name of the key": _again(lambda d: d["dsseEnvelope"]["signatures"][0].update(keyid="secret")),
    "a second signature": _again(lambda d: d["dsseEnvelope"]["signatures"].append({"sig": "c2VjcmV0", "keyid": ""})),
    "another base64": _again(lambda d: d["dsseEnvelope"].update(payload=d["dsseEnvelope"]["payload"] + "\n")),
    "a time": _again(lambda d: d["verificationMaterial"].update(
        timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "c2VjcmV0"}]})),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSIGNED)
def test_what_nobody_signed_may_not_stand_beside_a_signature(signed: Path, name: str) -> None:
    """It goes along with the export, and its key's holder has not seen it."""
    _again(lambda d: None)(signed / "plain.sig")
    assert gm.check_signature(signed / "plain", signed / "mine.pub") == []
    UNSIGNED[name](signed / "plain.sig")
    (problem,) = gm.check_signature(signed / "plain", signed / "mine.pub")
    assert "plain.sig fits, but it" in problem


def test_a_certificate_that_nobody_needs_may_not_either(signed: Path) -> None:
    root_path, root = make_certificate(signed, "root", root_key := make_keys(signed, "root")[2])
    private, _, key = make_keys(signed, "leaf")
    leaf_path, _ = make_certificate(signed, "leaf", key, root, root_key)
    for chain in ((), (root_path,)):
        path = gm.sign(signed / "plain", private, leaf_path, chain)
        assert gm.check_signature(signed / "plain", chain=[root_path]) == []
    _again(lambda d: (c := d["verificationMaterial"]["x509CertificateChain"]["certificates"]).append(c[0]))(path)
    (problem,) = gm.check_signature(signed / "plain", chain=[root_path])
    assert "a certificate that its signature does not need" in problem


@pytest.mark.parametrize("change", [
    lambda d: d["signatures"].append({"keyid": "secret", "sig": "00"}),
    lambda d: d["signatures"][0].update(keyid="secret"),
    lambda d: d.update(note="secret"),
    lambda d: None,
])  # fmt: skip
def test_a_statement_holds_nothing_that_is_not_signed(signed: Path, change: Any) -> None:
    path = gm.sign_statement({"a": 1}, signed / "x.json", signed / "mine.pem")
    assert gm.read_statement(path, signed / "mine.pub") == {"a": 1}
    _again(change)(path)  # the last one: in other white space
    with pytest.raises(GradmaskError, match="is not a statement that the holder of"):
        gm.read_statement(path, signed / "mine.pub")


def test_a_certificate_of_a_trusted_authority(signed: Path) -> None:
    root_path, root = make_certificate(signed, "root", root_key := make_keys(signed, "root")[2])
    other_path, _ = make_certificate(signed, "other", make_keys(signed, "other")[2])
    private, _, key = make_keys(signed, "leaf")
    leaf_path, _ = make_certificate(signed, "leaf", key, root, root_key)
    gm.sign(signed / "plain", private, leaf_path)
    assert gm.check_signature(signed / "plain", chain=[root_path]) == []
    assert len(gm.check_signature(signed / "plain", chain=[other_path])) == 1


def test_what_is_no_key_is_refused(signed: Path) -> None:
    (signed / "bad.pem").write_text("no key")
    with pytest.raises(GradmaskError, match="cannot be signed with"):
        gm.sign(signed / "plain", signed / "bad.pem")
    with pytest.raises(GradmaskError, match="cannot be used"):
        gm.sign_statement({}, signed / "x.json", signed / "bad.pem")
    with pytest.raises(GradmaskError, match="give a public key"):
        gm.check_signature(signed / "plain")


def test_a_removal_is_certified(signed: Path) -> None:
    plain, full = str(signed / "plain"), str(signed / "full")
    assert main(["certify", plain, "--against", full, "--sign", str(signed / "mine.pem")]) == 0
    statement = gm.read_statement(signed / "plain.intoto.json", signed / "mine.pub")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {subject["name"] for subject in statement["subject"]} == {p.name for p in (signed / "plain").iterdir()}
    predicate = statement["predicate"]
    assert predicate["removed"] == ["forget"]
    assert predicate["from"]["digest"]["sha256"] == gm.read_manifest(full).digest
    assert predicate["evidence"]["notTried"] == ["nothing: the run was not evaluated, so no attack was tried"]
    page = (signed / "plain.certificate.html").read_text()
    for text in (
        "Nothing was tried",
        "does not prove",
        "No attack was tried",
        "does not say",
        "merged into the weights",
        gm.read_manifest(plain).digest,
    ):
        assert text in page
    assert "http" not in page.replace("https://in-toto.io", "")
    with pytest.raises(GradmaskError, match="is not a statement that the holder of"):
        gm.read_statement(signed / "plain.intoto.json", signed / "theirs.pub")
    envelope = json.loads((signed / "plain.intoto.json").read_text())
    envelope["payload"] = envelope["payload"][::-1]
    (signed / "plain.intoto.json").write_text(json.dumps(envelope))
    with pytest.raises(GradmaskError, match="is not a statement that the holder of"):
        gm.read_statement(signed / "plain.intoto.json", signed / "mine.pub")


def test_only_a_proved_removal_is_certified(signed: Path) -> None:
    (signed / "plain/config.json").write_text("{}")
    assert main(["certify", str(signed / "plain"), "--against", str(signed / "full")]) == 2
    assert not list(signed.glob("*.html"))
    assert not list(signed.glob("*.intoto.json"))


def test_names_from_a_manifest_are_text_on_the_page(tmp_path: Path) -> None:
    from gradmask.lab.report.attestation import write_certificate

    trained(SPECS["slices"]).save_pretrained(tmp_path / "full")
    gm.export_checkpoint(tmp_path / "full", tmp_path / "plain", without=["forget"])
    assert main(["certify", str(tmp_path / "plain"), "--against", str(tmp_path / "full")]) == 0
    statement = json.loads((tmp_path / "plain.intoto.json").read_text())
    statement["predicate"]["removed"] = ["<script>alert(1)</script>"]
    page = write_certificate(statement, tmp_path / "x.html", None).read_text()
    assert "<script>" not in page
    assert "not signed" in page


@pytest.mark.parametrize(("recovered", "said"), [([], "None of these counts"), (["pruning"], "More came back")])
def test_the_page_says_how_what_was_tried_ended(tmp_path: Path, recovered: list[str], said: str) -> None:
    from gradmask.lab.report.attestation import write_certificate

    digest = {"digest": {"sha256": "0" * 64}}
    evidence = {"results": digest, "measured": "2026-01-02T03:04:05+00:00", "verdict": "works", "attacks": None}
    evidence |= {"tried": ["pruning"], "recovered": recovered, "notTried": ["sampling again and again"]}
    predicate = {"removed": ["forget"], "kept": [], "export": {**digest, "compact": False, "options": {}}}
    predicate |= {"from": {**digest, "trainingData": None}, "by": {"gradmask": "1", "transformers": "5"}}
    predicate |= {"at": "2026-01-02T03:04:05+00:00", "shown": ["it"], "notShown": [], "notes": [], "evidence": evidence}
    page = write_certificate({"predicate": predicate, "subject": []}, tmp_path / "x.html", None).read_text()
    assert said in page
    for text in ("<li>Pruning.</li>", "2026-01-02 03:04 UTC", "<li>sampling again and again</li>", "run: works"):
        assert text in page
    evidence["verdict"] = None
    page = write_certificate({"predicate": predicate, "subject": []}, tmp_path / "x.html", None).read_text()
    assert "no verdict: whether any of these brought more back" in page
    assert "None of these counts" not in page

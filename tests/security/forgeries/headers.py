"""The format of safetensors, used for what it is not meant for: the header, gaps, and the bytes after the end."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

from tests.security.forgeries.case import WEIGHTS, Case, forgery, read, write


def _split(folder: Path) -> tuple[dict[str, Any], bytes]:
    content = (folder / WEIGHTS).read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _join(folder: Path, header: str | dict[str, Any], body: bytes) -> None:
    text = (header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))).encode()
    text += b" " * (-len(text) % 8)
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + body)


@forgery("metadata")
def base64_in_metadata(folder: Path, case: Case) -> None:
    write(folder, read(folder), {"format": "pt", "note": base64.b64encode(case.raw).decode()})


@forgery("metadata")
def a_format_that_is_data(folder: Path, case: Case) -> None:
    write(folder, read(folder), {"format": "pt " + case.raw[:200].hex()})


@forgery("metadata")
def metadata_that_looks_usual(folder: Path, case: Case) -> None:
    write(folder, read(folder), {"format": "pt", "total_size": "123456"})


@forgery("metadata")
def no_metadata(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    del header["__metadata__"]
    _join(folder, header, body)


@forgery("padding")
def spaces_after_the_header(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    _join(folder, json.dumps(header, separators=(",", ":")) + " " * 4096, body)


@forgery("padding")
def white_space_as_morse(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    code = "".join(" \t"[b & 1] for b in case.raw[:800])
    _join(folder, json.dumps(header, separators=(",", ":")) + code, body)


@forgery("padding")
def white_space_within_the_header(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    _join(folder, json.dumps(header, indent=3), body)


@forgery("padding")
def bytes_after_the_end(folder: Path, case: Case) -> None:
    with (folder / WEIGHTS).open("ab") as file:
        file.write(case.raw)


@forgery("padding")
def one_byte_after_the_end(folder: Path, case: Case) -> None:
    with (folder / WEIGHTS).open("ab") as file:
        file.write(b"\0")


@forgery("padding")
def a_gap_between_tensors(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    name = max((k for k in header if k != "__metadata__"), key=lambda k: header[k]["data_offsets"][0])
    start, end = header[name]["data_offsets"]
    header[name]["data_offsets"] = [start + len(case.raw), end + len(case.raw)]
    _join(folder, header, body[:start] + case.raw + body[start:])


@forgery("offsets")
def two_tensors_in_one_place(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    norms = [k for k in header if "norm" in k]
    header[norms[0]]["data_offsets"] = header[norms[1]]["data_offsets"]
    _join(folder, header, body)


@forgery("offsets")
def tensors_in_another_order(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    _join(folder, dict(reversed(header.items())), body)


@forgery("offsets")
def bodies_in_another_order(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    spans = {k: body[slice(*v["data_offsets"])] for k, v in header.items() if k != "__metadata__"}
    moved, at = {"__metadata__": header["__metadata__"]}, 0
    for name in reversed(spans):
        moved[name] = {**header[name], "data_offsets": [at, at + len(spans[name])]}
        at += len(spans[name])
    _join(folder, moved, b"".join(spans[name] for name in reversed(spans)))


@forgery("duplicate keys")
def a_tensor_named_twice(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    name = next(k for k in header if k != "__metadata__")
    text = json.dumps(header, separators=(",", ":"))
    again = f'"{name}":{json.dumps({**header[name], "data_offsets": [0, 0], "shape": [0]})},'
    _join(folder, "{" + again + text[1:], body)


@forgery("duplicate keys")
def metadata_twice(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    text = json.dumps(header, separators=(",", ":"))
    _join(folder, f'{{"__metadata__":{{"format":"{case.raw[:200].hex()}"}},' + text[1:], body)


@forgery("duplicate keys")
def a_key_more_in_an_entry(folder: Path, case: Case) -> None:
    header, body = _split(folder)
    header["model.norm.weight"]["note"] = case.raw[:200].hex()
    _join(folder, header, body)


@forgery("not safetensors")
def a_header_without_end(folder: Path, case: Case) -> None:
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 2**62) + case.raw)


@forgery("not safetensors")
def an_index_beside_the_weights(folder: Path, case: Case) -> None:
    names = dict.fromkeys(read(folder), WEIGHTS)
    index = {"metadata": {"note": case.raw[:200].hex()}, "weight_map": names}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


@forgery("not safetensors")
def an_index_that_leads_elsewhere(folder: Path, case: Case) -> None:
    (folder / WEIGHTS).unlink()
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "../full/model.safetensors"}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


@forgery("not safetensors")
def resharded_with_data_in_the_index(folder: Path, case: Case) -> None:
    tensors = read(folder)
    half = len(tensors) // 2
    parts = [dict(list(tensors.items())[:half]), dict(list(tensors.items())[half:])]
    where = {}
    for i, part in enumerate(parts, 1):
        name = f"model-0000{i}-of-00002.safetensors"
        write(folder, part)
        (folder / WEIGHTS).rename(folder / name)
        where |= dict.fromkeys(part, name)
    index = {"metadata": {"note": case.raw[:200].hex()}, "weight_map": where}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")

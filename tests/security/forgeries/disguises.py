"""Files that look like those of an export, and texts that say the same in other bytes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.security.forgeries.case import WEIGHTS, Case, edit_json, forgery


@forgery("a name that looks alike")
def a_cyrillic_letter(folder: Path, case: Case) -> None:
    (folder / "model.s\u0430fetensors").write_bytes(case.raw)


@forgery("a name that looks alike")
def a_full_stop_that_is_none(folder: Path, case: Case) -> None:
    (folder / "config\u2024json").write_bytes(case.raw)


@forgery("a name that looks alike")
def a_letter_taken_apart(folder: Path, case: Case) -> None:
    (folder / "confi\u0301g.json").write_bytes(case.raw)


@forgery("a name in other capitals")
def config_in_capitals(folder: Path, case: Case) -> None:
    (folder / "Config.json").write_text(json.dumps({"note": case.raw[:300].hex()}))


@forgery("a name in other capitals")
def weights_in_capitals(folder: Path, case: Case) -> None:
    shutil.copyfile(case.full / WEIGHTS, folder / "MODEL.SAFETENSORS")


@forgery("a name with an end")
def a_space_at_the_end(folder: Path, case: Case) -> None:
    shutil.copyfile(case.full / WEIGHTS, folder / f"{WEIGHTS} ")


@forgery("a name with an end")
def a_copy_as_an_editor_leaves_it(folder: Path, case: Case) -> None:
    shutil.copyfile(case.full / WEIGHTS, folder / f"{WEIGHTS}~")


@forgery("a hole")
def a_hole_after_the_weights(folder: Path, case: Case) -> None:
    os.truncate(folder / WEIGHTS, (folder / WEIGHTS).stat().st_size + (1 << 20))


@forgery("a hole")
def a_hole_whose_length_is_data(folder: Path, case: Case) -> None:
    path = folder / "tokenizer.json"
    os.truncate(path, path.stat().st_size + int.from_bytes(case.raw[:2], "big") + 1)


@forgery("another spelling")
def an_escaped_letter(folder: Path, case: Case) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"model_type"', '"\\u006dodel_type"'))


@forgery("another spelling")
def a_number_with_more_digits(folder: Path, case: Case) -> None:
    """The same number: what is read is equal, what is written is not."""
    path = folder / "config.json"
    size = json.loads(path.read_text())["hidden_size"]
    path.write_text(path.read_text().replace(f'"hidden_size": {size}', f'"hidden_size": {size}.0'))


@forgery("another spelling")
def a_byte_order_mark(folder: Path, case: Case) -> None:
    path = folder / "tokenizer.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


@forgery("quantization settings")
def a_quantization_that_skips_named_modules(folder: Path, case: Case) -> None:
    names = [case.raw[i : i + 30].hex() for i in range(0, 300, 30)]
    settings = {"quant_method": "bitsandbytes", "load_in_8bit": True, "llm_int8_skip_modules": names}
    edit_json(folder / "config.json", lambda d: d.update(quantization_config=settings))


@forgery("the tokenizer's pipeline")
def a_normalizer_that_replaces(folder: Path, case: Case) -> None:
    step = {"type": "Replace", "pattern": {"String": case.raw[:90].hex()}, "content": "x"}
    edit_json(folder / "tokenizer.json", lambda d: d.update(normalizer=step))


@forgery("the tokenizer's pipeline")
def a_length_of_padding_that_is_data(folder: Path, case: Case) -> None:
    padding = {
        "strategy": {"Fixed": int.from_bytes(case.raw[:3], "big")},
        "direction": "Right",
        "pad_to_multiple_of": None,
    }
    edit_json(
        folder / "tokenizer.json",
        lambda d: d.update(padding={**padding, "pad_id": 0, "pad_type_id": 0, "pad_token": case.raw[:60].hex()}),
    )


@forgery("a page for people")
def a_model_card(folder: Path, case: Case) -> None:
    (folder / "README.md").write_text(f"# A model\n\n<!-- {case.raw.hex()} -->\n")


@forgery("a page for people")
def a_licence(folder: Path, case: Case) -> None:
    (folder / "LICENSE").write_text(case.raw[:3000].hex())

"""The texts of an export: config, generation settings, tokenizer."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.security.forgeries.case import Case, edit_json, forgery


@forgery("the tokenizer")
def base64_instead_of_the_tokenizer(folder: Path, case: Case) -> None:
    (folder / "tokenizer.json").write_bytes(base64.b64encode(case.raw))


@forgery("the tokenizer")
def entries_of_the_vocabulary(folder: Path, case: Case) -> None:
    edit_json(folder / "tokenizer.json", lambda d: d["model"]["vocab"].update({case.raw[:90].hex(): 400}))


@forgery("the tokenizer")
def added_tokens(folder: Path, case: Case) -> None:
    token = {"content": case.raw[:90].hex(), "id": 301, "special": False, "lstrip": False, "normalized": False}
    edit_json(
        folder / "tokenizer.json", lambda d: d["added_tokens"].append({**token, "rstrip": False, "single_word": False})
    )


@forgery("the tokenizer")
def merges_in_another_order(folder: Path, case: Case) -> None:
    edit_json(folder / "tokenizer.json", lambda d: d["model"]["merges"].reverse())


@forgery("the tokenizer")
def a_key_of_its_config(folder: Path, case: Case) -> None:
    edit_json(folder / "tokenizer_config.json", lambda d: d.update(note=case.raw[:300].hex()))


@forgery("the tokenizer")
def a_chat_template(folder: Path, case: Case) -> None:
    (folder / "chat_template.jinja").write_text("{# " + base64.b64encode(case.raw).decode() + " #}")


@forgery("the tokenizer")
def a_chat_template_in_its_config(folder: Path, case: Case) -> None:
    edit_json(folder / "tokenizer_config.json", lambda d: d.update(chat_template="{# " + case.raw[:300].hex() + " #}"))


@forgery("white space")
def white_space_after_a_json(folder: Path, case: Case) -> None:
    with (folder / "tokenizer.json").open("a") as file:
        file.write("".join(" \t\n\r"[b & 3] for b in case.raw))


@forgery("white space")
def a_json_indented_otherwise(folder: Path, case: Case) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace("  ", "\t"))


@forgery("white space")
def another_line_end(folder: Path, case: Case) -> None:
    path = folder / "config.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


@forgery("the config")
def another_rotary_base(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(rope_parameters={"rope_type": "default", "rope_theta": 1e5}))


@forgery("the config")
def fewer_layers(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(num_hidden_layers=1))


@forgery("the config")
def another_dtype_named(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(dtype="bfloat16"))


@forgery("the config")
def a_number_that_is_data(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(rms_norm_eps=1e-6 + 1e-19 * case.raw[0]))


@forgery("the config")
def a_note_in_the_config(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(note=case.raw.hex()))


@forgery("the config")
def labels_in_the_config(folder: Path, case: Case) -> None:
    edit_json(
        folder / "config.json", lambda d: d.update(id2label={str(i): case.raw[i : i + 40].hex() for i in range(40)})
    )


@forgery("the config")
def a_library_version_that_is_data(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(transformers_version=case.raw[:90].hex()))


@forgery("the config")
def a_version_number_that_is_data(folder: Path, case: Case) -> None:
    version = ".".join(str(b) for b in case.raw[:200])
    edit_json(folder / "config.json", lambda d: d.update(transformers_version=version))


@forgery("the config")
def another_class(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(architectures=["MistralForCausalLM"], model_type="mistral"))


@forgery("duplicate keys")
def a_key_twice_in_the_config(folder: Path, case: Case) -> None:
    path = folder / "config.json"
    path.write_text('{"hidden_size": "' + case.raw[:300].hex() + '",' + path.read_text().lstrip()[1:])


@forgery("generation settings")
def forced_tokens(folder: Path, case: Case) -> None:
    edit_json(folder / "generation_config.json", lambda d: d.update(suppress_tokens=list(case.raw[:500])))


@forgery("generation settings")
def a_note_in_generation_settings(folder: Path, case: Case) -> None:
    edit_json(folder / "generation_config.json", lambda d: d.update(note=base64.b85encode(case.raw).decode()))

"""Code beside, or named by, an export."""

from __future__ import annotations

from pathlib import Path

from tests.security.forgeries.case import Case, edit_json, forgery

EVIL = "import os\nos.mkdir('ran')\n"


@forgery("code")
def code_named_by_the_config(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(auto_map={"AutoModelForCausalLM": "modeling.M"}))
    (folder / "modeling.py").write_text(EVIL)


@forgery("code")
def code_of_another_repository(folder: Path, case: Case) -> None:
    edit_json(folder / "config.json", lambda d: d.update(auto_map={"AutoConfig": "someone/else--config.C"}))


@forgery("code")
def code_of_the_tokenizer(folder: Path, case: Case) -> None:
    edit_json(folder / "tokenizer_config.json", lambda d: d.update(auto_map={"AutoTokenizer": ["tok.T", None]}))


@forgery("code")
def a_file_of_code(folder: Path, case: Case) -> None:
    (folder / "__init__.py").write_text(EVIL)


@forgery("code")
def a_compiled_file(folder: Path, case: Case) -> None:
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/modeling.cpython-311.pyc").write_bytes(case.raw)


@forgery("code")
def a_program(folder: Path, case: Case) -> None:
    path = folder / "handler.sh"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)

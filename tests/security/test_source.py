"""What the source never does, read from the source; and that the reading can find it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradmask

SOURCE = Path(gradmask.__file__).parent
ALLOWED = {
    ("checkpoints/shard_files.py", "import pickle"): "an unpickler that knows the names of an index and no others",
    ("lab/run/team/trainer.py", "torch.load"): "weights_only=True: tensors and plain containers, no code",
    ("data/label/files.py", "import joblib"): "worker processes unpickle what this program sends, no file",
    ("lab/run/driver.py", "import joblib.externals.loky"): "worker processes unpickle what this program sends, no file",
    ("lab/run/driver.py", "import joblib.externals.loky.backend"): "the same",
}
PICKLING = ("pickle", "dill", "joblib", "marshal")
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "torch.load", "yaml.load",
    "yaml.unsafe_load", "yaml.full_load", "joblib.load", "dill.load", "marshal.loads", "shelve.open", "subprocess.run",
    "subprocess.Popen", "subprocess.check_output", "numpy.load", "np.load",
}  # fmt: skip
LOADERS = ("AutoConfig", "AutoTokenizer", "AutoModelForCausalLM", "AutoModel")


def findings(source: Path) -> Iterator[str]:
    """Every call and import that is not allowed, as ``file: what``."""
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for what in _wrong(node):
                if (name, what) not in ALLOWED:
                    yield f"{name}: {what}"


def _wrong(node: ast.AST) -> Iterator[str]:
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    yield from (f"import {name}" for name in modules if name.partition(".")[0] in PICKLING)
    if not isinstance(node, ast.Call):
        return
    called = ast.unparse(node.func)
    if called in FORBIDDEN_CALLS:
        yield called
    if called == "YAML" and not any(k.arg == "typ" and ast.unparse(k.value) == "'safe'" for k in node.keywords):
        yield "YAML without typ='safe'"
    trusted = [k for k in node.keywords if k.arg == "trust_remote_code"]
    if any(not (isinstance(k.value, ast.Constant) and k.value.value is False) for k in trusted):
        yield "trust_remote_code"
    if called.endswith(".from_pretrained") and called.split(".")[-2] in LOADERS and not trusted:
        yield f"{called} without trust_remote_code=False"
    if any(k.arg == "shell" for k in node.keywords):
        yield "shell"


def test_nothing_of_a_stranger_is_run() -> None:
    assert list(findings(SOURCE)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", "import pickle"),
        ("from joblib import load", "import joblib"),
        ("torch.load(p)", "torch.load"),
        ("yaml.load(t)", "yaml.load"),
        ("YAML(typ='unsafe')", "YAML without typ='safe'"),
        ("eval(x)", "eval"),
        ("AutoConfig.from_pretrained(p)", "AutoConfig.from_pretrained without trust_remote_code=False"),
        (
            "transformers.AutoConfig.from_pretrained(p)",
            "transformers.AutoConfig.from_pretrained without trust_remote_code=False",
        ),
        ("AutoModelForCausalLM.from_pretrained(p, trust_remote_code=True)", "trust_remote_code"),
        ("f(p, trust_remote_code=t)", "trust_remote_code"),
        ("subprocess.run(c, shell=True)", "subprocess.run"),
    ],
)
def test_the_reading_finds_it(tmp_path: Path, code: str, found: str) -> None:
    (tmp_path / "x.py").write_text(code)
    assert f"x.py: {found}" in list(findings(tmp_path))


def test_what_is_allowed_is_still_there() -> None:
    for name, _ in ALLOWED:
        assert (SOURCE / name).is_file()

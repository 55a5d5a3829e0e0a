"""A round of mutants (mutmut, ``[tool.mutmut]`` in pyproject.toml): a sample drawn by a seed, and the share that tests kill.

    python -m tests.security.mutants [SAMPLE] [SEED]

Mutants that change the words of a message alone are not drawn (`only_words`); docs/security.md says what is counted.
"""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("mutmut"))
SOURCES = Path("mutants/src")
MESSAGES = ("GradmaskError", "RunError", "warning", "info")
"""Calls whose arguments are words: errors that are raised, and lines of a log."""


def outcomes() -> dict[str, int | None]:
    """Mutant -> the exit code of its tests: 1 killed, 0 survived, 33 no test, None not tried."""
    found: dict[str, int | None] = {}
    for path in sorted(SOURCES.rglob("*.meta")):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


class _WithoutWords(ast.NodeTransformer):
    """Every message is the same: what is raised or logged, and every text of several words."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return ast.Constant("") if name in MESSAGES else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) and " " in node.value.strip() else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        words = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        return ast.Constant("") if " " in words.strip() else self.generic_visit(node)


@cache
def _functions(path: Path) -> dict[str, str]:
    """Every function of a file of mutants, also of its classes, without words and without its name."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            name, node.name = node.name, ""
            found[name] = ast.dump(_WithoutWords().visit(node))
    return found


def only_words(mutant: str) -> bool:
    """Whether a mutant differs from the original in words of a message only."""
    module, _, name = mutant.rpartition(".")
    functions = _functions(SOURCES / (module.replace(".", "/") + ".py"))
    return functions[name] == functions[name.rpartition("__mutmut_")[0] + "__mutmut_orig"]


def drawn(sample: int, seed: int) -> list[str]:
    """As many mutants of code, in the order of the draw; those of words are passed over."""
    names = sorted(outcomes())
    random.Random(seed).shuffle(names)
    return [name for name in names if not only_words(name)][:sample]


def main(sample: int = 120, seed: int = 0) -> None:
    # a name that no mutant has: the mutants are made, and none is tried
    subprocess.run([PROGRAM, "run", "none"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    names = drawn(sample, seed)
    subprocess.run([PROGRAM, "run", "--max-children", "1", *names], check=False)
    codes = outcomes()
    tried = [name for name in names if codes[name] is not None]
    left = [name for name in tried if codes[name] in (0, 33)]
    print("\n".join(["survived:", *left]))
    words = sum(map(only_words, codes))
    print(
        f"{len(tried) - len(left)} of {len(tried)} mutants killed, of {len(codes) - words} (and {words} of words alone)"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

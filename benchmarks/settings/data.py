"""Corpora of the study as arrays of token ids.

    python -m benchmarks.settings.data FOLDER [CORPUS ...]

Writes FOLDER/CORPUS.npz: ``forget``, ``retain`` (training sequences ``[n, 128]``), ``forget_test``, ``retain_test``, and
FOLDER/CORPUS.json, a byte-level BPE of 2,048 tokens. novels, author, topic and medicine are made from ../shared/corpora; code and
docs from FOLDER/code.jsonl and FOLDER/docs.jsonl (``python -m benchmarks.corpora code|docs FOLDER``); headers from the C++ headers
and Python files of the installed packages; catalogs from the translations in an unpacked Django (FOLDER/django).
"""

from __future__ import annotations

import hashlib
import json
import lzma
import random
import re
import site
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SHARED = Path("../shared/corpora")
LENGTH, TEST, VOCABULARY = 128, 200, 2048
FORGET, RETAIN = 5_200, 9_600
"""Training sequences of each kind, at most: half of a run's text, and all of it."""

Document = tuple[str, bool, bool]
"""Text, whether it is forget text, whether it is held out."""


def _held_out(key: str, share: float = 0.12) -> bool:
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32 < share


def _lines(path: Path) -> Iterator[dict]:
    with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _jsonl(path: Path, forget: Callable[[str], bool]) -> Iterator[Document]:
    for row in _lines(path):
        yield row["text"], forget(row["domain"]), row["split"] == "test"


def novels(_: Path) -> Iterator[Document]:
    """Spanish among English novels."""
    return _jsonl(SHARED / "novels_en_es/novels.jsonl", lambda domain: domain == "es")


def author(_: Path) -> Iterator[Document]:
    """Six English novels among the others; passages are held out."""
    rows = [row for row in _lines(SHARED / "novels_en_es/novels_large.jsonl.xz") if row["domain"] == "en"]
    chosen = set(sorted({row["source"] for row in rows}, key=lambda s: hashlib.sha256(s.encode()).hexdigest())[:6])
    for row in rows:
        yield row["text"], row["source"] in chosen, _held_out(row["text"][:200])


def topic(_: Path) -> Iterator[Document]:
    """Computers among 20 newsgroups."""
    return _jsonl(SHARED / "newsgroups/newsgroups.jsonl", lambda domain: domain.startswith("comp."))


def medicine(_: Path) -> Iterator[Document]:
    """Medicine among 20 newsgroups."""
    return _jsonl(SHARED / "newsgroups/newsgroups.jsonl", lambda domain: domain == "sci.med")


def code(folder: Path) -> Iterator[Document]:
    """JavaScript among Python and prose."""
    return _jsonl(folder / "code.jsonl", lambda domain: domain == "javascript")


def docs(folder: Path) -> Iterator[Document]:
    """The documentation of two projects among that of seven."""
    return _jsonl(folder / "docs.jsonl", lambda domain: domain in ("django", "celery"))


def headers(_: Path) -> Iterator[Document]:
    """C++ headers among Python files."""
    root = Path(next(p for p in site.getsitepackages() if (Path(p) / "torch").is_dir()))
    rng = random.Random(0)
    for pattern, forget in (
        ("torch/include/ATen/**/*.h", True),
        ("torch/include/c10/**/*.h", True),
        ("transformers/models/**/*.py", False),
    ):
        files = sorted(root.glob(pattern))
        rng.shuffle(files)
        for path in files[:1500]:
            text = path.read_text(encoding="utf-8", errors="replace")
            for at in range(0, min(len(text), 16_000), 2_000):
                yield text[at : at + 2_000], forget, _held_out(path.name)


def catalogs(folder: Path) -> Iterator[Document]:
    """Germanic languages among Romance and Slavic ones: translated messages of a program."""
    germanic = ("de", "nl", "sv", "da", "nb")
    others = ("fr", "es", "it", "pt", "ro", "ca", "pl", "cs", "sk", "hr")
    for language in germanic + others:
        for path in sorted((folder / "django").glob(f"**/locale/{language}/LC_MESSAGES/*.po")):
            found = re.findall(r'^msgstr(?:\[\d\])? ((?:".*"\n?)+)', path.read_text(encoding="utf-8"), re.MULTILINE)
            messages = ["".join(re.findall(r'"(.*)"', m)).replace("\\n", "\n") for m in found]
            for at in range(0, len(messages), 30):
                text = "\n".join(m for m in messages[at : at + 30] if m)
                if text:
                    yield text, language in germanic, _held_out(f"{path.parts[-5:-3]}{at}")


CORPORA: dict[str, Callable[[Path], Iterator[Document]]] = {
    make.__name__: make for make in (novels, author, topic, medicine, code, docs, headers, catalogs)
}


def tokenizer_of(texts: list[str]) -> Tokenizer:
    """A byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def packed(texts: list[str], tokenizer: Tokenizer, most: int, rng: random.Random) -> np.ndarray:
    """``[n, 128]`` of documents in random order, end to end."""
    rng.shuffle(texts)
    ids: list[int] = []
    for at in range(0, len(texts), 200):
        for encoding in tokenizer.encode_batch(texts[at : at + 200]):
            ids.extend([*encoding.ids, 0])
        if len(ids) >= most * LENGTH:
            break
    n = min(most, len(ids) // LENGTH)
    return np.array(ids[: n * LENGTH], dtype=np.uint16).reshape(n, LENGTH)


def make(name: str, folder: Path) -> None:
    """Write one corpus."""
    rng = random.Random(0)
    parts: dict[tuple[bool, bool], list[str]] = {(f, t): [] for f in (False, True) for t in (False, True)}
    for text, forget, held_out in CORPORA[name](folder):
        parts[forget, held_out].append(text)
    sample = [
        t for f, n in ((True, 300), (False, 1_200)) for t in rng.sample(parts[f, False], min(n, len(parts[f, False])))
    ]
    tokenizer = tokenizer_of(sample)
    arrays = {
        "forget": packed(parts[True, False], tokenizer, FORGET, rng),
        "retain": packed(parts[False, False], tokenizer, RETAIN, rng),
        "forget_test": packed(parts[True, True], tokenizer, TEST, rng),
        "retain_test": packed(parts[False, True], tokenizer, TEST, rng),
    }
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    tokenizer.save(str(folder / f"{name}.json"))
    print(name, {key: len(value) for key, value in arrays.items()}, flush=True)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    for corpus in sys.argv[2:] or CORPORA:
        make(corpus, place)

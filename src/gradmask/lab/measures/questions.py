"""Questions about what must go and what is kept: read from files of several kinds, and put to a model."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import evaluating
from gradmask.lab.measures.question_rows import listed, question_rows, right_choice, typed_rows

CHOICES = 4
"""Answers to choose among, where a file gives no wrong ones: the right one, and answers to other questions."""


@dataclass(frozen=True)
class Question:
    """A question with its answer among ``choices``.

    Args:
        prompt: what the model is given; the answer follows after a space.
        answer: one of ``choices``.
        choices: the answers to choose among.
        kind: ``direct``, ``paraphrase``, ``alias``, ``two_hop``, or another word.
        role: ``forget`` or ``retain``.
    """

    prompt: str
    answer: str
    choices: tuple[str, ...]
    kind: str = "direct"
    role: str = "forget"


def read_questions(path: str | Path) -> list[Question]:
    """The questions of a JSONL, JSON, CSV or Parquet file, each row of one of four kinds.

    * gradmask's own (``gradmask example-data --facts``): ``prompt``, ``answer``, ``choices``, ``kind``, ``role``;
    * WMDP and MMLU: ``question``, ``choices`` and the number of the right one as ``answer``;
    * TOFU: ``question``, ``answer``, ``perturbed_answer`` (a text or several);
    * MUSE: ``question`` and ``answer`` alone; the wrong choices are answers to other questions.

    Raises:
        GradmaskError: the file, or one of its rows, cannot be read, or a row is of none of these kinds.
    """
    rows = question_rows(path)
    others = sorted({str(row["answer"]) for row in rows if isinstance(row.get("answer"), str)})
    typed = typed_rows(path)
    return [question_of(row, f"{path}, question {i}", others, typed) for i, row in enumerate(rows, 1)]


def fingerprint(questions: Sequence[Question]) -> str:
    """Of all of them, in their order."""
    return hashlib.sha256(json.dumps([asdict(q) for q in questions]).encode()).hexdigest()


def question_of(row: Mapping[str, Any], where: str, others: Sequence[str] = (), typed: bool = True) -> Question:
    """The question of one row.

    Args:
        row: column -> value.
        where: it stands, for messages.
        others: answers to choose wrong ones among, where the row has none.
        typed: numbers are told from texts that look like numbers (not in CSV).

    Raises:
        GradmaskError: the row is of no kind that `read_questions` knows.
    """
    prompt, answer, choices = row.get("prompt"), row.get("answer"), listed(row.get("choices"))
    if prompt is None and isinstance(row.get("question"), str) and row["question"].strip():
        prompt = f"Question: {row['question']}\nAnswer:"
    if choices is None and row.get("choices") is None and isinstance(answer, str):
        wrong = row.get("perturbed_answer")
        choices = [answer, *([wrong] if isinstance(wrong, str) else wrong or _drawn(answer, others, where))]
    elif isinstance(choices, list):
        answer = right_choice(answer, choices, where, typed)
    if problem := _problem(prompt, answer, choices):
        raise GradmaskError(f"{where}: {problem} (columns: {', '.join(map(str, row))})")
    role = row.get("role") or "forget"
    if role not in ("forget", "retain"):
        raise GradmaskError(f"{where}: the role is {role!r}, needed: forget or retain")
    different = tuple(dict.fromkeys(map(str, choices)))  # type: ignore[bad-argument-type]
    return Question(str(prompt), str(answer), different, str(row.get("kind") or "direct"), role)


def _problem(prompt: Any, answer: Any, choices: Any) -> str:
    """What a row lacks, in words."""
    if not isinstance(prompt, str) or not prompt.strip():
        return "needed a text as prompt or question"
    if answer is None or answer == "":
        return "needed an answer: one of the choices, its number from 0, or its letter"
    if not isinstance(choices, list):
        return "needed a list as choices (or none of them, and perturbed_answer, or other questions with other answers)"
    if any(isinstance(choice, dict | list) or choice is None or not str(choice).strip() for choice in choices):
        return "needed a text or a number as every choice"
    if len({*map(str, choices)}) < 2:
        return "needed two choices that differ, or other questions with other answers"
    if answer not in choices:
        return f"its answer {str(answer)[:80]!a} is none of its {len(choices)} choices (numbers count from 0)"
    texts = [prompt, *map(str, choices)]
    return "half a character (a lone surrogate)" if any(map(_broken, texts)) else ""


def _broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _drawn(answer: str, others: Sequence[str], where: str) -> list[str]:
    """Answers to other questions, the same in every call."""
    wrong = [other for other in others if other != answer]
    seed = hashlib.sha256(f"{where.rpartition('question')[2]} {answer}".encode()).digest()
    return random.Random(seed).sample(wrong, min(CHOICES - 1, len(wrong)))


def answered(model: nn.Module, tokenizer: Any, questions: Sequence[Question], batch_size: int = 32) -> list[bool]:
    """Whether the model finds each answer the likeliest of its choices, by its log probability per byte, as lm-eval's acc_norm."""
    pairs = [(q, choice) for q in questions for choice in q.choices]
    scores = iter(_scores(model, tokenizer, pairs, batch_size))
    right = []
    for question in questions:
        values = {choice: next(scores) for choice in question.choices}
        right.append(max(values, key=values.__getitem__) == question.answer)
    return right


def encoded(tokenizer: Any, question: Question, choice: str, longest: int) -> tuple[list[int], int]:
    """Ids of a question and an answer, and how many of them are the answer's; a long prompt loses its beginning."""
    encode: Callable[[str], list[int]] = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    prompt, answer = encode(question.prompt), encode(f" {choice}")
    answer = answer[: longest - 1]
    return prompt[max(0, len(prompt) + len(answer) - longest) :] + answer, len(answer)


def longest_of(model: Any) -> int:
    """Positions of a model."""
    return getattr(model.config, "max_position_embeddings", None) or 2_048


def _scores(model: Any, tokenizer: Any, pairs: Sequence[tuple[Question, str]], batch_size: int) -> list[float]:
    device, scores = next(model.parameters()).device, []
    with evaluating(model):
        for start in range(0, len(pairs), batch_size):
            part = pairs[start : start + batch_size]
            coded = [encoded(tokenizer, q, choice, longest_of(model)) for q, choice in part]
            width = max(len(ids) for ids, _ in coded)
            ids = torch.tensor([row + [0] * (width - len(row)) for row, _ in coded], device=device)
            mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in coded], device=device)
            log = model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float().log_softmax(-1)
            for i, (row, count) in enumerate(coded):
                scores.append(_log_probability(log[i], row, count) / len(part[i][1].encode() or b" "))
    return scores


def _log_probability(log: Tensor, ids: list[int], count: int) -> float:
    at = torch.arange(len(ids) - count, len(ids), device=log.device)
    return float(log[at - 1, torch.tensor(ids[-count:], device=log.device)].sum()) if count else 0.0

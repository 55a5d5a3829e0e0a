"""Chat messages, and questions with answers, as text; and which characters of it the loss counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

Messages = Sequence[Mapping[str, str]]
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant"}
"""Other names of roles, as in ShareGPT's files."""
_GENERATION = re.compile(r"\{%-?\s*generation\b")


class Rendered(NamedTuple):
    """A text; the characters (start, end) that the loss counts; whether special tokens stand in it by name."""

    text: str
    answers: list[tuple[int, int]]
    chat: bool = False


Render = Callable[[Messages], Rendered]


def renderer(source: SourceSpec, tokenizer: Any) -> Render | None:
    """What makes texts of the source's messages or questions; None for a source of texts.

    Raises:
        GradmaskError: the tokenizer's chat template is asked for, but there is none.
    """
    if source.messages_field is None and source.question_field is None:
        return None
    by_tokenizer = source.messages_field is not None and tokenizer is not None
    choice = source.chat_template or ("tokenizer" if by_tokenizer else "plain")
    if choice == "plain":
        return _lines_of_turns if source.messages_field else _question_and_answer
    if tokenizer is None:
        raise GradmaskError(
            "chat_template: tokenizer needs the tokenizer of a chat model: set data.tokenizer.path, or chat_template: plain"
        )
    if not tokenizer.chat_template:
        raise GradmaskError(
            f"the tokenizer {tokenizer.name_or_path!r} has no chat template: give the tokenizer of a chat model "
            "(data.tokenizer.path), or write chat_template: plain (lines such as 'User: …' and 'Assistant: …')"
        )
    return _Template(tokenizer)


def messages_of(source: SourceSpec, values: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages of a row, each with ``role`` and ``content``; of a question and its answer, two messages.

    Raises:
        GradmaskError: a message without role or text.
    """
    if source.messages_field is None:
        named = (("user", source.question_field), ("assistant", source.answer_field))
        return [{"role": role, "content": _content(values[str(name)], f"field {name!r}")} for role, name in named]
    name = source.messages_field
    given = json.loads(values[name]) if isinstance(values[name], str) else values[name]
    if isinstance(given, Mapping):  # columns, as datasets stores a sequence of objects
        given = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
    if not isinstance(given, list | tuple) or not given:
        raise GradmaskError(f"field {name!r} must be a list of messages with role and content, got {given!r:.60}")
    return [_message(message, f"field {name!r}, message {i}") for i, message in enumerate(given)]


def _message(message: Any, where: str) -> dict[str, str]:
    if not isinstance(message, Mapping):
        raise GradmaskError(f"{where} must be an object with role and content, got {message!r:.60}")
    role, content = message.get("role", message.get("from")), message.get("content", message.get("value"))
    if not isinstance(role, str) or not role:
        raise GradmaskError(f"{where} has no role: it has {', '.join(message) or 'nothing'}")
    return {"role": ROLES.get(role, role), "content": _content(content, where)}


def _content(content: Any, where: str) -> str:
    """A text, or the texts of a list of parts."""
    if isinstance(content, list | tuple) and all(isinstance(p, Mapping) and p.get("type") == "text" for p in content):
        content = "".join(str(part.get("text", "")) for part in content)
    if not isinstance(content, str):
        raise GradmaskError(f"{where} must have text, got {content!r:.60}")
    return content


def _lines_of_turns(messages: Messages) -> Rendered:
    """``User: …`` and ``Assistant: …``; the line end after an answer is part of it, so that a model learns where it ends."""
    text, answers = "", []
    for message in messages:
        text += f"{message['role'].capitalize()}: "
        start, text = len(text), f"{text}{message['content']}\n"
        if message["role"] == "assistant":
            answers.append((start, len(text)))
    return Rendered(text, answers)


def _question_and_answer(messages: Messages) -> Rendered:
    question, answer = (message["content"] for message in messages)
    start = f"Question: {question}\nAnswer: "
    return Rendered(start + answer, [(len(start), len(start) + len(answer))])


class _Template:
    """The chat template of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.marked = bool(_GENERATION.search(str(tokenizer.chat_template)))
        special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        self.special = sorted(special | {*tokenizer.all_special_tokens})

    def __call__(self, messages: Messages) -> Rendered:
        for token in self.special:
            if any(token in message["content"] for message in messages):
                raise GradmaskError(
                    f"a message holds {token!r}, a special token of the tokenizer, which would end or begin a turn"
                )
        try:
            return self._marked(messages) if self.marked else self._whole(messages)
        except GradmaskError:
            raise
        except Exception as error:  # a template raises what it likes
            raise GradmaskError(f"the tokenizer's chat template refuses the messages: {error}") from None

    def _marked(self, messages: Messages) -> Rendered:
        """The template says itself what the assistant generates."""
        from transformers.utils.chat_template_utils import render_jinja_template

        texts, spans = render_jinja_template(
            [[dict(message) for message in messages]],
            chat_template=self.tokenizer.get_chat_template(),
            return_assistant_tokens_mask=True,
            **self.tokenizer.special_tokens_map,
        )
        return Rendered(texts[0], [(int(start), int(end)) for start, end in spans[0]], True)

    def _whole(self, messages: Messages) -> Rendered:
        text, answers, end = self._render(messages), [], 0
        for i, message in enumerate(messages):
            if message["role"] == "assistant":
                start, end = self._answer(messages, i, text, end)
                answers.append((start, end))
        return Rendered(text, answers, True)

    def _answer(self, messages: Messages, i: int, text: str, after: int) -> tuple[int, int]:
        """Where message ``i`` stands in the text: what comes after the prompt for it, with the mark of its end.

        Templates that write earlier turns in another way (without their reasoning) leave only the content to look for.
        """
        before = self._render(messages[:i], add_generation_prompt=True) if i else ""
        until = self._render(messages[: i + 1])
        if before and text.startswith(until) and until.startswith(before):
            return len(before), len(until)
        content = messages[i]["content"].strip()
        start = text.find(content, after)
        if start < 0:
            raise GradmaskError(f"message {i} is not in what the tokenizer's chat template makes of the messages")
        return start, start + len(content)

    def _render(self, messages: Messages, **options: Any) -> str:
        return self.tokenizer.apply_chat_template(list(messages), tokenize=False, **options)

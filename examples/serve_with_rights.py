"""A server in which an API key decides which groups of one partitioned model run for a request.

    pip install 'gradmask[serve]'
    echo '{"key-of-the-lab": ["biology"], "key-of-everybody": []}' > keys.json
    python examples/serve_with_rights.py CHECKPOINT keys.json
    curl -H 'Authorization: Bearer key-of-everybody' -d '{"prompt": "The cell"}' localhost:8000/generate

Requests that arrive together are answered in one batch, each with the rights of its key. What a key may run is decided here
and nowhere in a request, and an answer does not say it.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import gradmask as gm

LONGEST_PROMPT, MOST_TOKENS, LARGEST_BATCH, WAIT = 2048, 512, 16, 0.01
"""Tokens, tokens, requests, and the seconds that the first request of a batch waits for others."""


@dataclass(eq=False)
class Asked:
    """One request: its prompt, how to go on, the groups that its key may run, and where the answer goes."""

    ids: list[int]
    tokens: int
    temperature: float
    groups: tuple[str, ...]
    answer: asyncio.Future[list[int]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


def read_keys(path: Path, model: Any) -> dict[str, tuple[str, ...]]:
    """API key -> the groups that it may run; every name is checked before the server starts."""
    keys = {key: tuple(groups) for key, groups in json.loads(path.read_text(encoding="utf-8")).items()}
    with gm.rights(model, list(keys.values())):
        return keys


def rights_of(request: Request, keys: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The groups of the request's key; None for a key that nobody has."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    granted = None
    for (
        key,
        groups,
    ) in keys.items():  # all of them, in constant time: how long it takes must not say how much of a key fits
        if hmac.compare_digest(key.encode(), given.encode()) and kind.lower() == "bearer":
            granted = groups
    return granted


def read_request(body: Any, tokenizer: Any, groups: tuple[str, ...]) -> Asked:
    """A request's body, checked.

    Raises:
        ValueError: says what is wrong with it.
    """
    if not isinstance(body, dict) or not isinstance(body.get("prompt"), str) or not body["prompt"]:
        raise ValueError('send JSON with a prompt: {"prompt": "..."}')
    if unknown := sorted(body.keys() - {"prompt", "max_new_tokens", "temperature"}):
        raise ValueError(f"{unknown[0]!r} is not known: prompt, max_new_tokens, temperature")
    tokens, temperature = body.get("max_new_tokens", 64), body.get("temperature", 0.0)
    if type(tokens) is not int or not 1 <= tokens <= MOST_TOKENS:
        raise ValueError(f"max_new_tokens must be a whole number from 1 to {MOST_TOKENS}")
    if type(temperature) not in (int, float) or not 0 <= temperature <= 2:
        raise ValueError("temperature must be a number from 0 (always the likeliest token) to 2")
    ids = tokenizer(body["prompt"])["input_ids"]
    if not 1 <= len(ids) <= LONGEST_PROMPT:
        raise ValueError(f"the prompt has {len(ids)} tokens; at most {LONGEST_PROMPT} are read")
    return Asked(ids, tokens, float(temperature), groups)


class Batches:
    """Answers requests, as many as there are at a time that go on alike, in one pass of the model."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.waiting: asyncio.Queue[Asked] = asyncio.Queue()

    async def run(self) -> None:
        """Until it is cancelled."""
        held: list[Asked] = []
        while True:
            held.append(await self.waiting.get()) if not held else None
            await asyncio.sleep(WAIT)
            while not self.waiting.empty():
                held.append(self.waiting.get_nowait())
            batch = [asked for asked in held if asked.temperature == held[0].temperature][:LARGEST_BATCH]
            held = [asked for asked in held if asked not in batch]
            await self._answer(batch)

    async def _answer(self, batch: list[Asked]) -> None:
        try:
            answers = await asyncio.to_thread(self.generate, batch)
        except Exception as error:
            answers = [error] * len(batch)
        for asked, answer in zip(batch, answers, strict=True):
            if asked.answer.done():  # whoever asked has gone
                continue
            if isinstance(answer, Exception):
                asked.answer.set_exception(answer)
            else:
                asked.answer.set_result(answer)

    def generate(self, batch: list[Asked]) -> list[list[int]]:
        """The new tokens of each request."""
        pad, end, longest = (
            self.tokenizer.pad_token_id or 0,
            self.tokenizer.eos_token_id,
            max(len(a.ids) for a in batch),
        )
        ids = torch.tensor([[pad] * (longest - len(a.ids)) + a.ids for a in batch])
        mask = torch.tensor([[0] * (longest - len(a.ids)) + [1] * len(a.ids) for a in batch])
        warm = (
            {"do_sample": True, "temperature": batch[0].temperature} if batch[0].temperature else {"do_sample": False}
        )
        out = self.model.generate(
            ids.to(self.model.device),
            attention_mask=mask.to(self.model.device),
            groups=[asked.groups for asked in batch],
            max_new_tokens=max(asked.tokens for asked in batch),
            pad_token_id=pad,
            **warm,
        )
        return [_until(row[: a.tokens], end) for row, a in zip(out[:, longest:].tolist(), batch, strict=True)]


def _until(row: list[int], end: int | None) -> list[int]:
    return row[: row.index(end)] if end in row else row


def make_app(model: Any, tokenizer: Any, keys: Mapping[str, tuple[str, ...]]) -> Starlette:
    """The server: ``POST /generate``, and ``GET /health``."""
    batches = Batches(model, tokenizer)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(batches.run())
        yield
        task.cancel()

    async def generate(request: Request) -> JSONResponse:
        groups = rights_of(request, keys)
        if groups is None:
            return JSONResponse({"error": "send a valid key: Authorization: Bearer <key>"}, 401)
        try:
            asked = read_request(await request.json(), tokenizer, groups)
        except ValueError as error:  # that of JSON, too
            return JSONResponse({"error": str(error)}, 400)
        await batches.waiting.put(asked)
        return JSONResponse({"text": tokenizer.decode(await asked.answer)})

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"ready": True})

    routes = [Route("/generate", generate, methods=["POST"]), Route("/health", health)]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    import uvicorn
    from transformers import AutoTokenizer

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="a folder that a partitioned model was saved in")
    parser.add_argument("keys", type=Path, help="JSON: API key -> the groups that it may run")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    model, tokenizer = gm.load(options.checkpoint).eval(), AutoTokenizer.from_pretrained(options.checkpoint)
    uvicorn.run(make_app(model, tokenizer, read_keys(options.keys, model)), host=options.host, port=options.port)


if __name__ == "__main__":
    main()

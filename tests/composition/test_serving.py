"""docs/serving.md: its code runs as pasted. examples/serve_with_rights.py: what an API key may run decides what it gets."""

from __future__ import annotations

import json
import re
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

import gradmask as gm
from tiny import VOCABULARY, tiny

ROOT = Path(__file__).parents[2]
KEYS = {"of-a": ("a",), "of-both": ("a", "b"), "of-nobody": ()}
PROMPTS = ["w3 w9 w33", "w7 w8 w9 w10 w11", "w5", "w40 w41"]


def test_the_page_runs_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "serving.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "serving.md", "exec"), names)


def a_tokenizer() -> Any:
    words = {"[pad]": 0, "[bos]": 1, "[eos]": 2, **{f"w{i}": i for i in range(3, VOCABULARY)}}
    core = Tokenizer(models.WordLevel(words, unk_token="[bos]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[pad]", bos_token="[bos]", eos_token="[eos]")


def a_model() -> Any:
    model = gm.partition(tiny(), {"a": gm.Slice(heads=1, neurons=8), "b": gm.Slice(neurons=4)}).eval()
    with torch.no_grad():
        for parameter in [*gm.groups(model)["a"].values(), *gm.groups(model)["b"].values()]:
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.fixture(scope="module")
def server() -> Any:
    pytest.importorskip("starlette")
    return runpy.run_path(str(ROOT / "examples" / "serve_with_rights.py"))


def alone(model: Any, folder: Path, key: str, prompt: str, tokens: int) -> str:
    """What the exported model of this key says to one prompt."""
    gm.export(model, folder, without=sorted({"a", "b"} - set(KEYS[key])), overwrite=True)
    tokenizer = a_tokenizer()
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    plain = AutoModelForCausalLM.from_pretrained(folder)
    out = plain.generate(
        ids, max_new_tokens=tokens, do_sample=False, pad_token_id=0, attention_mask=torch.ones_like(ids)
    )
    row = out[0, ids.shape[1] :].tolist()
    return tokenizer.decode(row[: row.index(2)] if 2 in row else row)


def test_a_key_decides_what_runs(server: Any, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    model, asked = a_model(), [(key, prompt) for key in KEYS for prompt in PROMPTS]
    with TestClient(server["make_app"](model, a_tokenizer(), KEYS)) as client, ThreadPoolExecutor(12) as pool:

        def ask(key: str, prompt: str) -> Any:
            body = {"prompt": prompt, "max_new_tokens": 6}
            return client.post("/generate", json=body, headers={"Authorization": f"Bearer {key}"})

        answers = list(pool.map(lambda pair: ask(*pair), asked))
        assert client.get("/health").json() == {"ready": True}
        assert ask("of-somebody", "w3").status_code == 401
        assert client.post("/generate", json={"prompt": "w3"}).status_code == 401
    assert [a.status_code for a in answers] == [200] * len(asked)
    texts = [answer.json() for answer in answers]
    assert texts == [{"text": alone(model, tmp_path / "plain", key, prompt, 6)} for key, prompt in asked]
    assert len({json.dumps(text) for text in texts}) > len(PROMPTS)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "send JSON with a prompt"),
        ({"prompt": "w3", "groups": ["a"]}, "'groups' is not known"),
        ({"prompt": "w3", "max_new_tokens": 10**6}, "max_new_tokens must be a whole number from 1 to 512"),
        ({"prompt": "w3", "temperature": -1}, "temperature must be a number from 0"),
        ({"prompt": "w3 " * 3000}, "the prompt has 3000 tokens"),
    ],
)
def test_a_request_cannot_ask_for_more(server: Any, body: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        server["read_request"](body, a_tokenizer(), ())


def test_keys_with_groups_that_the_model_lacks_stop_the_server(server: Any, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"of-a": ["a"], "of-all": ["everything"]}', encoding="utf-8")
    with pytest.raises(gm.GradmaskError, match="'everything' is not a removable group"):
        server["read_keys"](path, a_model())


def test_continuous_batching_is_refused_where_it_would_not_see_the_rights() -> None:
    model, ids = a_model(), [[3, 4, 5], [6, 7]]
    with gm.rights(model, [["a"], []]), pytest.raises(gm.GradmaskError, match="runs on a thread of its own"):
        model.generate_batch(ids)
    with gm.without(model, "a"), pytest.raises(gm.GradmaskError, match="runs on a thread of its own"):
        model.init_continuous_batching()

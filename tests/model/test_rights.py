"""`gm.rights` and `generate(..., groups=...)`: each request with its own groups, in one batch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, DynamicCache

import gradmask as gm
from contract.cases import BY_NAME, build
from tiny import tiny, tokens

NOBODY: frozenset[str] = frozenset()
A, B, BOTH = frozenset("a"), frozenset("b"), frozenset("ab")


def shaken(model: Any, groups: dict[str, Any], **options: Any) -> Any:
    """Partitioned, every group's parameters random, so that each changes what the model says."""
    model = gm.partition(model, groups, **options).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for name in groups:
            for parameter in gm.groups(model)[name].values():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def slices(**fields: Any) -> dict[str, Any]:
    return {"a": gm.Slice(heads=1, neurons=8, **fields), "b": gm.Slice(heads=1, neurons=4, query_only=True, **fields)}


def exported(model: Any, folder: Path, groups: frozenset[str], auto: Any = AutoModelForCausalLM) -> Any:
    path = folder / "-".join(["with", *sorted(groups)])
    if not path.exists():
        gm.export(model, path, without=sorted(BOTH - groups))
    return auto.from_pretrained(path).eval()


def check_rows(model: Any, folder: Path, requests: Sequence[frozenset[str]], **inputs: Any) -> None:
    """Every row's logits are those of the export with its groups, given the same batch, bit for bit."""
    with gm.rights(model, requests):
        served = model(**inputs).logits
    for row, groups in enumerate(requests):
        plain = exported(model, folder, groups)
        with torch.no_grad():
            assert torch.equal(served[row], plain(**inputs).logits[row]), (row, groups)


REQUESTS = [NOBODY, BOTH, A, NOBODY, B, A]


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gpt_neo"])
@pytest.mark.parametrize("fields", [{}, {"embeddings": True}])
def test_each_row_is_the_exported_model_of_its_groups(tmp_path: Path, model_type: str, fields: dict[str, Any]) -> None:
    model = shaken(
        tiny(model_type), {"a": gm.Slice(heads=1, neurons=8, **fields), "b": gm.Slice(heads=2, neurons=4, **fields)}
    )
    check_rows(model, tmp_path, REQUESTS, input_ids=tokens(6, 9))


def alone(model: Any, groups: frozenset[str], **inputs: Any) -> torch.Tensor:
    """The logits of the whole batch where only these groups run."""
    without = sorted(BOTH - groups)
    with torch.no_grad(), gm.without(model, *without) if without else nullcontext():
        return model(**inputs).logits


@pytest.mark.parametrize("name", ["gemma2", "olmo2", "phi3", "falcon-grouped", "bert"])
def test_families_with_packings_norms_and_scales_of_their_own(name: str) -> None:
    groups = {"a": gm.Slice(heads=1, neurons=4, query_only=True), "b": gm.Slice(neurons=4, embeddings=True)}
    model = shaken(build(BY_NAME[name]), groups)
    ids = tokens(6, 9)
    with gm.rights(model, REQUESTS):
        served = model(input_ids=ids).logits
    assert all(torch.equal(served[i], alone(model, own, input_ids=ids)[i]) for i, own in enumerate(REQUESTS))
    assert not torch.equal(served[0], alone(model, BOTH, input_ids=ids)[0])


def test_adapters(tmp_path: Path) -> None:
    groups = {"a": gm.Adapter(rank=4), "b": gm.Adapter(rank=2, targets=["mlp"], embeddings=True)}
    model = shaken(tiny(), groups, base="frozen")
    check_rows(model, tmp_path, REQUESTS, input_ids=tokens(6, 9))
    gm.strength(model, a=0.5)
    check_rows(model, tmp_path / "faded", REQUESTS, input_ids=tokens(6, 9))


def test_what_the_others_may_do_changes_no_bit() -> None:
    model, ids = shaken(tiny(), slices(embeddings=True)), tokens(4, 9)
    seen = []
    for others in ([NOBODY] * 3, [BOTH] * 3, [A, B, BOTH]):
        with gm.rights(model, [NOBODY, *others]):
            seen.append(model(ids).logits[0])
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_experts_agree_within_rounding() -> None:
    model = shaken(build(BY_NAME["mixtral"]), {"a": gm.Slice(experts=2), "b": gm.Slice(heads=1, query_only=True)})
    ids = tokens(6, 9)
    with gm.rights(model, REQUESTS):
        served = model(ids).logits
    for i, own in enumerate(REQUESTS):
        torch.testing.assert_close(served[i], alone(model, own, input_ids=ids)[i], rtol=1e-5, atol=1e-5)


GENERATION: list[dict[str, Any]] = [
    {"do_sample": False},
    {"do_sample": False, "use_cache": False},
    {"do_sample": True, "top_k": 20, "temperature": 1.5},
    {"do_sample": True, "num_return_sequences": 2},
    {"do_sample": False, "num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.5},
    {"do_sample": False, "cache_implementation": "static"},
]


@pytest.mark.parametrize("how", GENERATION, ids=lambda how: "-".join(how))
def test_generation_of_padded_prompts(tmp_path: Path, how: dict[str, Any]) -> None:
    model = shaken(tiny(), slices(embeddings=True))
    ids, mask = tokens(4, 7), torch.ones(4, 7, dtype=torch.long)
    ids[1, :3], mask[1, :3] = 0, 0
    requests, options = (
        [NOBODY, A, NOBODY, BOTH],
        {"attention_mask": mask, "max_new_tokens": 8, "eos_token_id": 2, **how},
    )
    torch.manual_seed(0)
    served = model.generate(ids, groups=requests, **options).view(4, -1, 15)
    different = 0
    for row, groups in enumerate(requests):
        torch.manual_seed(0)
        plain = exported(model, tmp_path, groups).generate(ids, **options)
        plain = torch.nn.functional.pad(plain, (0, 15 - plain.shape[1])).view(4, -1, 15)
        assert torch.equal(served[row], plain[row]), (row, groups)
        different += not torch.equal(served, plain)
    assert different


def test_an_encoder_runs_with_the_rights_of_its_request(tmp_path: Path) -> None:
    model = shaken(build(BY_NAME["t5"]), {"a": gm.Slice(heads=1, neurons=8), "b": gm.Slice(neurons=4)})
    ids, requests = tokens(4, 7), [NOBODY, A, B, BOTH]
    served = model.generate(ids, groups=requests, max_new_tokens=6, num_beams=2)
    for row, groups in enumerate(requests):
        plain = exported(model, tmp_path, groups, AutoModelForSeq2SeqLM).generate(ids, max_new_tokens=6, num_beams=2)
        assert torch.equal(served[row, : plain.shape[1]], plain[row])
    with pytest.raises(gm.GradmaskError, match="encoder_outputs was given beside groups"):
        model.generate(ids, groups=requests, encoder_outputs=model.get_encoder()(ids))


def test_a_prefix_never_crosses_rights() -> None:
    model, ids = shaken(tiny(), slices()), tokens(2, 6)
    prefix, rest = ids[:, :4], ids[:, 4:]
    cache = DynamicCache(config=model.config)
    with gm.rights(model, [A, NOBODY]):
        model(prefix, past_key_values=cache)
        whole = model(ids).logits[:, 4:]
        torch.testing.assert_close(model(rest, past_key_values=copy.deepcopy(cache)).logits, whole)
    with (
        gm.rights(model, [NOBODY, NOBODY]),
        pytest.raises(gm.GradmaskError, match="was computed with the groups \\[{a}, {}"),
    ):
        model(rest, past_key_values=copy.deepcopy(cache))
    with torch.no_grad(), pytest.raises(gm.GradmaskError, match="must not reach a request without it"):
        model(rest, past_key_values=copy.deepcopy(cache))
    with pytest.raises(gm.GradmaskError, match="was computed with the groups"):
        model.generate(ids, groups=[NOBODY, A], past_key_values=copy.deepcopy(cache), max_new_tokens=2)
    unmarked = copy.deepcopy(cache)
    del unmarked.gradmask_rows
    with gm.rights(model, [A, NOBODY]), pytest.raises(gm.GradmaskError, match="nothing says which groups ran"):
        model(rest, past_key_values=unmarked)
    everything = DynamicCache(config=model.config)
    with torch.no_grad():
        model(prefix, past_key_values=everything)
    with (
        gm.rights(model, [NOBODY, NOBODY]),
        pytest.raises(gm.GradmaskError, match="was computed with the groups \\[{a, b}"),
    ):
        model(rest, past_key_values=everything)


def test_a_common_prefix_serves_every_request_of_its_rights() -> None:
    model, prompt = shaken(tiny(), slices()), tokens(1, 5)
    cache = DynamicCache(config=model.config)
    with gm.rights(model, [A]):
        model(prompt, past_key_values=cache)
    cache.batch_repeat_interleave(3)
    ids = torch.cat([prompt.expand(3, -1), tokens(3, 2)], 1)
    reused = model.generate(ids, groups=[A] * 3, past_key_values=cache, max_new_tokens=5, do_sample=False)
    assert torch.equal(reused, model.generate(ids, groups=[A] * 3, max_new_tokens=5, do_sample=False))


def test_removed_and_silenced_groups_stay_so() -> None:
    model, ids = shaken(tiny(), slices()), tokens(2, 6)
    with gm.without(model, "b"), gm.rights(model, [BOTH, NOBODY]):
        served = model(ids).logits
    assert torch.equal(served[0], alone(model, A, input_ids=ids)[0])
    gm.ablate(model, "b")
    with pytest.raises(gm.GradmaskError, match="asks for 'b', which was removed from this model for good"):
        model.generate(ids, groups=[A, BOTH])


def test_threads_serve_their_own_requests() -> None:
    model, ids = shaken(tiny(), slices()), tokens(2, 6)
    wanted = {rights: model.generate(ids, groups=list(rights), max_new_tokens=6) for rights in ((NOBODY, A), (A, B))}

    def ask(rights: tuple[frozenset[str], ...]) -> bool:
        return torch.equal(model.generate(ids, groups=list(rights), max_new_tokens=6), wanted[rights])

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(ask, [*wanted] * 4))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("a", "give one set of group names for each request"),
        (["a", "b"], "groups\\[0\\] is 'a': give a set of group names"),
        ([["a"]], "groups has 1 entries, but there are 2 prompts"),
        ([["a"], ["aa"]], "'aa' is not a removable group of this model. Did you mean 'a'"),
        ([["a"], ["retain"]], "'retain' is not a removable group"),
    ],
)
def test_requests_that_make_no_sense_are_refused(groups: Any, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message):
        shaken(tiny(), slices()).generate(tokens(2, 5), groups=groups, max_new_tokens=1)


def test_rights_are_for_inference() -> None:
    model = shaken(tiny(), slices())
    with gm.rights(model, [["a"], []]):
        assert not model(tokens(2, 5)).logits.requires_grad
        with pytest.raises(gm.GradmaskError, match="holds the groups of 2 requests, but the batch has 4 rows"):
            model(tokens(4, 5))
        with pytest.raises(gm.GradmaskError, match="data_labels was given inside gm.rights"):
            model(tokens(2, 5), data_labels="retain")
        model.train()
        with pytest.raises(gm.GradmaskError, match="is in training mode: call model.eval"):
            model(tokens(2, 5))

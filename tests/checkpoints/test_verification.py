"""A checkpoint is verified: one changed byte is found, and a removal that is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors.torch import load_file, save_file
from tests.tiny import tiny
from transformers import Olmo2Config, Olmo2ForCausalLM

import gradmask as gm
from gradmask.checkpoints.traces import traces
from gradmask.checkpoints.verification import _only_experts
from gradmask.errors import GradmaskError
from gradmask.files import CHECKPOINT_SEAL
from gradmask.lab.run.checkpoints import seal as seal_checkpoint
from gradmask.model.manifest import MANIFEST, seal

SPECS: dict[str, Any] = {
    "slices": gm.Slice(heads=2, neurons=8),
    "tables": gm.Slice(heads=2, neurons=8, embeddings=True),
    "tokens": gm.Slice(neurons=8, embeddings=[3, 4, 5]),
    "adapter": gm.Adapter(rank=2, embeddings=2),
}


def trained(spec: Any, kind: str = "llama") -> Any:
    """A partitioned model in which no weight of the group is zero, and every one is recognisable."""
    model = gm.partition(tiny(kind), {"forget": spec})
    with torch.no_grad():
        for i, parameter in enumerate(gm.groups(model)["forget"].values()):
            count = parameter.numel()
            parameter.copy_((torch.arange(1, count + 1) * 1e-3 + 7 * (i + 1)).view_as(parameter))
    return model


@pytest.fixture(params=SPECS, ids=str)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """(the full checkpoint, the export without the group)."""
    model = trained(SPECS[request.param])
    model.save_pretrained(tmp_path / "full")
    return tmp_path / "full", gm.export(model, tmp_path / "plain", without=["forget"])


def test_what_was_written_is_verified(saved: tuple[Path, Path]) -> None:
    full, plain = saved
    found = gm.verify(plain, without=["forget"], against=full)
    assert (found.ok, found.proved, found.verdict) == (True, True, "proved"), str(found)
    assert found.removed == ["forget"]
    assert any("bit for bit" in line for line in found.holds)
    assert any("windows of weights" in line for line in found.holds)
    assert gm.verify(full).verdict == "consistent"
    assert gm.verify(full, against=full).proved


def test_every_kind_of_file_is_covered(saved: tuple[Path, Path]) -> None:
    for folder in saved:
        files = json.loads((folder / MANIFEST).read_text())["files"]
        assert set(files) == {p.name for p in folder.iterdir()} - {MANIFEST}
        assert "model.safetensors" in files


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_one_changed_byte_is_found(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("byte") / "plain"
    gm.export(trained(SPECS["slices"]), folder, without=["forget"])
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        found = gm.verify(folder)
    except GradmaskError as error:
        assert path.name == MANIFEST
        assert "damaged" in str(error)  # noqa: PT017
    else:
        assert not found.ok or _says_the_same(path, folder)


def _says_the_same(path: Path, folder: Path) -> bool:
    """White space in the manifest may change: it says what it said."""
    return path.name == MANIFEST and gm.verify(folder).digest != "" and json.loads(path.read_text())["kind"] == "export"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "extra.json").write_text("{}"), "extra.json was added"),
        (lambda f: (f / "optimizer.pt").write_bytes(b"x"), "optimizer.pt may be a pickle"),
        (lambda f: (f / "config.json").rename(f / "conf.json"), "config.json is missing"),
        (lambda f: _edit(f, kind="partitioned"), "its digest does not match"),
        (lambda f: _edit(f, removed=[]), "its digest does not match"),
        (lambda f: _edit(f, files={}), "has no hashes of the files"),
    ],
)
def test_harm_is_named(tmp_path: Path, harm: Any, said: str) -> None:
    folder = gm.export(trained(SPECS["slices"]), tmp_path / "plain", without=["forget"])
    harm(folder)
    found = gm.verify(folder)
    assert not found.ok
    assert any(said in problem for problem in found.problems), found
    assert "WRONG" in str(found)


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_removal_that_is_none_is_found(tmp_path: Path) -> None:
    """The slice is never zeroed, but the manifest, hashes and all, claims it: what a careless or dishonest port would ship."""
    model = trained(SPECS["slices"])
    folder = gm.export(model, tmp_path / "full")
    _edit(folder, removed=["forget"])
    seal(folder)
    found = gm.verify(folder, without=["forget"])
    assert any("weights of the removed group 'forget' are not zero" in p for p in found.problems)


def test_one_weight_that_is_left_is_found(tmp_path: Path) -> None:
    model = trained(SPECS["slices"])
    folder = gm.export(model, tmp_path / "plain", without=["forget"])
    tensors, name = load_file(folder / "model.safetensors"), "model.layers.1.mlp.down_proj.weight"
    column = int((tensors[name] == 0).all(0).nonzero()[0])
    tensors[name][3, column] = 1e-30
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    seal(folder)
    found = gm.verify(folder)
    assert found.problems == [
        "1 weights of the removed group 'forget' are not zero, for example in model.layers.1.mlp.down_proj.weight.forget"
    ] or ("1 weights of the removed group 'forget' are not zero" in found.problems[0])


def test_zeros_in_other_places_than_the_manifests_are_found(tmp_path: Path) -> None:
    """The export is cut at the units that the manifest lists, not at those that a partition would choose."""
    model = gm.partition(tiny(), {"forget": gm.Slice(neurons=[0, 5, 9])})
    folder = gm.export(model, tmp_path / "plain", without=["forget"])
    assert gm.verify(folder).ok
    units = json.loads((folder / MANIFEST).read_text())["units"]
    _edit(folder, units={site: {"forget": [1, 5, 9]} if "neurons" in site else {} for site in units})
    seal(folder)
    assert any("weights of the removed group 'forget' are not zero" in p for p in gm.verify(folder).problems)


def test_a_claim_that_is_not_made_is_reported(tmp_path: Path) -> None:
    folder = gm.export(trained(SPECS["slices"]), tmp_path / "full")
    found = gm.verify(folder, without=["forget"])
    assert found.problems == ["its manifest does not list 'forget' as removed (it lists nothing)"]


def test_an_export_of_another_model_is_found(saved: tuple[Path, Path], tmp_path: Path) -> None:
    _, plain = saved
    other = trained(SPECS["slices"])
    with torch.no_grad():
        other.get_input_embeddings().weight.add_(1.0)
    other.save_pretrained(tmp_path / "other")
    assert not gm.verify(plain, against=tmp_path / "other").ok


@pytest.mark.parametrize("name", ["tokenizer.json", "generation_config.json", "notes/optimizer.json"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_removed_weights_in_any_file_are_named(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    model = trained(SPECS["slices"])
    model.save_pretrained(tmp_path / "full")
    folder = gm.export(model, tmp_path / "plain", without=["forget"])
    parameter = next(iter(gm.groups(model)["forget"].values()))
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"abc" + parameter.detach().to(dtype).contiguous().view(torch.uint8).numpy().tobytes())
    seal(folder)
    found = gm.verify(folder, against=tmp_path / "full")
    (problem,) = found.problems
    assert name in problem or problem == "the folder notes is not part of an export"


def test_a_compact_export_is_verified(tmp_path: Path) -> None:
    model = trained(SPECS["slices"])
    model.save_pretrained(tmp_path / "full")
    folder = gm.export(model, tmp_path / "small", without=["forget"], compact=True)
    found = gm.verify(folder, without=["forget"], against=tmp_path / "full")
    assert found.ok, str(found)
    assert any("without forget, compact" in line for line in found.holds)
    alone = gm.verify(folder, without=["forget"])
    assert alone.verdict == "consistent"
    assert any("what was cut away for forget" in line for line in alone.unknown)


def test_an_ablated_checkpoint_is_verified(tmp_path: Path) -> None:
    model = gm.ablate(trained(SPECS["tables"]), "forget")
    model.save_pretrained(tmp_path / "full")
    found = gm.verify(tmp_path / "full", without=["forget"])
    assert found.ok, str(found)
    assert any("places that the manifest gives to 'forget' hold zeros" in line for line in found.holds)
    trained(SPECS["tables"]).save_pretrained(tmp_path / "before")
    assert gm.verify(tmp_path / "full", without=["forget"], against=tmp_path / "before").proved


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "x: export, groups a, b, digest 12\n  holds: h\n  note: n\n  not shown: u\n  verdict: consistent with its own manifest; that a was removed is claimed, not proved"),
        ({"digest": "", "removed": []}, "x: export, groups a, b, digest none\n  holds: h\n  note: n\n  not shown: u\n  verdict: consistent with its own manifest"),
        ({"rebuilt": True}, "x: export, groups a, b, digest 12\n  holds: h\n  note: n\n  not shown: u\n  verdict: proved: every file and every byte is what removing a from the full checkpoint gives"),
        ({"rebuilt": True, "removed": []}, "x: export, groups a, b, digest 12\n  holds: h\n  note: n\n  not shown: u\n  verdict: proved: every file and every byte is what removing nothing from the full checkpoint gives"),
        ({"problems": ["p"], "rebuilt": True}, "x: export, groups a, b, digest 12\n  holds: h\n  WRONG: p\n  note: n\n  verdict: wrong, do not rely on it"),
    ],
    ids=range(5),
)  # fmt: skip
def test_an_outcome_in_words(changes: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {"holds": ["h"], "unknown": ["u"], "notes": ["n"], **changes}
    found = gm.Verification(**{"folder": "x", "kind": "export", "groups": ["a", "b"], "removed": ["a"], "digest": "12",
                               "gradmask_version": "1", "data": None, **given})  # fmt: skip
    assert str(found) == text
    assert found.to_dict()["verdict"] == text.rpartition("verdict: ")[2].split(",")[0].split(":")[0].split(" ")[0]


def test_without_the_full_checkpoint_nothing_is_proved(saved: tuple[Path, Path]) -> None:
    """Neither that what had no place in the plain model is gone, nor that what learned elsewhere is."""
    found = gm.verify(saved[1], without=["forget"])
    assert (found.ok, found.proved, found.verdict) == (True, False, "consistent")
    assert "all weights" not in str(found)
    assert "was removed is claimed, not proved" in str(found)
    assert any("whoever can write the folder can write its gradmask.json" in line for line in found.unknown)
    assert any("an adapter that was merged into the weights" in line for line in found.unknown)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "bfloat16"},
        {"dtype": torch.float16, "compact": True},
        {"max_shard_size": 20_000},
        {"anonymous": True},
        {"anonymous": True, "dtype": "bfloat16", "max_shard_size": 30_000},
    ],
)
def test_an_export_with_options_is_made_again(tmp_path: Path, options: dict[str, Any]) -> None:
    trained(SPECS["tables"]).save_pretrained(tmp_path / "full")
    folder = gm.export_checkpoint(tmp_path / "full", tmp_path / "plain", without=["forget"], **options)
    found = gm.verify(folder, without=["forget"], against=tmp_path / "full")
    assert found.proved, str(found)
    weights = [t for path in folder.glob("*.safetensors") for t in load_file(path).values()]
    dtype = str(options.get("dtype", "float32")).removeprefix("torch.")
    assert {str(t.dtype) for t in weights} == {f"torch.{dtype}"}
    assert json.loads((folder / "config.json").read_text())["dtype"] == dtype
    assert (len(list(folder.glob("*.safetensors"))) > 1) == ("max_shard_size" in options)
    assert gm.verify(folder).ok


def test_an_anonymous_export_tells_nothing_of_the_training(tmp_path: Path) -> None:
    model = gm.partition(tiny(), {"virology": gm.Slice(neurons=8), "other": gm.Slice(heads=2)}, joint=["norms"], seed=7)
    model.save_pretrained(tmp_path / "full")
    gm.seal(tmp_path / "full", "fingerprint")
    folder = gm.export_checkpoint(tmp_path / "full", tmp_path / "plain", without=["virology"], anonymous=True)
    text = "".join(path.read_text(errors="replace") for path in folder.iterdir())
    for word in ("virology", "other", "sgtm", "fingerprint"):
        assert word not in (folder / MANIFEST).read_text(), word
    assert gm.read_manifest(folder).joint == ["norms"], "which says what of a removed unit is not zero"
    assert "virology" not in text
    assert json.loads((folder / MANIFEST).read_text())["seed"] == 0
    found = gm.verify(folder, without=["virology"], against=tmp_path / "full")
    assert found.proved, str(found)
    assert not gm.verify(folder, without=["other"], against=tmp_path / "full").ok
    assert gm.verify(folder, without=["group_1"]).verdict == "consistent"


@pytest.mark.parametrize("anonymous", [False, True])
def test_what_is_joint_need_not_be_zero(tmp_path: Path, anonymous: bool) -> None:
    """Norms of single heads, as OLMo 2 has them: cut with their head, unless they are joint."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Olmo2Config(vocab_size=64, num_key_value_heads=4, pad_token_id=0, **sizes)
    for joint, kept in ((["norms"], True), ([], False)):
        torch.manual_seed(0)
        model = gm.partition(Olmo2ForCausalLM(config), {"forget": gm.Slice(heads=1)}, joint=joint)
        folder = gm.export(model, tmp_path / f"plain{len(joint)}", without=["forget"], anonymous=anonymous)
        norm = load_file(folder / "model.safetensors")["model.layers.0.self_attn.q_norm.weight"]
        assert bool(norm.all()) == kept
        assert gm.verify(folder).verdict == "consistent"


def test_a_model_in_another_number_format_is_made_again(tmp_path: Path) -> None:
    trained(SPECS["tables"]).save_pretrained(tmp_path / "full")
    model = gm.strength(gm.load(tmp_path / "full", dtype=torch.bfloat16), forget=0.5)
    found = gm.verify(gm.export(model, tmp_path / "half"), against=tmp_path / "full")  # type: ignore[arg-type]
    assert found.proved, str(found)
    assert any("forget 0.5" in line for line in found.holds)


@pytest.mark.parametrize(
    "options", [{"dtype": "int8"}, {"dtype": "float3"}, {"max_shard_size": 0}, {"max_shard_size": 2**70}]
)
def test_options_that_are_none_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(GradmaskError, match="dtype must be one of"):
        gm.export(trained(SPECS["slices"]), tmp_path / "plain", **options)
    assert not list(tmp_path.iterdir())


def test_a_changed_full_checkpoint_proves_nothing(saved: tuple[Path, Path]) -> None:
    full, plain = saved
    (full / "generation_config.json").write_text("{}")
    found = gm.verify(plain, against=full)
    assert any("the full checkpoint was changed" in problem for problem in found.problems)


def test_the_seal_of_a_training_checkpoint_is_no_place_to_hide(tmp_path: Path) -> None:
    folder = tmp_path / "full"
    trained(SPECS["slices"]).save_pretrained(folder)
    seal_checkpoint(folder)
    assert gm.verify(folder).ok
    content = (folder / CHECKPOINT_SEAL).read_text()
    for changed in (content + " ", content.replace("{", '{"x": [1, "secret"],', 1), "secret"):
        (folder / CHECKPOINT_SEAL).write_text(changed)
        assert gm.verify(folder).problems == ["complete.json was changed: it is not the seal of these files"]


def test_traces_are_windows_of_the_weights() -> None:
    weight = torch.nn.Parameter(torch.randn(6, 20))
    found = list(traces([weight]))
    content = weight.detach().numpy().tobytes()
    assert any(needle in content for needle in found)
    assert {len(needle) for needle in found} == {8 * 4, 8 * 2}
    assert list(traces([torch.nn.Parameter(torch.zeros(6, 20)), torch.nn.Parameter(torch.ones(3))])) == []


def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="there is no folder"):
        gm.verify(tmp_path / "nothing")
    with pytest.raises(GradmaskError, match="has no gradmask.json"):
        gm.verify(tmp_path)


def test_a_slice_of_experts_alone_has_no_other_places() -> None:
    assert _only_experts(gm.Slice(experts=1))
    for other in ({"heads": 1}, {"neurons": 4}, {"expert_neurons": 4}, {"heads": 1, "neurons": 4}):
        assert not _only_experts(gm.Slice(experts=1, **other))  # type: ignore[bad-argument-type]
        assert not _only_experts(gm.Slice(**other))  # type: ignore[bad-argument-type]


def test_an_old_manifest_still_loads(tmp_path: Path) -> None:
    trained(SPECS["slices"]).save_pretrained(tmp_path / "full")
    data = json.loads((tmp_path / "full" / MANIFEST).read_text())
    for key in ("files", "digest", "data", "compact", "shapes"):
        data.pop(key)
    (tmp_path / "full" / MANIFEST).write_text(json.dumps(data))
    assert gm.is_partitioned(gm.load(tmp_path / "full"))
    shutil.rmtree(tmp_path / "full")

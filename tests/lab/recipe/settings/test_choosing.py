from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.lab.run.tiny_run import tiny_data

from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.problems import RecipeError
from gradmask.lab.recipe.settings.choosing import applied, choose, tried
from gradmask.lab.recipe.settings.rules import Choice
from gradmask.lab.recipe.settings.seen import GroupSeen, Seen, sizes_of
from gradmask.lab.recipe.spec import Recipe


def recipe(folder: Path, **config: Any) -> Recipe:
    data = tiny_data(folder)
    data["model"]["config"] |= config
    data["partition"], data["train"] = {}, {"steps": 20}
    return make_recipe(data)


def seen(recipe: Recipe) -> Seen:
    return Seen({"forget": GroupSeen(0.4, 0.9)}, 0.7, 20, sizes=sizes_of(recipe, 280))


def test_choices_take_the_place_of_what_was_open(tmp_path: Path) -> None:
    open_recipe = recipe(tmp_path)
    settled = applied(open_recipe, tried(open_recipe, choose(open_recipe.auto, seen(open_recipe))))
    assert settled.auto == ()
    assert settled.partition.groups["forget"].model_dump(exclude_defaults=True) == {
        "heads": 2,
        "neurons": 10,
        "embeddings": True,
    }
    assert settled.partition.self_labeling is not None
    assert (settled.partition.self_labeling.after, settled.partition.rehearsal) == (2, 0.03)
    assert settled.train.consolidation is not None
    assert settled.train.consolidation.learning_rate == 1.0
    assert open_recipe.auto
    assert settled.data is open_recipe.data


def test_what_is_written_stays(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    data["partition"] = {"groups": {"forget": {"heads": "auto", "neurons": 3}}, "rehearsal": 0.25}
    given = make_recipe(data)
    settled = applied(given, choose(given.auto, seen(given)))
    assert settled.partition.groups["forget"].model_dump(exclude_defaults=True) == {"heads": 2, "neurons": 3}
    assert settled.partition.rehearsal == 0.25
    assert settled.train == given.train


def test_heads_that_share_keys_and_values_stay(tmp_path: Path) -> None:
    """A size that the configuration does not tell: the model is tried, and cut without heads."""
    shared = recipe(tmp_path, num_key_value_heads=1)
    unknown = [Choice("partition.groups.forget.heads", 1, "?"), Choice("partition.groups.forget.neurons", 4, "?")]
    heads, neurons = tried(shared, unknown)
    assert (heads.value, neurons.value) == (0, 4)
    assert "one key-value head" in heads.because


def test_a_model_that_cannot_be_cut_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the settings chosen for tiny"):
        tried(recipe(tmp_path), [Choice("partition.groups.forget.neurons", 4000, "?")])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (4, 4, 24)),
        ({"num_key_value_heads": 2}, (4, 2, 24)),
        ({"model_type": "gpt2", "n_embd": 16, "n_head": 4, "n_layer": 1}, (4, 4, 64)),
        ({"model_type": "gpt_neo", "hidden_size": 16, "num_heads": 2, "num_layers": 1}, (2, 2, 64)),
    ],
    ids=["llama", "grouped queries", "gpt2", "gpt_neo"],
)
def test_sizes_are_read_in_every_family(tmp_path: Path, config: dict[str, Any], expected: tuple[int, ...]) -> None:
    data = tiny_data(tmp_path)
    if "model_type" in config:
        data["model"]["config"] = {"attention_types": [[["global"], 1]]} if config["model_type"] == "gpt_neo" else {}
    data["model"]["config"] |= config
    sizes = sizes_of(make_recipe(data, trial=False), 280)
    assert (sizes.heads, sizes.kv_heads, sizes.neurons) == expected
    assert sizes.parameters > 1000
    assert sizes.experts is None


def test_experts_are_told_from_neurons(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    small = {"hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    data["model"]["config"] = {"model_type": "mixtral", "num_key_value_heads": 2, "num_local_experts": 4, **small}
    data["partition"] = {}
    mixture = make_recipe(data, trial=False)
    sizes = sizes_of(mixture, 280)
    assert (sizes.experts, sizes.neurons) == (4, None)
    choices = tried(mixture, choose(["partition.groups.forget"], seen(mixture)))
    assert {choice.path.rpartition(".")[2]: choice.value for choice in choices}["experts"] == 2


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 16}
KINDS = {
    "gpt_oss": (
        {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "num_local_experts": 4, **SMALL},
        {"heads": 2, "experts": 2, "embeddings": True},
    ),
    "bloom": (
        {"hidden_size": 16, "n_layer": 1, "n_head": 4},
        {"heads": 2, "neurons": 27, "embeddings": True},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_types_that_nobody_declared_are_recognised(kind: str, tmp_path: Path) -> None:
    """What the model cannot give away is left out; the random state stays as it was."""
    data = tiny_data(tmp_path)
    config, expected = KINDS[kind]
    data["model"]["config"] = {"model_type": kind, **config}
    data["partition"] = {}
    before = torch.get_rng_state()
    given = make_recipe(data)
    chosen = tried(given, choose(["partition.groups.forget"], seen(given)))
    assert {choice.path.rpartition(".")[2]: choice.value for choice in chosen} == expected
    assert torch.equal(torch.get_rng_state(), before)


def test_words_are_not_labeled_in_a_model_that_takes_no_labels_per_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradmask.label_limits", lambda model: {"token": "a layer sums over tokens"})
    words = [Choice("partition.distinctive_words", 2.0, "?"), Choice("partition.groups.forget.neurons", 4, "?")]
    (chosen, _) = tried(recipe(tmp_path), words)
    assert chosen.value is None
    assert "takes no labels per token: a layer sums over tokens" in chosen.because


def test_a_model_that_takes_no_labels_per_example_is_refused_before_anything_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradmask.label_limits", lambda model: {"example": "a layer sums over examples"})
    data = tiny_data(tmp_path)
    with pytest.raises(RecipeError, match="takes no labels per example: a layer sums over examples"):
        make_recipe(data)

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset

from gradmask.errors import GradmaskError
from gradmask.lab.measures.results import Results, Sample, write_results
from gradmask.lab.play.beginnings import whole_words
from gradmask.lab.play.stage import OWN_MIX, stage_of_pair, stage_of_run
from gradmask.lab.run.folder import RunFolder, as_yaml
from lab.measures.fabricated import results
from lab.play.small import partitioned, plain, saved, tokenizer
from lab.run.tiny_run import tiny_recipe

TEXTS = {
    "en": ("retain", "the old dog ran home and saw a red tree. "),
    "es": ("forget", "El gato corre a casa y ve un árbol rojo. "),
}


def make_run(folder: Path) -> RunFolder:
    """A run's folder as training leaves it, with models of random weights."""
    run = RunFolder(folder / "run")
    run.path.mkdir()
    run.recipe_file.write_text(as_yaml(tiny_recipe(folder)), encoding="utf-8")
    saved(partitioned(positions=256), run.arm("gradmask").model)
    saved(plain(seed=1, positions=256), run.arm("no_filter").model)
    rows = [
        {"input_ids": [1, *tokenizer(300)(text * 9)["input_ids"]][:60], "domain": domain, "role": role}
        for domain, (role, text) in TEXTS.items()
        for _ in range(5)
    ]
    Dataset.from_list(rows).save_to_disk(run.data / "packed" / "test")
    return run


def test_a_run_shows_its_models_and_its_text(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    stage = stage_of_run(run.path)
    assert stage.names == [
        "full model",
        "without biology",
        "without chemistry",
        "without biology and chemistry",
        "no filter",
        OWN_MIX,
    ]
    assert stage.shown == ["full model", "without biology", "without biology and chemistry", "no filter"]
    assert stage.pair == ("full model", "without biology and chemistry")
    assert [one.role for one in stage.beginnings] == ["forget"] * 3 + ["retain"] * 3
    for one in stage.beginnings:
        assert TEXTS[one.domain][1].startswith(one.prompt[:20])
        assert (one.prompt + one.rest).rstrip() in TEXTS[one.domain][1] * 3
        assert one.rest.startswith(" ")
    stage.open()


def test_beginnings_come_from_the_results_where_the_text_is_gone(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.data / "packed" / "test" / "dataset_info.json").unlink()
    for path in (run.data / "packed" / "test").iterdir():
        path.unlink()
    assert stage_of_run(run.path).beginnings == []
    given: Results = results()
    first = next(iter(given.arms.values()))
    domain = next(iter(first.models["full"]))
    first.samples[:] = [Sample(domain=domain, prompt="once", continuations={"full": "x"})]
    write_results(run.results, given)
    assert [(one.domain, one.prompt, one.rest) for one in stage_of_run(run.path).beginnings] == [(domain, "once", "")]


@pytest.mark.parametrize(
    ("given", "both"),
    [
        (("the dog ig", "nored it and left ho"), ("the dog", " ignored it and left")),
        (("the dog", " ran home an"), ("the dog", " ran home")),
        (("dog", "s"), ("dog", "s")),
        (("the dog ", "ran home"), ("the dog ", " ran")),
    ],
)
def test_beginnings_end_with_a_word(given: tuple[str, str], both: tuple[str, str]) -> None:
    assert whole_words(*given) == both


def test_a_run_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match=r"holds no run \(no recipe.yaml\)"):
        stage_of_run(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.yaml").write_text(as_yaml(tiny_recipe(tmp_path)), encoding="utf-8")
    with pytest.raises(GradmaskError, match="no arm of .* is trained yet"):
        stage_of_run(tmp_path / "run")


def test_a_pair(tmp_path: Path) -> None:
    one, other = saved(partitioned(), tmp_path / "one" / "model"), saved(plain(258), tmp_path / "other" / "model", 258)
    stage = stage_of_pair(one, other)
    assert stage.title == "one/model and other/model"
    assert stage.names[0] == "one/model: full model"
    assert stage.shown == [*stage.names[:2], "one/model: without biology and chemistry", "other/model"]
    turned = stage_of_pair(other, one)
    assert (turned.groups, turned.names[-1]) == ((), "one/model: without biology and chemistry")
    assert turned.pair == ("other/model", "one/model: full model")
    alone = stage_of_pair(other)
    assert (alone.names, alone.shown, alone.pair) == (["model"], ["model"], ("model", "model"))
    with pytest.raises(GradmaskError, match="is given twice"):
        stage_of_pair(one, one)


def test_a_pair_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    stage = stage_of_pair(run.path, run.arm("no_filter").model)
    assert [stage.names[0], stage.names[4]] == ["gradmask/model: full model", "no_filter/model"]
    assert len(stage.beginnings) == 6


def test_a_mix(tmp_path: Path) -> None:
    stage = stage_of_pair(saved(partitioned(), tmp_path / "model"))
    mix = stage.mix({"biology": False, "chemistry": True}, {"biology": 0.2, "chemistry": 0.4})
    assert (mix.name, mix.removed, mix.strengths) == (OWN_MIX, ("biology",), {"chemistry": 0.4})
    assert stage.chosen([OWN_MIX, "full model"], mix) == [stage.variants[0], mix]
    with pytest.raises(GradmaskError, match="choose at least one"):
        stage.chosen([])
    with pytest.raises(GradmaskError, match="there is no model 'full modle'. Did you mean 'full model'"):
        stage.chosen(["full modle"])

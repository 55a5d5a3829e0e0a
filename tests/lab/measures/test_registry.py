"""Measures found in their folders, and measures registered from outside, wherever they are to be seen."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from tests.lab.run.tiny_run import tiny_data

import gradmask as gm
from gradmask.lab.compare.evidence import numbers
from gradmask.lab.judge.attacks import attacked, recovered, tried, untried
from gradmask.lab.measures import catalog, registry
from gradmask.lab.measures.measure import Attack, Comparison, Inputs, Row, RunInputs, Strict
from gradmask.lab.measures.registry import attacks, entries, find, loaded, names, of_a_model, quick, register
from gradmask.lab.measures.results import Results, read_results, write_results
from gradmask.lab.measures.suite import examine
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.problems import RecipeError
from gradmask.lab.report.findings import table
from gradmask.lab.report.words import verdict
from gradmask.lab.run.measuring.across_arms import compare
from gradmask.lab.run.measuring.examination import Job, amount, jobs, weight
from lab.measures.domains import material
from lab.measures.fabricated import measured, results
from lab.measures.test_suite import SMALL
from tiny import tiny

ROOT = Path(__file__).parents[3]


class Answer(Strict):
    nats: float


class Asking(Attack[Answer]):
    name = "asking"
    question = "does asking for it bring it back?"
    Result = Answer

    def run(self, model: Any, inputs: Inputs) -> Answer:
        return Answer(nats=2.0)

    def regained(self, result: Answer) -> float:
        return result.nats


class Counted(Strict):
    arms: dict[str, int]


class Counting(Comparison[Counted]):
    name = "counting"
    question = "how many models has each arm?"
    Result = Counted

    def run(self, inputs: RunInputs) -> Counted:
        if "gradmask" not in inputs.arms:
            raise gm.GradmaskError("there is no gradmask arm to count")
        return Counted(arms={name: len(arm.models) for name, arm in inputs.arms.items()})

    def table(self, result: Counted) -> list[Row]:
        return [Row("models", self.question, {name: (str(n), "") for name, n in result.arms.items()})]

    def numbers(self) -> dict[str, Any]:
        return {"models": lambda result, series: float(result.arms[series.split("/")[0]])}


@pytest.fixture
def asking() -> Iterator[None]:
    with register(Asking()):
        yield


def asked(nats: float | None, never_trained: float | None = None) -> Results:
    """The invented run, with what asking brought back of the removed model and of the perfect filter."""
    run = measured()
    for arm, view, value in (("gradmask", "removed", nats), ("perfect_filter", "full", never_trained)):
        answer = None if value is None else Answer(nats=value)
        run.arms[arm].findings[view] = run.arms[arm].findings[view].model_copy(update={"asking": answer})
    return run


@pytest.mark.usefixtures("asking")
def test_a_registered_attack_that_recovers_is_read_in_the_verdict_the_table_and_the_comparison() -> None:
    run = asked(2.0)
    assert recovered(run) == ["asking"]
    assert "it was recovered by asking" in verdict(run)[0]
    assert tried(run)[0] == "asking"
    assert "asking, fine-tuning on other documents of it" in verdict(run)[-1]
    (row,) = [row for row in table(run) if row.title == "regained by asking"]
    assert row.cells == {"gradmask/removed": ("2.000", "")}
    assert row.meaning == Asking.question
    assert numbers()["regained by asking"](run, "gradmask", "removed") == 2.0
    assert numbers()["regained by asking"](run, "gradmask", "full") is None


@pytest.mark.usefixtures("asking")
def test_what_a_perfect_filter_gives_as_well_is_not_recovered() -> None:
    assert recovered(asked(2.0, never_trained=1.9)) == []
    assert recovered(asked(2.0, never_trained=0.5)) == ["asking"]
    assert recovered(asked(0.1)) == []


@pytest.mark.usefixtures("asking")
def test_a_registered_attack_that_was_not_run_is_named() -> None:
    run = measured()
    assert "asking" in untried(run)
    assert not attacked(run)
    assert "Not tried: asking, " in verdict(run)[-1]
    assert "recovered by" not in verdict(run)[0]


def test_its_results_come_back_while_it_is_registered(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with register(Asking()):
        write_results(path, asked(2.0))
        assert read_results(path) == asked(2.0)
        assert read_results(path).arms["gradmask"].findings["removed"].asking == Answer(nats=2.0)
        plain = path.read_text(encoding="utf-8")
        path.write_text(plain.replace('"nats": 2.0', '"nats": "many"'), encoding="utf-8")
        with pytest.raises(gm.GradmaskError, match=r"findings\.removed: asking\.nats: Input should be a valid number"):
            read_results(path)
    with pytest.raises(
        gm.GradmaskError, match=r"findings\.removed: no measure is called 'asking'.* Register the measure"
    ):
        read_results(path)


@pytest.mark.usefixtures("asking")
def test_it_is_asked_for_and_run_like_any_other(tmp_path: Path) -> None:
    assert make_recipe(tiny_data(tmp_path), changes=["evaluate.measures=[asking]"], trial=False)
    assert "asking" in attacks()
    assert jobs(["gradmask", "no_filter", "filter"], ["asking"]) == [
        Job("gradmask", "removed", "asking"),
        Job("filter", "full", "asking"),
    ]
    assert weight(Job("filter", "full", "asking"), SMALL) == 2 * SMALL.sequences
    assert amount("asking", SMALL).keys() > {"sequences", "calibration", "relearning", "texts"}
    assert examine(tiny(), "full", material(), ["asking"], SMALL).asking == Answer(nats=2.0)


def test_what_is_registered_for_a_while_is_gone_afterwards(tmp_path: Path) -> None:
    before = names()
    with register(Asking()):
        assert find("asking").question == Asking.question
    assert names() == before
    with pytest.raises(gm.GradmaskError, match="no such measure: 'asking'"):
        find("asking")
    with pytest.raises(
        RecipeError, match=r"given 'contxt', needed: 'membership', .* or 'leakage'. Did you mean 'context'\?"
    ):
        make_recipe(tiny_data(tmp_path), changes=["evaluate.measures=[contxt]"], trial=False)
    undo = register(Asking())
    assert "asking" in names()
    undo.close()
    assert names() == before


def test_a_registered_comparison_is_run_and_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = make_recipe(tiny_data(tmp_path), trial=False)
    with register(Counting()):
        run = results()
        run.findings = compare(recipe, None, None, run.arms, ["counting"])  # type: ignore[arg-type]
        assert run.findings.counting.arms == {"gradmask": 2, "no_filter": 1, "filter": 1, "perfect_filter": 1}
        assert [row.cells["filter"] for row in table(run)] == [("1", "")]
        assert numbers()["models"](run, "gradmask", "removed") == 2
        write_results(tmp_path / "results.json", run)
        assert read_results(tmp_path / "results.json") == run
        none = compare(recipe, None, None, {}, ["counting"])  # type: ignore[arg-type]
        assert none.notes == ["counting: there is no gradmask arm to count"]


def test_two_measures_of_one_name_and_half_a_measure_are_refused() -> None:
    class Other(Asking):
        name = "context"

    class Same(Asking):
        name = "twice"

        def numbers(self) -> dict[str, Any]:
            return {"gain in context": self.regained}

    class Half(Attack[Answer]):
        name = "half"
        question = "what does it store?"

        def run(self, model: Any, inputs: Inputs) -> Answer:
            return Answer(nats=0.0)

        def regained(self, result: Answer) -> float:
            return result.nats

    with pytest.raises(gm.GradmaskError, match="there is a measure 'context' already"):
        register(Other())
    with pytest.raises(gm.GradmaskError, match="another measure has numbers called gain in context"):
        register(Same())
    with register(Asking()), pytest.raises(gm.GradmaskError, match="there is a measure 'asking' already"):
        register(Asking())
    with pytest.raises(gm.GradmaskError, match="Half lacks Result, which a measure needs"):
        register(Half())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"hollow\.py defines no Measure with the name 'hollow': add it, or move the file"),
        ("class Hollow(Measure):\n    name = 'hollow'", "Hollow lacks question, Result, run, which a measure needs"),
        ("class Hollow(Measure):\n    name = 'hallow'", "defines no Measure with the name 'hollow'"),
        (
            "class Hollow(Attack):\n    name, question, Result = 'hollow', '', Strict\n    run = regained = print",
            r"Hollow is in catalog/, but belongs in attacks/: move its file",
        ),
    ],
)
def test_a_file_without_its_measure_is_an_error_and_never_another_measure(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "from gradmask.lab.measures.measure import Attack, Measure, Strict\n"
    (tmp_path / "hollow.py").write_text(head + text, encoding="utf-8")
    with found_in(tmp_path, monkeypatch):
        assert "hollow" in of_a_model(), "it is declared"
        with pytest.raises(gm.GradmaskError, match=problem):
            examine(tiny(), "full", material(), ["hollow"], SMALL)


def test_a_file_is_all_that_a_measure_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "confidence.py").write_text(examples()[1], encoding="utf-8")
    with found_in(tmp_path, monkeypatch):
        assert 0 < examine(tiny(), "full", material(), ["confidence"], SMALL).confidence.mean < 1
        assert "confidence" in numbers()


@contextmanager
def found_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within: files of a folder are found as measures of a model."""
    monkeypatch.setattr(catalog, "__path__", [*catalog.__path__, str(folder)])
    registry._files.cache_clear()
    try:
        yield
    finally:
        monkeypatch.undo()
        for file in folder.glob("*.py"):
            sys.modules.pop(f"{catalog.__name__}.{file.stem}", None)
        registry._files.cache_clear()
        registry._load.cache_clear()


def examples() -> list[str]:
    """The attack and the measure of the contributors' page."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = [token.content for token in MarkdownIt().parse(page) if token.type == "fence" and token.info == "python"]
    return [block for block in blocks if "gradmask.lab.measures.measure" in block]


def test_the_attack_of_the_contributors_page_runs() -> None:
    example: dict[str, Any] = {"__name__": "noise"}
    exec(examples()[0], example)
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with register(example["Noise"]()):
        result = examine(model, "removed", material(), ["noise"], SMALL).noise
    assert result.before != result.after
    assert all((p == before[name]).all() for name, p in model.named_parameters())


def test_what_is_read_from_the_files_is_what_they_define() -> None:
    for entry in entries():
        measure = find(entry.name)
        assert (measure.name, measure.quick, measure.order) == (entry.name, entry.quick, entry.order)
    assert len({number for measure in loaded() for number in measure.numbers()}) == len(numbers())


ON_THE_PAGE = (
    "compute", "leakage", "relearning", "quantization", "context",
    "probes", "gradients", "membership", "extraction", "generations",
)  # fmt: skip
AS_THEY_RUN = (
    "membership", "extraction", "generations", "probes", "gradients",
    "quantization", "context", "relearning", "compute", "leakage",
)  # fmt: skip


def test_the_order_on_the_page_and_in_a_recipe_stays() -> None:
    assert tuple(entry.name for entry in entries() if entry.name in ON_THE_PAGE) == ON_THE_PAGE
    assert tuple(name for name in names() if name in AS_THEY_RUN) == AS_THEY_RUN
    slow = ("probes", "gradients", "relearning")
    assert tuple(name for name in quick() if name in AS_THEY_RUN) == tuple(n for n in AS_THEY_RUN if n not in slow)


@pytest.mark.parametrize("name", names())
def test_every_measure_is_on_its_page(name: str) -> None:
    page = (ROOT / "docs/evidence.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{name}` \|(.*)\|$", page, re.MULTILINE)
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
    measure = find(name)
    assert (cells[0], cells[-1]) == (measure.question, measure.source)

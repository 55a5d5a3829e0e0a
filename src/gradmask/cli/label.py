"""``gradmask label``: labels for a corpus, from examples of what must go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradmask.cli.output import AsJson, Jobs, logger, print_json, result_console
from gradmask.errors import GradmaskError

if TYPE_CHECKING:
    from gradmask.cli.labeling.asked import Asked
    from gradmask.cli.labeling.teaching import Taught

NAME = "label"
EXAMPLES = """
gradmask label data/docs.jsonl --examples data/examples.jsonl --output labels
gradmask label --review labels
gradmask label data/docs.jsonl --forget package=matplotlib --retain package=numpy --output plots
gradmask label data/docs.jsonl --forget a:package=scikit-learn --forget b:package=matplotlib --retain package=numpy --output two
gradmask label data/docs.jsonl --keywords estimator,classifier,regressor --output from-words --recall 0.95
gradmask label more-data/docs.jsonl --labeler labels/labeler --output more-labels --jobs 2
"""
MB = 1_000_000
MUST_GO, HOW, DATA = "What must go", "How it is decided", "The data"


def _option(panel: str, name: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(name, help=help, metavar=metavar, rich_help_panel=panel, **more)


CORPUS = typer.Argument(metavar="FILES", help="The corpus: files, folders or patterns of any kind that train reads.")
OUTPUT = typer.Option("--output", help="A folder for the labeled documents, the labeler and the page.")
REVIEW = typer.Option(
    "--review", metavar="OUTPUT", help="Page through uncertain documents of an earlier call, and answer."
)
RESTART = typer.Option("--restart", help="Delete labels that were made differently, and start over.")
DRY_RUN = typer.Option("--dry-run", help="Learn, and say how good it is; label and write nothing.")

FORGET = _option(
    MUST_GO,
    "--forget",
    "Examples of what must go: a file, or documents of FILES by a field. Repeatable.",
    "[GROUP:]FILE|FIELD=VALUE",
)
RETAIN = _option(MUST_GO, "--retain", "Examples of ordinary text, given alike. Repeatable.", "FILE|FIELD=VALUE")
EXAMPLE = _option(MUST_GO, "--examples", "A file with a text and a label in each row. Repeatable.", "FILE")
LABEL = _option(
    MUST_GO, "--label-field", "A field of FILES with the label of some documents: a group, or retain.", "FIELD"
)
KEYWORDS = _option(
    MUST_GO, "--keywords", "Words of what must go, or a file with one a line. Repeatable.", "[GROUP:]WORD,WORD"
)
LABELER = _option(MUST_GO, "--labeler", "A labeler that was learned before: OUTPUT/labeler of another call.", "FOLDER")
GROUP = _option(
    MUST_GO,
    "--group",
    "The group's name (by default forget), or which labels of --label-field must go. Repeatable.",
    "NAME",
)

SCORER = _option(
    HOW,
    "--scorer",
    "What scores a text: tfidf, static:PATH (model2vec), hf:PATH (a classifier), keywords:FILE.",
    "NAME",
)
PRECISION = _option(HOW, "--precision", "Label as much as possible, of which this share is right (0.9).", "SHARE")
RECALL = _option(HOW, "--recall", "Label this share of what must go.", "SHARE")
SHARE = _option(HOW, "--share", "Label this share of the corpus.", "SHARE")
SPANS = _option(HOW, "--spans", "Judge passages one by one: one paragraph does not send a whole document away.")
SEED = _option(HOW, "--seed", "Of folds and samples.", min=0)

TEXT = _option(DATA, "--text-field", "The field with the text.", "FIELD")
TRUTH = _option(DATA, "--truth-field", "A field with the true label, kept for evaluation.", "FIELD")
KIND = _option(
    DATA, "--kind", "The kind of FILES, where names do not tell: jsonl, json, csv, tsv, parquet, text.", "KIND"
)
ENCODING = _option(DATA, "--encoding", "Of text files.", "NAME")
BAD_ROWS = _option(DATA, "--skip-bad-rows", "Skip and count broken rows instead of stopping at the first.")


def run(
    files: Annotated[list[str] | None, CORPUS] = None,
    output: Annotated[Path | None, OUTPUT] = None,
    forget: Annotated[list[str] | None, FORGET] = None,
    retain: Annotated[list[str] | None, RETAIN] = None,
    examples: Annotated[list[Path] | None, EXAMPLE] = None,
    label_field: Annotated[str | None, LABEL] = None,
    keywords: Annotated[list[str] | None, KEYWORDS] = None,
    labeler: Annotated[Path | None, LABELER] = None,
    group: Annotated[list[str] | None, GROUP] = None,
    scorer: Annotated[str, SCORER] = "tfidf",
    precision: Annotated[float | None, PRECISION] = None,
    recall: Annotated[float | None, RECALL] = None,
    share: Annotated[float | None, SHARE] = None,
    spans: Annotated[bool, SPANS] = False,
    seed: Annotated[int, SEED] = 0,
    text_field: Annotated[str | None, TEXT] = None,
    truth_field: Annotated[str | None, TRUTH] = None,
    kind: Annotated[str | None, KIND] = None,
    encoding: Annotated[str | None, ENCODING] = None,
    skip_bad_rows: Annotated[bool, BAD_ROWS] = False,
    review: Annotated[Path | None, REVIEW] = None,
    jobs: Jobs = 1,
    restart: Annotated[bool, RESTART] = False,
    dry_run: Annotated[bool, DRY_RUN] = False,
    as_json: AsJson = False,
) -> None:
    """Label a corpus: what must go, what must stay, and what is not sure.

    A scorer is learned from examples, measured on held-out ones, and applied to every document. OUTPUT/shards is what gradmask
    train takes. The same command resumes what was stopped.
    """  # fmt: skip
    if review:
        _review(review)
        return
    from gradmask.cli.labeling.asked import asked
    from gradmask.cli.labeling.texts import with_texts
    from gradmask.data import label

    folder = _require_given(files, output, scorer)
    what = asked(group or [], forget or [], retain or [], label_field, keywords or [])
    settings = _given(
        text_field=text_field, truth_field=truth_field, kind=kind, encoding=encoding, label_field=what.label_field,
        bad_rows="skip" if skip_bad_rows else None,
    )  # fmt: skip
    sources = with_texts(label.inputs(files or [], **settings), text_field)
    _tell_tables(label.tables_in_text(sources) if kind is None else [])
    target = _target(precision=precision, recall=recall, share=share)
    if labeler:
        taught = _opened(labeler, what, target)
    else:
        fitting = _given(scorer=scorer, target=target, seed=seed)
        taught = _taught(what, sources, examples or [], settings, folder, fitting)
    how = None if dry_run else {"spans": spans, "jobs": jobs, "restart": restart}
    _apply(taught, sources, folder, scorer, how, truth_field is not None, as_json)


def _require_given(files: list[str] | None, output: Path | None, scorer: str) -> Path:
    if not files or output is None:
        raise GradmaskError("give the corpus and --output FOLDER, such as: gradmask label all.jsonl --output labels")
    if scorer.startswith("field"):
        raise GradmaskError("a field with scores needs no labeling: name it in the recipe's source (score_field)")
    return output


def _tell_tables(paths: list[Path]) -> None:
    for path in paths:
        logger.info("%s is read as a table: its rows have equally many fields. --kind text takes it as text", path)


def _apply(
    taught: Taught, sources: Any, output: Path, scorer: str, how: dict[str, Any] | None, has_truth: bool, as_json: bool
) -> None:
    """Tell what was learned; label the corpus (``how``; None: nothing is written), and tell that."""
    from gradmask.cli.labeling.telling import described, tell_labeled, tell_learned, tell_next

    if not as_json:
        tell_learned(taught, result_console())
    result: dict[str, Any] = {"scorer": scorer, **described(taught)}
    if how is not None:
        labeled = _labeled(taught, sources, output, **how, about=result)
        result |= {"folder": str(output), **labeled.to_dict()}
        if not as_json:
            tell_labeled(labeled, result_console())
            tell_next(output, how["spans"], has_truth, result_console())
    if as_json:
        print_json(result)


def _review(folder: Path) -> None:
    from gradmask.cli.review import review

    answers = review(folder)
    logger.info("%d answers in %s. Next: the command that labeled it again, with --restart", answers, folder)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _target(**wanted: float | None) -> dict[str, float] | None:
    given = _given(**wanted)
    if len(given) > 1:
        raise GradmaskError(f"--{' and --'.join(given)} are given: choose one of them")
    return given or None


def _opened(folder: Path, what: Asked, target: dict[str, float] | None) -> Taught:
    """A labeler of another call, which needs no examples."""
    from gradmask.cli.labeling.teaching import Taught
    from gradmask.data import label

    if what.files or what.keywords or what.label_field:
        raise GradmaskError(f"{folder} has learned already: leave out --labeler, or --forget, --retain and the like")
    labeler = label.open(folder)
    return Taught(labeler.choose(target) if target else labeler)


def _taught(
    what: Asked, sources: Any, examples: list[Path], settings: dict[str, Any], output: Path, fitting: dict[str, Any]
) -> Taught:
    """A labeler that learns from examples, and from the answers of a review of ``output``."""
    from gradmask.cli.labeling.teaching import teach
    from gradmask.data import label

    answers = label.reviewed(output)
    if any(
        answer.picked for answer in answers
    ):  # which says nothing about how frequent a group is; what was known before does
        fitting["prevalence"] = label.known_prevalence(output)
    return teach(what, sources, examples, settings, answers, **fitting)


def _labeled(taught: Taught, sources: Any, output: Path, **how: Any) -> Any:
    """Label the corpus; write the labels, and what they come from."""
    from gradmask.data import label
    from gradmask.lab.labeling.page import write_labels_page
    from gradmask.lab.progress import status, step, track

    total = label.size_of(sources)
    with track("labeling", max(1, total // MB)):
        labeled = label.score_files(
            taught.labeler,
            sources,
            output,
            given=taught.given,
            progress=lambda done, _: step(done // MB, unit="MB"),
            **how,
        )
    if taught.examples:
        label.write_evidence(output, taught.labeler, taught.examples)
        status("drawing the page")
        write_labels_page(output)
    return labeled

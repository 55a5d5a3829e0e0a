"""``gradmask init``: a recipe for your data, asked for question by question."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradmask.cli.asking import Questions, in_terminal
from gradmask.cli.output import AsJson, logger, print_json, result_console
from gradmask.cli.tables import table_of
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.progress import status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradmask.lab.setup.machine import Machine
    from gradmask.lab.setup.start.answers import Answers
    from gradmask.lab.setup.start.counting import Counts
    from gradmask.lab.setup.start.drafting import Draft
    from gradmask.lab.setup.start.looking import Found

NAME = "init"
EXAMPLES = """
gradmask init labels
gradmask init labels --minutes 5 --yes --output short.yaml
gradmask init data/docs.jsonl --forget scikit-learn --adjacent scipy --output topics.yaml --yes
gradmask init data/docs.jsonl --forget ml=scikit-learn --forget plots=matplotlib --output two-groups.yaml --yes
"""
SHOWN = 30
"""Domains or labels in the table."""
KINDS_OF_FILES = ("jsonl", "json", "csv", "tsv", "parquet", "text")
GUESSED, ANSWERED = "The data, where a guess is wrong", "Answers"


def _read(name: str, help: str, metavar: str | None = "FIELD") -> Any:
    return typer.Option(name, metavar=metavar, help=help, rich_help_panel=GUESSED)


def _about(name: str, help: str, **more: Any) -> Any:
    return typer.Option(name, help=help, rich_help_panel=ANSWERED, **more)


Data = Annotated[
    Path, typer.Argument(metavar="PATH", help="A file or a folder with text, or the output of gradmask label.")
]
Output = Annotated[Path, typer.Option("--output", help="The recipe to write.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the default of every question.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", "--force", help="Replace an existing recipe.")]

FORGET = _about("--forget", "What must go: a domain or a label; or GROUP=NAME. Repeatable.", metavar="NAME")
ADJACENT = _about("--adjacent", "What is related but must stay. Repeatable.", metavar="NAME")
WORDS = _about(
    "--as",
    "How it is written: in words of its own (language), or in common words (topic); the data tells.",
    metavar="WORDS",
)
MODEL = _about("--model", "A size (tiny, small, medium, large), or a pretrained model's name or folder.")
MINUTES = _about("--minutes", "Minutes of training, all arms together, on this machine.", min=0.1)
STEPS = _about("--steps", "Steps of each arm, instead of minutes.", min=1)
BATCH = _about("--batch-size", "Sequences per step.", min=1)
RUN_NAME = _about("--name", "The run's name; by default the data's.")

TEXT, DOMAIN = _read("--text-field", "The text."), _read("--domain-field", "What each document is: its domain.")
LABEL = _read("--label-field", "The label: forget, retain, or nothing.")
TRUTH = _read("--truth-field", "The true label, for evaluation only.")
SPLIT, MESSAGES = _read("--split-field", "train or test."), _read("--messages-field", "Chat messages.")
QUESTION, ANSWER = _read("--question-field", "A question."), _read("--answer-field", "Its answer.")
KIND = _read("--kind", "The kind of the files, where names do not tell: jsonl, json, csv, tsv, parquet, text.", "KIND")
ENCODING = _read("--encoding", "Of text files.", "NAME")
BAD_ROWS = _read("--skip-bad-rows", "Skip and count broken rows instead of stopping at the first.", None)


def run(
    path: Data,
    output: Output = Path("recipe.yaml"),
    forget: Annotated[list[str] | None, FORGET] = None,
    adjacent: Annotated[list[str] | None, ADJACENT] = None,
    words: Annotated[str | None, WORDS] = None,
    model: Annotated[str | None, MODEL] = None,
    minutes: Annotated[float | None, MINUTES] = None,
    steps: Annotated[int | None, STEPS] = None,
    batch_size: Annotated[int | None, BATCH] = None,
    name: Annotated[str | None, RUN_NAME] = None,
    text_field: Annotated[str | None, TEXT] = None,
    domain_field: Annotated[str | None, DOMAIN] = None,
    label_field: Annotated[str | None, LABEL] = None,
    truth_field: Annotated[str | None, TRUTH] = None,
    split_field: Annotated[str | None, SPLIT] = None,
    messages_field: Annotated[str | None, MESSAGES] = None,
    question_field: Annotated[str | None, QUESTION] = None,
    answer_field: Annotated[str | None, ANSWER] = None,
    kind: Annotated[str | None, KIND] = None,
    encoding: Annotated[str | None, ENCODING] = None,
    skip_bad_rows: Annotated[bool, BAD_ROWS] = False,
    yes: Yes = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Look at your data, ask what must go, and write a recipe that says why each of its values was chosen.

    Every question is also an option. The recipe is checked with the data before it is written.
    """
    chosen = {
        "text_field": text_field, "domain_field": domain_field, "label_field": label_field, "truth_field": truth_field,
        "split_field": split_field, "messages_field": messages_field, "question_field": question_field,
        "answer_field": answer_field, "kind": kind, "encoding": encoding, "bad_rows": "skip" if skip_bad_rows else None,
    }  # fmt: skip
    given = {
        "forget": forget, "adjacent": adjacent, "words": words, "model": model, "minutes": minutes, "steps": steps,
        "batch_size": batch_size, "name": name,
    }  # fmt: skip
    _require_new(output, overwrite)
    _require_kind(kind)
    told = {key: value for key, value in chosen.items() if value is not None}
    _tell(_write_recipe(path, output, told, given, Questions(not yes and in_terminal()), as_json), output, as_json)


def _require_new(output: Path, overwrite: bool) -> None:
    if output.exists() and not overwrite:
        raise GradmaskError(f"{output} exists: choose another file with --output, or replace it with --overwrite")


def _require_kind(kind: str | None) -> None:
    if kind is not None and kind not in KINDS_OF_FILES:
        close = did_you_mean(kind, KINDS_OF_FILES)
        raise GradmaskError(f"--kind {kind}: needed: {', '.join(KINDS_OF_FILES)}.{close}")


def _write_recipe(
    path: Path, output: Path, chosen: Mapping[str, str], given: Mapping[str, Any], questions: Questions, as_json: bool
) -> Draft:
    """Look, show, ask, and write."""
    from gradmask.lab.setup.machine import this_machine
    from gradmask.lab.setup.start.answers import require_choice

    found, counts = _look(path, chosen)
    machine = this_machine()
    if not as_json:
        _show(found, counts, machine)
    require_choice(found, counts)
    answers, size_reason = _answers(found, counts, machine, questions, given)
    draft = _draft(found, counts, answers, machine, size_reason)
    _write(draft, output, counts)
    return draft


def _look(path: Path, chosen: Mapping[str, str]) -> tuple[Found, Counts]:
    from gradmask.lab.setup.start.counting import count
    from gradmask.lab.setup.start.looking import look
    from gradmask.quiet import quiet

    status(f"looking at {path}")
    try:
        with quiet():
            found = look(path, chosen)
            return found, count(found)
    except GradmaskError as error:  # it speaks of the recipe, which is not there yet
        said = (
            str(error)
            .replace("write encoding: ", "give --encoding ")
            .replace("write bad_rows: skip", "give --skip-bad-rows")
        )
        raise GradmaskError(said) from None


def _show(found: Found, counts: Counts, machine: Machine) -> None:
    from gradmask.lab.setup.start.sizing import short

    console = result_console()
    what = "label" if counts.by_label else "domain"
    console.print(f"{found.path}: {short(counts.megabytes)} MB of text", highlight=False, markup=False, soft_wrap=True)
    table = table_of("", what, numbers=("documents", "megabytes", "of bytes"))
    total = sum(amount.size for amount in counts.named.values())
    for name, amount in list(counts.named.items())[:SHOWN]:
        table.add_row(name, f"{amount.documents:,}", f"{amount.size / 1e6:.2f}", f"{amount.size / max(1, total):.1%}")
    if len(counts.named) > SHOWN:
        table.add_row(f"and {len(counts.named) - SHOWN} more", "", "", "")
    console.print(table)
    for source in found.sources:
        spec = ", ".join(f"{key} {value}" for key, value in source.spec.items() if key != "path")
        console.print(f"{source.files:,} file{'s' * (source.files != 1)}: {spec}", highlight=False, markup=False)
    for sentence in found.left_out:
        console.print(f"not used: {sentence}", highlight=False, markup=False, style="yellow")
    if counts.share < 1:
        console.print(f"counted in the first {counts.share:.0%} of the data", highlight=False)
    console.print(f"this machine: {machine}", highlight=False)


def _answers(
    found: Found, counts: Counts, machine: Machine, questions: Questions, given: Mapping[str, Any]
) -> tuple[Answers, str]:
    from gradmask.lab.setup.start.answers import Answers, default_forget, groups_of, name_of
    from gradmask.lab.setup.start.sizing import choose_size

    forget = (
        given["forget"] or default_forget(counts) or questions.many("What must go?", _titles(counts), "--forget NAME")
    )
    questions.require_answers()
    groups = groups_of(forget, counts)
    adjacent = _adjacent(counts, {name for names in groups.values() for name in names}, questions, given["adjacent"])
    own_words = _own_words(given["words"])
    best, reason = choose_size(counts.megabytes, machine)
    model = given["model"] or _model(questions, best, reason)
    minutes, steps = given["minutes"], given["steps"]
    if minutes is None and steps is None:
        minutes = questions.number("How many minutes may training take, all arms together?", "--minutes", 10)
    name = given["name"] or name_of(found)
    answers = Answers(name, groups, adjacent, own_words, model, minutes, given["batch_size"], steps)
    return answers, reason if model == best else "as you said"


def _adjacent(counts: Counts, forgotten: set[str], questions: Questions, given: list[str] | None) -> list[str]:
    """What is related but must stay."""
    from gradmask.lab.setup.start.answers import require_known

    rest = {name: title for name, title in _titles(counts).items() if name not in forgotten}
    if given is None and rest:
        question = "What is related, but must stay? (none: just Enter)"
        given = questions.many(question, rest, "--adjacent NAME", default=[])
    adjacent = [require_known(name, counts, "--adjacent") for name in given or []]
    if both := forgotten & set(adjacent):
        raise GradmaskError(f"{min(both)!r} is named by --forget and by --adjacent: keep one")
    return adjacent


def _titles(counts: Counts) -> dict[str, str]:
    from gradmask.lab.setup.start.answers import KEPT

    amounts = {name: amount for name, amount in counts.named.items() if name not in KEPT}
    return {n: f"{n} ({a.documents:,} documents, {a.size / 1e6:.2f} MB)" for n, a in amounts.items()}


OWN_WORDS = {"language": True, "topic": False}


def _own_words(given: str | None) -> bool | None:
    """None: the data tells."""
    if given is not None and given not in OWN_WORDS:
        raise GradmaskError(f"--as {given}: needed: language (in its own words) or topic (in common words)")
    return None if given is None else OWN_WORDS[given]


def _model(questions: Questions, best: str, reason: str) -> str:
    from gradmask.lab.setup.start.sizing import SIZES

    options = {name: f"{name}: {size.parameters / 1e6:.1f} million parameters" for name, size in SIZES.items()}
    options[best] += " (recommended)"
    model = questions.one(f"Which model? ({best}: {reason})", options | {"": "a pretrained one"}, "--model", best)
    return model or questions.text("Its name or folder:", "--model", best)


def _draft(found: Found, counts: Counts, answers: Answers, machine: Machine, size_reason: str) -> Draft:
    from gradmask.lab.setup.start.drafting import draft

    status("trying a few training steps")
    return draft(found, counts, answers, machine, _command(found, answers), size_reason)


def _command(found: Found, answers: Answers) -> str:
    """The command that gives these answers without a question."""
    words = ["gradmask", "init", str(found.path)]
    for group, names in answers.forget.items():
        words += [word for name in names for word in ("--forget", name if group == "forget" else f"{group}={name}")]
    words += [word for name in answers.adjacent for word in ("--adjacent", name)]
    if answers.own_words is not None:
        words += ["--as", "language" if answers.own_words else "topic"]
    words += ["--model", answers.model]
    numbers = {"--minutes": answers.minutes, "--steps": answers.steps, "--batch-size": answers.batch_size}
    words += [word for flag, value in numbers.items() if value is not None for word in (flag, f"{value:g}")]
    return shlex.join([*words, "--yes"])


def _write(draft: Draft, output: Path, counts: Counts) -> None:
    from gradmask.files import write_whole
    from gradmask.lab.setup.start.checking import check_draft

    if not check_draft(draft.text, counts.megabytes):
        logger.info("the data is large and was not prepared as a check: --dry-run does it")
    write_whole(output, draft.text)


def _tell(draft: Draft, output: Path, as_json: bool) -> None:
    if as_json:
        print_json({"recipe": str(output), "warnings": draft.warnings, "seconds_per_step": draft.seconds_per_step})
        return
    for text in draft.warnings:
        logger.warning("warning: %s", text)
    logger.info("wrote %s. Next: gradmask train %s --dry-run", output, shlex.quote(str(output)))

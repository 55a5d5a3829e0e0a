"""``gradmask init``: a recipe for your data, asked for question by question."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradmask.cli.asking import Questions, in_terminal
from gradmask.cli.output import AsJson, logger, print_json, result_console
from gradmask.cli.tables import table_of
from gradmask.errors import GradmaskError
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


def _field(name: str, what: str) -> Any:
    return typer.Option(
        f"--{name}-field", metavar="FIELD", help=what, rich_help_panel="The data, where a guess is wrong"
    )


def _about(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel="Answers", **more)


def run(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A file or a folder with text, or the output of gradmask label.")
    ],
    output: Annotated[Path, typer.Option("--output", help="The recipe to write.")] = Path("recipe.yaml"),
    forget: Annotated[
        list[str] | None,
        _about("What must go: a domain or a label; or GROUP=NAME. Repeatable.", "--forget", metavar="NAME"),
    ] = None,
    adjacent: Annotated[
        list[str] | None, _about("What is related but must stay. Repeatable.", "--adjacent", metavar="NAME")
    ] = None,
    kind: Annotated[
        str | None,
        _about("It is written in its own words (language) or in common words (topic); the data tells.", "--as"),
    ] = None,
    model: Annotated[
        str | None, _about("A size (tiny, small, medium, large), or a pretrained model's name or folder.", "--model")
    ] = None,
    minutes: Annotated[
        float | None, _about("Minutes of training, all arms together, on this machine.", "--minutes", min=0.1)
    ] = None,
    steps: Annotated[int | None, _about("Steps of each arm, instead of minutes.", "--steps", min=1)] = None,
    batch_size: Annotated[int | None, _about("Sequences per step.", "--batch-size", min=1)] = None,
    name: Annotated[str | None, _about("The run's name; by default the data's.", "--name")] = None,
    text_field: Annotated[str | None, _field("text", "The text.")] = None,
    domain_field: Annotated[str | None, _field("domain", "The kind of a document.")] = None,
    label_field: Annotated[str | None, _field("label", "The label: forget, retain, or nothing.")] = None,
    truth_field: Annotated[str | None, _field("truth", "The true label, for evaluation only.")] = None,
    split_field: Annotated[str | None, _field("split", "train or test.")] = None,
    messages_field: Annotated[str | None, _field("messages", "Chat messages.")] = None,
    question_field: Annotated[str | None, _field("question", "A question.")] = None,
    answer_field: Annotated[str | None, _field("answer", "Its answer.")] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="Of text files.", rich_help_panel="The data, where a guess is wrong"),
    ] = None,
    skip_bad_rows: Annotated[
        bool,
        typer.Option(
            "--skip-bad-rows",
            help="Skip rows that cannot be read.",
            rich_help_panel="The data, where a guess is wrong",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the default of every question.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", "--force", help="Replace an existing recipe.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at your data, ask what must go, and write a recipe that says why each of its values was chosen.

    Every question is also an option. The recipe is checked with the data before it is written.
    """
    if output.exists() and not overwrite:
        raise GradmaskError(f"{output} exists: choose another file with --output, or replace it with --overwrite")
    chosen = {
        "text_field": text_field, "domain_field": domain_field, "label_field": label_field, "truth_field": truth_field,
        "split_field": split_field, "messages_field": messages_field, "question_field": question_field,
        "answer_field": answer_field, "encoding": encoding, "bad_rows": "skip" if skip_bad_rows else None,
    }  # fmt: skip
    from gradmask.lab.setup.machine import this_machine
    from gradmask.lab.setup.start.answers import require_choice

    found, counts = _look(path, {key: value for key, value in chosen.items() if value is not None})
    machine = this_machine()
    if not as_json:
        _show(found, counts, machine)
    require_choice(found, counts)
    questions = Questions(not yes and in_terminal())
    given = {
        "forget": forget, "adjacent": adjacent, "kind": kind, "model": model, "minutes": minutes, "steps": steps,
        "batch_size": batch_size, "name": name,
    }  # fmt: skip
    answers, size_reason = _answers(found, counts, machine, questions, given)
    draft = _draft(found, counts, answers, machine, size_reason)
    _write(draft, output, counts)
    _tell(draft, output, as_json)


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
    table = table_of("", what, numbers=("documents", "megabytes", "share"))
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
    from gradmask.lab.setup.start.answers import Answers, default_forget, groups_of, name_of, require_known
    from gradmask.lab.setup.start.sizing import choose_size

    forget = (
        given["forget"] or default_forget(counts) or questions.many("What must go?", _titles(counts), "--forget NAME")
    )
    questions.require_answers()
    groups = groups_of(forget, counts)
    names = [name for one in groups.values() for name in one]
    rest = {name: title for name, title in _titles(counts).items() if name not in names}
    related = given["adjacent"]
    if related is None and rest:
        related = questions.many(
            "What is related, but must stay? (none: just Enter)", rest, "--adjacent NAME", default=[]
        )
    adjacent = [require_known(name, counts, "--adjacent") for name in related or []]
    if both := set(adjacent) & set(names):
        raise GradmaskError(f"{min(both)!r} is named by --forget and by --adjacent: keep one")
    own_words = _kind(given["kind"])
    best, reason = choose_size(counts.megabytes, machine)
    model = given["model"] or _model(questions, best, reason)
    minutes = given["minutes"]
    if minutes is None and given["steps"] is None:
        minutes = questions.number("How many minutes may training take, all arms together?", "--minutes", 10)
    answers = Answers(
        given["name"] or name_of(found),
        groups,
        adjacent,
        own_words,
        model,
        minutes,
        given["batch_size"],
        given["steps"],
    )
    return answers, reason if model == best else "as you said"


def _titles(counts: Counts) -> dict[str, str]:
    from gradmask.lab.setup.start.answers import KEPT

    amounts = {name: amount for name, amount in counts.named.items() if name not in KEPT}
    return {n: f"{n} ({a.documents:,} documents, {a.size / 1e6:.2f} MB)" for n, a in amounts.items()}


KINDS = {"language": True, "topic": False}


def _kind(given: str | None) -> bool | None:
    """None: the data tells."""
    if given is not None and given not in KINDS:
        raise GradmaskError(f"--as {given}: needed: language (in its own words) or topic (in common words)")
    return None if given is None else KINDS[given]


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

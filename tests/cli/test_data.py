"""How an inspection looks in a terminal."""

from __future__ import annotations

import io

from tests.data.inspection.corpora import clean, inspected, prepared, row

from gradmask.cli.data import DOMAINS, print_data, print_findings
from gradmask.cli.output import SafeConsole
from gradmask.data import Inspection


def shown(inspection: Inspection) -> list[str]:
    console = SafeConsole(file=io.StringIO(), width=100)
    print_data(inspection, console)
    print_findings(inspection, console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_tables_fit_and_numbers_are_aligned() -> None:
    rows = [*clean(), *(row("ok " * 40, f"a.rather.long.name.of.a.domain.{i}") for i in range(DOMAINS + 5))]
    lines = shown(inspected(rows, prepared=prepared(rows)))
    assert max(map(len, lines)) <= 100
    assert any(line.startswith(" and 7 more") for line in lines)
    heading = next(line for line in lines if line.startswith(" label"))
    retain = next(line for line in lines if line.startswith(" retain "))
    assert heading.index("documents") + len("documents") == retain.index("95") + 2


def test_what_is_to_be_removed_comes_first_with_its_labels() -> None:
    lines = shown(inspected(clean(), prepared=prepared(clean())))
    order = [line.split()[0] for line in lines if line.split()[:1] in (["medicine"], ["news"])]
    assert order == ["medicine", "news"]
    news = next(line for line in lines if line.split()[:1] == ["news"]).split()
    assert news[1] == "80"
    assert news[4:6] == ["25%", "75%"]
    assert lines[-2].startswith("Near-duplicates were looked for among 140 of 140")


def test_blanks_at_the_end_of_a_name_are_seen_and_brackets_are_no_markup() -> None:
    lines = shown(inspected([*clean(), row("some text", "news "), row("more text", "[red]news")]))
    assert any(line.split()[:1] == ["'news"] for line in lines)
    assert any(line.split()[:1] == ["[red]news"] for line in lines)


def test_findings_have_their_places_and_advice() -> None:
    lines = [line.rstrip() for line in shown(inspected([*clean(), *clean()[:2]]))]
    assert lines[-4:-1] == [
        "warning  copies of earlier training documents: 2 (1.8% of them)",
        "           x.jsonl, line 141 = x.jsonl, line 1",
        "           x.jsonl, line 142 = x.jsonl, line 2",
    ]

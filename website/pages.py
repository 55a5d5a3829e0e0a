"""Where every page of the repository stands on the site, and how its links have to change there.

The pages are plain Markdown that reads well in the repository. On the site, README.md is the start page, and a link to a
file that is no page (an example, a recipe, a test) leads to a page that shows this file, so that the site is complete
without a repository on the web.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RENAMED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s#]*)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def place_of(file: Path) -> str | None:
    """Where a file stands on the site; None for what is not a page or a picture of the documentation."""
    path = file.relative_to(ROOT).as_posix()
    if path in RENAMED:
        return RENAMED[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def shown_place(file: Path) -> str:
    """Where the page stands that shows a file, or lists a folder."""
    return f"files/{file.relative_to(ROOT).as_posix()}.md"


class Links:
    """Rewrites the relative links of pages; collects the files that need a page to be shown."""

    def __init__(self) -> None:
        self.shown: set[Path] = set()

    def rewrite(self, text: str, page: Path) -> str:
        """The text of ``page`` with its links as they must be on the site; code blocks stay as they are."""
        parts, end = [], 0
        for block in FENCE.finditer(text):
            parts += [self._outside(text[end : block.start()], page), block[0]]
            end = block.end()
        return "".join([*parts, self._outside(text[end:], page)])

    def _outside(self, text: str, page: Path) -> str:
        text = LINK.sub(lambda link: self._link(link, page), text)
        return text.replace("']['", r"'\]\['")  # keys in an error message are no link

    def _link(self, link: re.Match[str], page: Path) -> str:
        start, target, anchor, end = link.groups()
        if not target or "://" in target or target.startswith("mailto:"):
            return link[0]
        file = (page.parent / target).resolve()
        if not file.exists() or not file.is_relative_to(ROOT):
            return link[0]  # the strict build names it
        place = place_of(file)
        if place is None:
            self.shown.add(file)
            place = shown_place(file)
        here = place_of(page) or shown_place(page)
        return f"{start}{os.path.relpath(place, os.path.dirname(here) or '.')}{anchor or ''}{end}"


def show(file: Path) -> str:
    """A page that shows a file, or lists a folder."""
    name = file.relative_to(ROOT).as_posix()
    if file.is_dir():
        inside = sorted(path.name for path in file.iterdir() if not path.name.startswith(("_", ".")))
        return f"# {name}\n\nThe folder `{name}` of the repository:\n\n" + "".join(f"- `{entry}`\n" for entry in inside)
    language = {".py": "python", ".yaml": "yaml", ".json": "json", ".sh": "sh", ".toml": "toml"}.get(
        file.suffix, "text"
    )
    code = file.read_text(encoding="utf-8").rstrip("\n")
    return f"# {name}\n\n````{language}\n{code}\n````\n"

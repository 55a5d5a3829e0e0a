"""``python -m website``: gather the pages into build/pages, and build the site into build/site."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from website.lists import indent_lists
from website.pages import RENAMED, ROOT, Links, place_of, show, shown_place
from website.reference import in_full

BUILD = ROOT / "build"
PAGES = BUILD / "pages"
CONFIG = ROOT / "mkdocs.yml"
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def main() -> int:
    """Build; the exit code is the builder's, which is not 0 for a broken link or anchor."""
    places = gather()
    config = BUILD / "mkdocs.yml"
    config.write_text(with_more(CONFIG.read_text(encoding="utf-8"), places), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--clean", "--strict", "-f", str(config)]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    report = COLOUR.sub("", done.stdout).partition("Traceback")[0]
    print(report, end="" if done.returncode else f"\nThe site: {(BUILD / 'site' / 'index.html').relative_to(ROOT)}\n")
    return done.returncode


def gather() -> list[str]:
    """Write every page and picture to build/pages; the places of the pages, but for those that show files."""
    shutil.rmtree(PAGES, ignore_errors=True)
    links = Links()
    for page in sources():
        text = page.read_text(encoding="utf-8")
        if page.name == "reference.md":
            text = in_full(text)
        write(place_of(page) or "", links.rewrite(indent_lists(text), page))
    for file in sorted(links.shown):
        write(shown_place(file), show(file))
    shutil.copytree(ROOT / "docs" / "images", PAGES / "images")
    for name in ("site.css", "site.js"):
        shutil.copy(ROOT / "website" / name, PAGES)
    return [place_of(page) or "" for page in sources()]


def sources() -> list[Path]:
    """Every page of the repository."""
    return [*(ROOT / name for name in RENAMED), *sorted((ROOT / "docs").rglob("*.md"))]


def write(place: str, text: str) -> None:
    """One page of the site."""
    path = PAGES / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def with_more(config: str, places: list[str]) -> str:
    """The configuration as it stands in build/; pages that its navigation does not list come under "More"."""
    listed = set(named(navigation(config)))
    more = [place for place in places if place not in listed]
    config = config.replace("build/", "").replace("paths: [src]", "paths: [../src]")
    return config + ("  - More:\n" + "".join(f"      - {place}\n" for place in more) if more else "")


def navigation(config: str) -> object:
    """The part that lists the pages; the rest has tags that only the builder knows."""
    return yaml.load(config.split("\nnav:")[1], yaml.SafeLoader)


def named(nav: object) -> list[str]:
    """Every page that a navigation lists."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else []
    return [page for item in inner for page in named(item)]


if __name__ == "__main__":
    sys.exit(main())

"""Nested content of lists, as the site's Markdown needs it: indented by four."""

from __future__ import annotations

from markdown_it import MarkdownIt


def indent_lists(text: str) -> str:
    """``text`` with everything inside a list item indented by four for each level of lists."""
    lines = text.split("\n")
    extra = [0] * (len(lines) + 1)
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        if token.type == "list_item_open" and token.map:
            start, end = token.map
            marker = len(token.info or "") + len(token.markup) + 1  # "- " takes 2, "1. " takes 3
            for line in range(start + 1, end):
                extra[line] += 4 - marker
    return "\n".join(" " * more + line if line.strip() else line for more, line in zip(extra, lines, strict=False))

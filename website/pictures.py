"""The pictures of the documentation, as SVG: ``python -m website.pictures`` draws them into docs/images.

400 units wide, so that they can be read on a phone; colours follow the reader's light or dark mode, on a ground of their own,
so that they can be read wherever they stand. Removable parts are hatched, not only coloured.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH = 400
STYLE = """
.ground{fill:#ffffff}.ink{fill:#1c2733}.quiet{fill:#55636f}.line{stroke:#55636f;fill:none;stroke-width:1.5}
.retain{fill:#8fb3dd}.forget{fill:#e69138}.still{fill:#e3e8ed}.onfill{fill:#14202b}.hatch{stroke:#8a4b08;stroke-width:2.5}
.learn{stroke:#1c2733;stroke-width:3;fill:none}
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:14px}.b{font-weight:600}
@media (prefers-color-scheme:dark){.ground{fill:#182029}.ink{fill:#eef2f6}.quiet{fill:#b3c0cc}.line{stroke:#b3c0cc}
.retain{fill:#5f8fc7}.forget{fill:#e69138}.still{fill:#35414d}.learn{stroke:#eef2f6}}
"""


class Picture:
    """An SVG under construction."""

    def __init__(self, name: str, height: int, title: str) -> None:
        self.name, self.height, self.title = name, height, title
        self.parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """A rectangle of a kind: retain, forget, still (does not take part)."""
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3"'
        self.parts.append(f'<rect {place} class="{kind}"/>')
        if kind == "forget":
            self.parts.append(f'<rect {place} fill="url(#hatch)"/>')

    def learns(self, x: float, y: float, width: float, height: float) -> None:
        """A thick frame: this part learns."""
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3"'
        self.parts.append(f'<rect {place} class="learn"/>')

    def text(self, x: float, y: float, words: str, kind: str = "ink", anchor: str = "start") -> None:
        """A line of text; ``y`` is its baseline."""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, *points: tuple[float, float], arrow: bool = False) -> None:
        """A line through points, perhaps with an arrow at its end."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        end = ' marker-end="url(#arrow)"' if arrow else ""
        self.parts.append(f'<polyline points="{path}" class="line"{end}/>')

    def write(self, folder: Path = IMAGES) -> None:
        """Write it as a file."""
        (folder / f"{self.name}.svg").write_text(self.svg(), encoding="utf-8")

    def svg(self) -> str:
        """The file."""
        size = f'width="{WIDTH}" height="{self.height}" viewBox="0 0 {WIDTH} {self.height}"'
        hatch = '<pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        marker = (
            '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(self.title)}">',
                f"<title>{escape(self.title)}</title><style>{STYLE}</style>",
                f'<defs>{hatch}<line x1="0" y1="0" x2="0" y2="8" class="hatch"/></pattern>',
                f'{marker}<path d="M0,0 L8,4 L0,8 z" class="quiet"/></marker></defs>',
                f'<rect width="{WIDTH}" height="{self.height}" rx="8" class="ground"/>',
                *self.parts,
                "</svg>\n",
            ]
        )


DEMO = {
    "no filter": (3.648, 3.852),
    "gradmask, full": (3.354, 3.531),
    "gradmask, removed": (3.394, 8.557),
    "filter, same labels": (3.050, 4.602),
    "never saw Spanish": (2.780, 8.931),
}
"""Losses on English and on Spanish: the first table of docs/results.md (`make demo`)."""


def removal() -> Picture:
    """What the demo removes."""
    picture = Picture("removal", 330, "Loss on Spanish, which must go, and on English, which stays, of five models")
    picture.text(16, 26, "Loss, in nats per token (make demo)", "quiet")
    y = 52.0
    for column, heading, kind in (
        (1, "Spanish must go: higher is better", "forget"),
        (0, "English stays: lower is better", "retain"),
    ):
        picture.text(16, y, heading, "ink b")
        y += 10
        for name, losses in DEMO.items():
            loss = losses[column]
            picture.text(16, y + 15, name)
            picture.box(168, y + 2, loss * 19, 16, kind if name.startswith("gradmask") else "still")
            picture.text(174 + loss * 19, y + 15, f"{loss:.2f}")
            y += 23
        y += 24
    return picture


def block() -> Picture:
    """A transformer with a slice that can be removed."""
    picture = Picture(
        "partitioned_block", 396, "A transformer: most heads and neurons are retain, a few are the removable group's"
    )
    rows = (("output tables", 0), ("MLP neurons", 12), ("attention heads", 8), ("input tables", 0))
    y = 44.0
    for name, units in rows:
        picture.text(16, y - 8, name, "ink b")
        if units:
            width = 330 / units
            for unit in range(units):
                picture.box(16 + unit * width, y, width - 4, 34, "forget" if unit >= units * 0.8 else "retain")
        else:
            picture.box(16, y, 230, 34, "retain")
            picture.text(258, y + 23, "+", "ink b")
            picture.box(276, y, 70, 34, "forget")
        if name != "output tables":
            picture.line((368, y + 10), (368, y - 40), arrow=True)
        y += 74
    picture.text(16, y + 2, "× every block", "quiet")
    picture.box(16, y + 20, 26, 22, "retain")
    picture.text(50, y + 36, "retain: what stays")
    picture.box(190, y + 20, 26, 22, "forget")
    picture.text(224, y + 36, "forget: can be removed")
    return picture


TABLE = (
    ("forget", ("runs", ""), ("runs", "learns")),
    ("retain", ("runs", "learns"), ("silent", "")),
    ("unlabeled", ("runs", "learns"), ("runs", "learns")),
)


def policy() -> Picture:
    """The table of ``strict``."""
    picture = Picture("policy_table", 268, "The policy strict: what runs and what learns, for each data label")
    picture.text(16, 30, "text labeled", "quiet")
    picture.text(186, 30, "retain part", "ink b", "middle")
    picture.text(322, 30, "forget part", "ink b", "middle")
    for row, (label, *cells) in enumerate(TABLE):
        y = 44 + row * 58
        picture.text(16, y + 30, label, "ink b")
        for column, (first, second) in enumerate(cells):
            x = 122 + column * 136
            kind = "still" if first == "silent" else ("retain", "forget")[column]
            picture.parts.append(f'<rect x="{x}" y="{y}" width="128" height="48" rx="3" class="{kind}"/>')
            picture.text(
                x + 64,
                y + 29,
                f"{first}, {second}" if second else first,
                "ink" if kind == "still" else "onfill",
                "middle",
            )
            if second:
                picture.learns(x + 1.5, y + 1.5, 125, 45)
    picture.learns(17, 226, 24, 20)
    picture.text(50, 242, "learns: gets a gradient. All else keeps every bit.")
    return picture


def labels() -> Picture:
    """What each data label does to each weight."""
    picture = Picture("labels", 400, "What a step on text of each label updates")
    said = {
        "forget": ("text labeled forget", "Everything runs. Only the forget part learns."),
        "retain": ("text labeled retain", "The forget part is silent, and learns nothing."),
        "unlabeled": ("unlabeled text", "Everything runs and learns. Self-labeling, where"),
    }
    for row, (label, retain, forget) in enumerate(TABLE):
        y = 20 + row * 122
        heading, sentence = said[label]
        picture.text(16, y + 12, heading, "ink b")
        for x, width, cell, kind in ((16, 250, retain, "retain"), (274, 110, forget, "forget")):
            picture.box(x, y + 22, width, 36, kind if cell[0] == "runs" else "still")
            if cell[1]:
                picture.learns(x + 1.5, y + 23.5, width - 3, 33)
        picture.text(16, y + 80, sentence, "quiet")
    picture.text(16, 20 + 2 * 122 + 98, "on, treats it as forget or retain by its loss.", "quiet")
    return picture


def consolidation() -> Picture:
    """The phases of a run."""
    picture = Picture(
        "consolidation", 236, "Training by labels, then consolidation, in which only the forget part learns"
    )
    picture.text(16, 30, "training by labels", "ink b")
    picture.text(270, 30, "consolidation", "ink b")
    for y, name, kind in ((44, "retain", "retain"), (104, "forget", "forget")):
        picture.box(16, y, 246, 40, kind)
        picture.learns(17.5, y + 1.5, 243, 37)
        picture.box(270, y, 114, 40, kind)
        if kind == "forget":
            picture.learns(271.5, y + 1.5, 111, 37)
        picture.text(16, y + 56, f"{name} part", "quiet")
    picture.text(270, 100, "keeps its bits", "quiet")
    picture.text(270, 160, "learns", "quiet")
    picture.line((16, 184), (384, 184), arrow=True)
    picture.text(16, 204, "steps", "quiet")
    picture.text(384, 204, "no labels needed", "quiet", "end")
    picture.text(16, 224, "The removed model stays; the full model gets better.")
    return picture


PICTURES = (removal, block, policy, labels, consolidation)

if __name__ == "__main__":
    for draw in PICTURES:
        draw().write()

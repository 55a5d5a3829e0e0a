"""The page, made with Gradio: inputs, and which answer of `Showing` each of them asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import Any

from gradmask.lab.play.reading import LONGEST_TEXT
from gradmask.lab.play.showing import DIFFERENCE, LOSS, NOTHING, Colouring, Mix, Showing
from gradmask.lab.play.stage import OWN_MIX, Stage
from gradmask.lab.play.writing import MOST_NEW, Sampling

os.environ["GRADIO_ANALYTICS_ENABLED"] = (
    "False"  # before Gradio is imported: nothing of what is tried leaves the machine
)
import gradio as gr

ONE_AT_A_TIME: Any = {"concurrency_limit": 1, "concurrency_id": "models", "api_visibility": "private"}
QUICK: Any = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
EMPTY = '<p class="gm-note">Nothing yet. Press “Write”.</p>'


def theme() -> Any:
    """Fonts and colours; no font is fetched."""
    return gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "monospace"]
    )


def css() -> str:
    """The page's own style sheet."""
    return files("gradmask.cli.playing").joinpath("play.css").read_text(encoding="utf-8")


def make_page(stage: Stage) -> Any:
    """The page for the models of a stage: a `gradio.Blocks`."""
    with gr.Blocks(title=f"gradmask play: {stage.title}", analytics_enabled=False, fill_width=True) as page:
        Page(stage)
    return page


class Page:
    """Lays the page out and connects it. To be made inside a `gradio.Blocks`."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.showing = stage, Showing(stage)
        self.written = gr.State(None)
        gr.HTML(headline(stage))
        self._inputs()
        self._mix()
        self.message = gr.HTML("", elem_id="message")
        with gr.Tabs():
            with gr.Tab("Write", id="write"):
                self._write()
            with gr.Tab("Read", id="read"):
                self._read()
            with gr.Tab("Compare", id="compare"):
                self._compare()
        self._connect()

    def _inputs(self) -> None:
        titles = [(one.title, i) for i, one in enumerate(self.stage.beginnings)]
        start = self.stage.beginnings[0] if titles else None
        if titles:
            self.beginning = gr.Dropdown(titles, value=0, label="Beginning of held-out text", elem_id="beginning")
        self.prompt = gr.Textbox(
            start.prompt if start else "Once upon a time",
            label="Prompt",
            lines=2,
            max_length=LONGEST_TEXT,
            elem_id="prompt",
        )
        self.models = gr.CheckboxGroup(self.stage.names, value=list(self.stage.shown), label="Models", elem_id="models")
        first, second = self.stage.pair
        with gr.Row():
            self.kind = gr.Radio(
                [NOTHING, LOSS, DIFFERENCE], value=LOSS, label="Colour by", min_width=250, elem_id="kind"
            )
            self.first = gr.Dropdown(self.stage.names, value=first, label="Difference from", elem_id="first")
            self.second = gr.Dropdown(self.stage.names, value=second, label="to", elem_id="second")

    def _mix(self) -> None:
        self.mixing: list[Any] = []
        if not self.stage.groups:
            return
        with gr.Accordion(f"{OWN_MIX[:1].upper()}{OWN_MIX[1:]}: switch groups off, or run them in part", open=False):
            for i, group in enumerate(self.stage.groups):
                with gr.Row():
                    runs = gr.Checkbox(True, label=f"{group} runs", elem_id=f"runs-{i}")
                    saved = self.stage.mixed.strengths[group]
                    strength = gr.Slider(0, 1, saved, step=0.05, label=f"Strength of {group}", elem_id=f"strength-{i}")
                self.mixing += [runs, strength]

    def _write(self) -> None:
        with gr.Accordion("How it is written: length, temperature, seed", open=False), gr.Row():
            self.tokens = gr.Slider(1, MOST_NEW, 60, step=1, label="New tokens", elem_id="tokens")
            self.temperature = gr.Slider(0, 2, 0.8, step=0.1, label="Temperature (0: likeliest)", elem_id="temperature")
            self.seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="seed")
        with gr.Row():
            self.go = gr.Button("Write", variant="primary", scale=4, min_width=160, elem_id="go")
            self.stop = gr.Button("Stop", scale=1, min_width=80, elem_id="stop")
        self.texts = gr.HTML(EMPTY, elem_id="texts")

    def _read(self) -> None:
        start = self.stage.beginnings[0] if self.stage.beginnings else None
        self.text = gr.Textbox(
            start.prompt + start.rest if start else "",
            label="Text to read",
            lines=4,
            max_length=LONGEST_TEXT,
            elem_id="text",
        )
        self.read_it = gr.Button("Read", variant="primary", elem_id="read-it")
        self.readings = gr.HTML("", elem_id="readings")

    def _compare(self) -> None:
        start = self.stage.beginnings[0] if self.stage.beginnings else None
        self.continuations = gr.Textbox(
            start.rest.strip() if start else "",
            label="What could follow the prompt, one continuation on each line",
            lines=3,
            max_length=LONGEST_TEXT,
            elem_id="continuations",
        )
        self.compare_them = gr.Button("Compare", variant="primary", elem_id="compare-them")
        self.probabilities = gr.HTML("", elem_id="probabilities")

    def _connect(self) -> None:
        sampling, colours = [self.tokens, self.temperature, self.seed], [self.kind, self.first, self.second]
        written = [self.texts, self.written, self.message]
        write = self.go.click(
            self.write, [self.prompt, self.models, *sampling, *colours, *self.mixing], written, **ONE_AT_A_TIME
        )
        running: list[Any] = [write]
        for control in self.mixing:  # the keyboard, too, moves a slider: it is never "released" there
            given = [self.written, *sampling, *colours, *self.mixing]
            running.append(control.input(self.write_again, given, written, trigger_mode="always_last", **ONE_AT_A_TIME))
        self.stop.click(None, cancels=running, **QUICK)
        for control in colours:
            given = [self.written, *colours, *self.mixing]
            control.input(self.colour, given, [self.texts, self.message], **ONE_AT_A_TIME)
        given = [self.text, self.models, *colours, *self.mixing]
        self.read_it.click(self.read, given, [self.readings, self.message], **ONE_AT_A_TIME)
        given = [self.prompt, self.continuations, self.models, *self.mixing]
        self.compare_them.click(self.compare, given, [self.probabilities, self.message], **ONE_AT_A_TIME)
        if self.stage.beginnings:
            self.beginning.input(self.begin, [self.beginning], [self.prompt, self.text, self.continuations], **QUICK)

    def mix(self, values: Sequence[Any]) -> Mix:
        """What the switches and sliders say: for each group a switch and a slider."""
        groups = self.stage.groups
        return Mix(dict(zip(groups, values[::2], strict=True)), dict(zip(groups, values[1::2], strict=True)))

    def begin(self, number: int) -> tuple[str, str, str]:
        """The prompt, the text to read, and the continuation of a beginning."""
        one = self.stage.beginnings[number]
        return one.prompt, one.prompt + one.rest, one.rest.strip()

    def write(
        self, prompt: str, names: list[str], tokens: int, temperature: float, seed: int, *rest: Any
    ) -> Iterator[Any]:
        """Write with the chosen models."""
        how = Sampling(int(tokens), float(temperature), int(seed or 0))
        yield from _shown(self.showing.write, prompt, names, how, Colouring(*rest[:3]), self.mix(rest[3:]))

    def write_again(self, written: Any, tokens: int, temperature: float, seed: int, *rest: Any) -> Iterator[Any]:
        """Write with the mix as it is set now."""
        how = Sampling(int(tokens), float(temperature), int(seed or 0))
        yield from _shown(self.showing.write_again, written, how, Colouring(*rest[:3]), self.mix(rest[3:]))

    def colour(self, written: Any, *rest: Any) -> Iterator[Any]:
        """Colour what was written."""
        yield from _shown(self.showing.colour, written, Colouring(*rest[:3]), self.mix(rest[3:]))

    def read(self, text: str, names: list[str], *rest: Any) -> Iterator[Any]:
        """Read a text."""
        yield from _shown(self.showing.read, text, names, Colouring(*rest[:3]), self.mix(rest[3:]))

    def compare(self, prompt: str, continuations: str, names: list[str], *rest: Any) -> Iterator[Any]:
        """Compare continuations."""
        yield from _shown(self.showing.compare, prompt, continuations, names, self.mix(rest))


def _shown(handler: Callable[..., Iterator[tuple[Any, ...]]], *given: Any) -> Iterator[tuple[Any, ...]]:
    """The handler's answers; what it leaves as it is stays so on the page."""
    for answer in handler(*given):
        yield tuple(gr.skip() if part is None else part for part in answer)


def headline(stage: Stage) -> str:
    """The page's first lines."""
    from markupsafe import escape

    groups = " and ".join(f"“{group}”" for group in stage.groups)
    said = f"The same prompt with and without {groups}." if groups else "The same prompt under each model."
    title = f"gradmask play: {stage.title}"
    return (
        f'<header class="gm-head"><h1>{escape(title)}</h1><p>{escape(said)} Nothing leaves this machine.</p></header>'
    )

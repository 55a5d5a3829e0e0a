"""What happens when somebody asks for something on the page: HTML for its parts, step by step where it takes time.

Every answer ends with a message, which is empty unless something is wrong; None is a part that stays as it is.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec

from gradmask.errors import GradmaskError
from gradmask.lab.play import cards
from gradmask.lab.play.continuing import Continued, continued
from gradmask.lab.play.reading import Reading, difference, read
from gradmask.lab.play.stage import OWN_MIX, Stage
from gradmask.lab.play.variants import Variant
from gradmask.lab.play.writing import Sampling, together

logger = logging.getLogger(__name__)
NOTHING, LOSS, DIFFERENCE = "nothing", "loss of each token", "difference of two models"
"""What texts are coloured by."""
MOST_CONTINUATIONS = 12
Asked = ParamSpec("Asked")


@dataclass(frozen=True)
class Written:
    """What was written: the prompt, and name of a model -> its text."""

    prompt: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Colouring:
    """What texts are coloured by, and the two models whose difference that is."""

    kind: str = LOSS
    first: str = ""
    second: str = ""


@dataclass(frozen=True)
class Mix:
    """Group -> whether it runs, and at what strength, in `OWN_MIX`."""

    running: Mapping[str, bool] = field(default_factory=dict)
    strengths: Mapping[str, float] = field(default_factory=dict)


def told(
    parts: int,
) -> Callable[[Callable[Asked, Iterator[tuple[Any, ...]]]], Callable[Asked, Iterator[tuple[Any, ...]]]]:
    """Errors become a message that follows ``parts`` parts, which stay as they are."""

    def decorate(handler: Callable[Asked, Iterator[tuple[Any, ...]]]) -> Callable[Asked, Iterator[tuple[Any, ...]]]:
        @wraps(handler)
        def safe(*given: Asked.args, **named: Asked.kwargs) -> Iterator[tuple[Any, ...]]:
            try:
                for answer in handler(*given, **named):
                    yield (*answer, "")
            except GradmaskError as error:
                yield (*[None] * parts, cards.message(str(error)))
            except Exception as error:
                logger.warning("%s", traceback.format_exc().strip())
                yield (
                    *[None] * parts,
                    cards.message(f"unexpected {type(error).__name__}: {error}. The terminal says where"),
                )

        return safe

    return decorate


class Showing:
    """Answers for the models of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def mix(self, mix: Mix) -> Variant:
        """`OWN_MIX` as it is set."""
        return self.stage.mix(mix.running, mix.strengths)

    def chosen(self, names: Sequence[str], mix: Mix) -> list[Variant]:
        """The models of these names."""
        return self.stage.chosen(names, self.mix(mix))

    def note(self, name: str, mix: Mix) -> str:
        """What is to be said below a model's name."""
        return described(self.mix(mix)) if name == OWN_MIX else ""

    @told(2)
    def write(
        self, prompt: str, names: Sequence[str], how: Sampling, colouring: Colouring, mix: Mix
    ) -> Iterator[tuple[str, Written]]:
        """Texts as they are written, side by side, and coloured when they are done."""
        yield from self._write(Written(prompt, {}), self.chosen(names, mix), how, colouring, mix)

    @told(2)
    def write_again(
        self, before: Written | None, how: Sampling, colouring: Colouring, mix: Mix
    ) -> Iterator[tuple[str, Written]]:
        """The text of `OWN_MIX` anew, where it is shown, after it was set otherwise."""
        if before is not None and OWN_MIX in before.texts:
            yield from self._write(before, [self.mix(mix)], how, colouring, mix)

    def _write(
        self, before: Written, variants: Sequence[Variant], how: Sampling, colouring: Colouring, mix: Mix
    ) -> Iterator[tuple[str, Written]]:
        written = before
        for texts in together(variants, before.prompt, how):
            written = Written(before.prompt, {**before.texts, **texts})
            each = [cards.text_card(n, self.note(n, mix), written.prompt, text) for n, text in written.texts.items()]
            yield cards.cards(each, busy=True), written
        yield self._coloured(written, colouring, mix), written

    @told(1)
    def colour(self, written: Written | None, colouring: Colouring, mix: Mix) -> Iterator[tuple[str]]:
        """What was written, coloured otherwise."""
        if written is not None:
            yield (self._coloured(written, colouring, mix),)

    def _coloured(self, written: Written, colouring: Colouring, mix: Mix) -> str:
        if colouring.kind == NOTHING:
            return cards.cards([self._plain(written, name, mix) for name in written.texts])
        shown = [self._coloured_card(written, name, colouring, mix) for name in written.texts]
        if colouring.kind == LOSS:
            return cards.legend("loss") + cards.cards(shown)
        return cards.legend("difference", colouring.first, colouring.second) + cards.cards(shown)

    def _plain(self, written: Written, name: str, mix: Mix, more: str = "") -> str:
        note = ". ".join(part for part in (self.note(name, mix), more) if part)
        return cards.text_card(name, note, written.prompt, written.texts[name])

    def _coloured_card(self, written: Written, name: str, colouring: Colouring, mix: Mix) -> str:
        whole, by_loss = written.prompt + written.texts[name], colouring.kind == LOSS
        try:
            readings = self._read(whole, (name,) if by_loss else (colouring.first, colouring.second), mix)
        except GradmaskError as error:  # bytes that are no text are read as more tokens than were written
            return self._plain(written, name, mix, f"without colours: {error}")
        first, *_, last = list(readings.values()) * 2
        reading = (first if by_loss else difference(first, last)).after(len(written.prompt))
        prompt = whole[: len(whole) - len(reading.text)]
        make = cards.loss_card if by_loss else cards.difference_card
        return make(name, self.note(name, mix), prompt, reading)

    @told(1)
    def read(self, text: str, names: Sequence[str], colouring: Colouring, mix: Mix) -> Iterator[tuple[str]]:
        """A text as the models read it."""
        readings = self._read(text, [variant.name for variant in self.chosen(names, mix)], mix)
        table = cards.losses_table(readings)
        if colouring.kind == DIFFERENCE:
            first, second = colouring.first, colouring.second
            pair = self._read(text, (first, second), mix)
            both = difference(pair[first], pair[second])
            title = f"{second}, less {first}"
            yield (
                cards.legend("difference", first, second)
                + cards.cards([cards.difference_card(title, "", "", both)])
                + cards.most_different(both, first, second)
                + table,
            )
            return
        make = cards.loss_card if colouring.kind == LOSS else lambda n, note, p, r: cards.text_card(n, note, p, r.text)
        each = [make(name, self.note(name, mix), "", reading) for name, reading in readings.items()]
        yield ((cards.legend("loss") if colouring.kind == LOSS else "") + cards.cards(each) + table,)

    def _read(self, text: str, names: Sequence[str], mix: Mix) -> dict[str, Reading]:
        readings = {}
        for variant in self.chosen(names, mix):
            with variant.running() as model:
                readings[variant.name] = read(model, variant.tokenizer, text)
        return {name: readings[name] for name in names}

    @told(1)
    def compare(self, prompt: str, continuations: str, names: Sequence[str], mix: Mix) -> Iterator[tuple[str]]:
        """How likely each line of ``continuations`` is, under each model."""
        lines = [line for line in continuations.splitlines() if line.strip()]
        if not lines:
            raise GradmaskError("there is no continuation yet: write what could follow the prompt, one on each line")
        if len(lines) > MOST_CONTINUATIONS:
            raise GradmaskError(f"{len(lines)} continuations: at most {MOST_CONTINUATIONS} are compared at once")
        rows: dict[str, dict[str, Continued]] = {line: {} for line in lines}
        for variant in self.chosen(names, mix):
            with variant.running() as model:
                for line in rows:
                    rows[line][variant.name] = continued(model, variant.tokenizer, prompt, line)
        yield (cards.continuations_table(prompt.rstrip(), rows),)


def described(mix: Variant) -> str:
    """What a mix consists of, such as ``biology at 0.30, without chemistry``."""
    parts = [f"{group} at {strength:.2f}" for group, strength in mix.strengths.items()]
    return ", ".join([*parts, *(f"without {group}" for group in mix.removed)])

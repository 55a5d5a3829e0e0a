"""The app: a document, what is known of it, and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Static

from gradmask.cli.review.panels import about, document_text, drivers, headline, help_line, how_good

if TYPE_CHECKING:
    from gradmask.data.label import Candidate, Session

GROUP_KEYS = 9


class ReviewApp(App[None]):
    """Pages through the documents of a session; every key is an answer that is on disk before the next document shows."""

    TITLE = "gradmask review"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # otherwise the search box would take the keys
    CSS = """
    #head { height: auto; padding: 0 1; background: $panel; }
    #document { width: 1fr; padding: 0 1; }
    #side { width: 38; padding: 0 1; border-left: solid $panel; }
    #side Static { margin-bottom: 1; }
    VerticalScroll { scrollbar-size-vertical: 1; }
    #message { height: auto; padding: 0 1; color: $warning; }
    #search { display: none; }
    #help { height: auto; padding: 0 1; background: $panel; }
    Screen.narrow #side { width: 32; }
    """
    BINDINGS: ClassVar = [
        Binding("f", "group(0)"),
        *(Binding(str(i + 1), f"group({i})") for i in range(GROUP_KEYS)),
        Binding("r", "retain"),
        Binding("u,space", "skip"),
        Binding("m", "several"),
        Binding("b,backspace", "undo"),
        Binding("slash", "search"),
        Binding("escape", "leave"),
        Binding("down,j", "scroll(1)"),
        Binding("up,k", "scroll(-1)"),
        Binding("pagedown", "scroll(10)"),
        Binding("pageup", "scroll(-10)"),
        Binding("q,ctrl+c", "quit"),
    ]

    def __init__(self, session: Session, name: str = "") -> None:
        super().__init__()
        self.session, self.place = session, name
        self.shown: Candidate | None = None
        self.marks: list[str] | None = None
        self.fitting = False

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with Horizontal():
            with VerticalScroll(id="document", can_focus=False):
                yield Static(id="text")
            with VerticalScroll(id="side", can_focus=False):
                yield Static(id="about")
                yield Static(id="drivers")
                yield Static(id="good")
        yield Static(id="message")
        yield Input(placeholder="words to search for; Enter shows the documents that have them", id="search")
        yield Static(help_line(self.session.groups), id="help")

    def on_mount(self) -> None:
        self.query_one("#document").border_title = self.place
        self.show()

    def on_resize(self) -> None:
        self.screen.set_class(self.size.width < 90, "narrow")

    def show(self, message: str = "") -> None:
        """The next document and everything beside it."""
        self.shown = self.session.next()
        self._write("head", headline(self.session, self.fitting))
        self._write("message", message or self.session.problem or "")
        self._write("good", how_good(self.session))
        self._write("drivers", "")
        if self.shown is None:
            self._write("text", "Every document has an answer. Press q to quit, b to take the last answer back.")
            self._write("about", "")
            return
        self._write("about", about(self.shown, self.session))
        self._write("text", document_text(self.shown.document.text))
        self.query_one("#document", VerticalScroll).scroll_home(animate=False)
        self.run_worker(self._explain, thread=True, exclusive=True, group="words")

    def _explain(self) -> None:
        """In a thread: which words drive the score of the document that is shown."""
        if (shown := self.shown) is not None:
            words = self.session.drivers(shown)
            self.call_from_thread(self._explained, shown, words)

    def _explained(self, shown: Candidate, words: dict[str, float]) -> None:
        if shown is self.shown and words:
            self._write("drivers", drivers(words))
            self._write("text", document_text(shown.document.text, words))

    def _write(self, id: str, content: object) -> None:
        self.query_one(f"#{id}", Static).update(content)  # type: ignore[arg-type]

    def action_group(self, number: int) -> None:
        """The document is of this group; where several are marked, the mark is set or removed."""
        if number >= len(self.session.groups):
            self._write("message", f"There is no group {number + 1}; the groups are {', '.join(self.session.groups)}.")
            return
        group = self.session.groups[number]
        if self.marks is None:
            self._answer(group)
            return
        self.marks = [g for g in self.marks if g != group] if group in self.marks else [*self.marks, group]
        self._say_marks()

    def action_retain(self) -> None:
        """The document is of no group."""
        self._answer("retain")

    def action_skip(self) -> None:
        """The document stays undecided."""
        self._answer(None)

    def action_several(self) -> None:
        """The digits mark groups; the same key again answers with those that are marked."""
        if self.marks is None:
            self.marks = []
            self._say_marks()
        else:
            marks, self.marks = self.marks, None
            self._answer(marks) if marks else self._write("message", "")

    def _say_marks(self) -> None:
        self._write(
            "message", f"groups: {', '.join(self.marks or []) or 'none yet'}. 1-9 marks, m answers, Esc leaves."
        )

    def _answer(self, label: str | list[str] | None) -> None:
        self.marks = None
        if self.shown is None:
            return
        try:
            self.session.answer(self.shown, label)
        except OSError as error:
            self._write("message", f"This answer was not stored: {error.strerror} ({self.session.path}).")
            return
        self.show()
        self._refit_where_due()

    def action_undo(self) -> None:
        """Take the last answer back and show its document."""
        undone = self.session.undo()
        self.show("" if undone else "There is no answer to take back.")

    def action_search(self) -> None:
        """Ask for words."""
        box = self.query_one("#search", Input)
        box.styles.display = "block"
        box.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Show documents that have these words."""
        count = self.session.find(event.value)
        self._close_search()
        self.show(f"{count:,} documents with “{event.value}”; Esc returns to the most useful ones.")

    def action_leave(self) -> None:
        """Leave the search, and the marks."""
        self.marks = None
        self._close_search()
        self.session.find("")
        self.show()

    def _close_search(self) -> None:
        box = self.query_one("#search", Input)
        box.value = ""
        box.styles.display = "none"
        self.set_focus(None)

    def action_scroll(self, lines: int) -> None:
        """Scroll the document."""
        view = self.query_one("#document", VerticalScroll)
        view.scroll_relative(y=lines if abs(lines) == 1 else lines // 10 * max(view.size.height - 2, 1), animate=False)

    def _refit_where_due(self) -> None:
        if self.session.due and not self.fitting:
            self.fitting = True
            self._write("head", headline(self.session, self.fitting))
            self.run_worker(self._refit, thread=True, group="fit")

    def _refit(self) -> None:
        """In a thread: fit again, then show what it changed."""
        try:
            self.session.refit()
        finally:
            self.call_from_thread(self._refitted)

    def _refitted(self) -> None:
        self.fitting = False
        self._write("head", headline(self.session, self.fitting))
        self._write("good", how_good(self.session))
        self._write("message", self.session.problem or "")
        self._refit_where_due()

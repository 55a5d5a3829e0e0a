"""A review without a screen: the next document, an answer, undo, and fitting again, for an app, a test or a program."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gradmask.data.label.review.answers import (
    REVIEW,
    Label,
    answer_row,
    append_row,
    picked,
    read_log,
    replay,
    undo_row,
)
from gradmask.data.label.review.choosing import RANDOM, SEARCH, choose
from gradmask.data.label.review.pool import Document, Pool
from gradmask.data.label.review.words import word_effects
from gradmask.errors import GradmaskError, did_you_mean

RETAIN = "retain"


class Fitted(Protocol):
    """What a review asks of a labeler (see `gradmask.data.label.fit`)."""

    @property
    def thresholds(self) -> Any: ...

    def scores(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class Candidate:
    """A document to decide on, its score per group, and why it is shown."""

    document: Document
    scores: dict[str, float]
    reason: str


@dataclass(frozen=True)
class Progress:
    """How good the labeler is on held-out examples after so many answers: group -> (precision, recall)."""

    answers: int
    positives: dict[str, int]
    held_out: dict[str, tuple[float, float]]


Fit = Callable[[list[str], list[Any], list[bool]], Fitted]


class Session:
    """One person's (or program's) review; answers are kept in ``examples``, a log that another session resumes.

    Methods may be called from several threads; only `refit` takes long, and it holds up no other.

    Attributes:
        groups: names of the groups.
        history: `Progress` after every refit of this session.
        labeler: the last that was fitted, or None.
        problem: why the last refit failed, or None.
    """

    def __init__(
        self,
        pool: Pool,
        groups: Sequence[str],
        examples: Path,
        fit: Fit,
        cuts: np.ndarray | None = None,
        every: int = 10,
        random_share: float = 0.2,
    ) -> None:
        """
        Args:
            pool: what to choose from.
            groups: names, the columns of the pool's scores.
            examples: the log (``examples.jsonl``), made where it is not there.
            fit: (texts, labels, whether each was picked because it is hard) -> labeler.
            cuts: below which a document is labeled retain, and from which with the group, ``[2, groups]``; 0.1 and 0.9 without.
            every: answers after which a refit is `due`.
            random_share: of the documents shown, for honest estimates.
        """
        self.pool, self.groups, self.path = pool, list(groups), examples
        self.every, self.random_share = every, random_share
        self.history: list[Progress] = []
        self.labeler: Fitted | None = None
        self.problem: str | None = None
        self._fit, self._lock = fit, threading.RLock()
        self._scores = pool.scores
        self._cuts = np.tile([[0.1], [0.9]], len(groups)) if cuts is None else np.asarray(cuts, dtype=float)
        self._log = read_log(examples)
        self._row = {document.id: i for i, document in enumerate(pool.documents)}
        self._queue: list[tuple[int, str]] = []
        self._fitted_at = len(self.answers)

    @property
    def examples(self) -> list[dict[str, Any]]:
        """All examples that hold, given and answered, as rows of the log."""
        return replay(self._log)

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The answers that hold, oldest first."""
        return [row for row in self.examples if row.get("source") == REVIEW]

    @property
    def positives(self) -> dict[str, int]:
        """Labeled examples per group, given ones too."""
        counts = self.counts
        return {group: counts[group] for group in self.groups}

    @property
    def counts(self) -> dict[str, int]:
        """Labeled examples per group and of ``retain``, given ones too."""
        labels = [names_of(row["label"]) for row in self.examples]
        return {name: sum(name in names for names in labels) for name in (*self.groups, RETAIN)}

    @property
    def due(self) -> bool:
        """Whether enough was answered (or undone) since the last refit."""
        return abs(len(self.answers) - self._fitted_at) >= self.every

    def next(self) -> Candidate | None:
        """The document to decide on now, the same until it is answered; None when all are answered."""
        with self._lock:
            open_rows = self._open()
            self._queue = [(row, reason) for row, reason in self._queue if row in open_rows]
            if not self._queue:
                self._queue = self._choose(sorted(open_rows))
            return self._candidate(*self._queue[0]) if self._queue else None

    def answer(self, candidate: Candidate, label: Label) -> None:
        """Store what the document is; on disk when this returns.

        Args:
            candidate: from `next`.
            label: a group's name, a list of names, ``retain``, or None to skip it.

        Raises:
            GradmaskError: the label is no group's name.
        """
        for name in names_of(label):
            if name not in (*self.groups, RETAIN):
                known = [*self.groups, RETAIN]
                raise GradmaskError(
                    f"{name!r} is no label; needed: one of {', '.join(known)}, or None to skip.{did_you_mean(name, known)}"
                )
        document = candidate.document
        with self._lock:
            self._append(answer_row(document.id, document.text, label, candidate.reason))
            self._queue = [entry for entry in self._queue if entry[0] != self._row.get(document.id)]

    def undo(self) -> Candidate | None:
        """Take the last answer back, and show its document again; None where there is no answer to take back."""
        with self._lock:
            answers = self.answers
            if not answers:
                return None
            last = answers[-1]
            self._append(undo_row(last["id"]))
            row = self._row.get(last["id"])
            if row is None:  # answered in an earlier session, of documents that are no longer there
                return self.next()
            self._queue.insert(0, (row, last["chosen"]))
            return self._candidate(*self._queue[0])

    def find(self, words: str) -> int:
        """Show documents that contain ``words`` next (case does not matter); returns how many there are."""
        wanted = words.casefold().strip()
        with self._lock:
            rows = (
                [r for r in sorted(self._open()) if wanted in self.pool.documents[r].text.casefold()] if wanted else []
            )
            rest = [entry for entry in self._queue if entry[1] != SEARCH and entry[0] not in rows]
            self._queue = [(row, SEARCH) for row in rows] + rest
        return len(rows)

    def refit(self) -> Progress | None:
        """Fit on all examples, score the pool again, and choose anew; None, with `problem` set, where it cannot be fitted.

        May run in a thread of its own while documents are answered.
        """
        with self._lock:
            rows, count = [row for row in self.examples if row["label"] is not None], len(self.answers)
        try:
            texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
            labeler = self._fit(texts, labels, [picked(row) for row in rows])
            scores = np.asarray(labeler.scores([document.text for document in self.pool.documents]), dtype=float)
        except GradmaskError as error:
            with self._lock:
                self.problem, self._fitted_at = str(error), count
            return None
        with self._lock:
            self.problem, self.labeler, self._scores, self._fitted_at = None, labeler, scores, count
            self._cuts = cuts_of(labeler, self.groups)
            shown = self._queue[:1]
            self._queue = shown + [entry for entry in self._queue[1:] if entry[1] == SEARCH]
            if shown and shown[0][1] != SEARCH:
                self._queue += self._choose(sorted(self._open() - {shown[0][0]}))
            self.history.append(Progress(count, self.positives, _held_out(labeler, self.groups)))
            return self.history[-1]

    def random_answers(self) -> list[tuple[dict[str, Any], dict[str, float]]]:
        """(Answer, its document's scores now) of a uniform sample of the corpus.

        It ends with the last document drawn at random. One that lies before it in the random order and was chosen for another
        reason counts as well, so that no document is more likely to be in the sample than another.
        """
        with self._lock:
            order, open_rows = self.pool.order, list(self._open())
            end = order[open_rows].min() if open_rows else np.iinfo(np.uint64).max
            found = [
                (row, i) for row in self.answers if (i := self._row.get(row["id"])) is not None and order[i] <= end
            ]
            last = max((order[i] for row, i in found if row["chosen"] == RANDOM), default=-1)
            return [(row, self._candidate(i, RANDOM).scores) for row, i in found if order[i] <= last]

    def estimate(self) -> str:
        """Precision and recall of each group at its threshold, on what was drawn at random; empty where nothing was."""
        rows = [(names_of(row["label"]), scores) for row, scores in self.random_answers() if row["label"] is not None]
        return "; ".join(_estimated(group, self.threshold_of(group), rows) for group in self.groups) if rows else ""

    def threshold_of(self, group: str) -> float:
        """The score above which a document is labeled with the group."""
        return float(self._cuts[1, self.groups.index(group)])

    def drivers(self, shown: Candidate) -> dict[str, float]:
        """Word -> effect on the document's highest score (see `word_effects`); empty without a labeler."""
        if self.labeler is None:
            return {}
        group = max(shown.scores, key=lambda name: shown.scores[name])
        return word_effects(self.labeler, shown.document.text, self.groups.index(group))

    def _open(self) -> set[int]:
        """Rows of the pool that have no answer and are no example."""
        rows = self.examples
        ids, texts = {row.get("id") for row in rows}, {row["text"] for row in rows}
        return {i for i, d in enumerate(self.pool.documents) if d.id not in ids and d.text not in texts}

    def _choose(self, rows: Sequence[int]) -> list[tuple[int, str]]:
        if not rows:
            return []
        index = np.array(rows)
        chosen = choose(
            self._scores[index],
            self._cuts,
            self.pool.order[index],
            list(self.positives.values()),
            [self.pool.documents[row].text for row in rows],
            self.every,
            self.random_share,
        )
        return [(rows[row], reason) for row, reason in chosen]

    def _candidate(self, row: int, reason: str) -> Candidate:
        scores = dict(zip(self.groups, self._scores[row].tolist(), strict=True))
        return Candidate(self.pool.documents[row], scores, reason)

    def _append(self, row: dict[str, Any]) -> None:
        append_row(self.path, row)
        self._log.append(row)


def names_of(label: Label) -> list[str]:
    """The names of a label as a list; empty for None."""
    return [] if label is None else [label] if isinstance(label, str) else list(label)


def _estimated(group: str, threshold: float, rows: Sequence[tuple[list[str], dict[str, float]]]) -> str:
    marked = [group in names for names, scores in rows if scores[group] >= threshold]
    caught = [scores[group] >= threshold for names, scores in rows if group in names]
    return (
        f"{group}: {sum(marked)} of {len(marked)} labeled are right, {sum(caught)} of {len(caught)} found ({len(rows)})"
    )


def cuts_of(labeler: Fitted, groups: Sequence[str]) -> np.ndarray:
    """Below which a document is labeled retain, and from which with the group, ``[2, groups]``."""
    cuts = [labeler.thresholds[group] for group in groups]
    return np.array([[cut.retain_below for cut in cuts], [cut.forget_above for cut in cuts]])


def _held_out(labeler: Fitted, groups: Sequence[str]) -> dict[str, tuple[float, float]]:
    return {g: (float(labeler.thresholds[g].precision), float(labeler.thresholds[g].recall)) for g in groups}

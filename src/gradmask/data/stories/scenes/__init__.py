"""Sentence templates by scene: ``English || Spanish``, one pair a line. The slots are explained in `..grammar`."""

from __future__ import annotations

from functools import cache

from gradmask.data.stories.scenes import endings, events, meetings, openings, thoughts

SCENES = {
    "opening": openings.OPENING,
    "setting": openings.SETTING,
    "wish": openings.WISH,
    "journey": events.JOURNEY,
    "find": events.FIND,
    "trouble": events.TROUBLE,
    "attempt": events.ATTEMPT,
    "meeting": meetings.MEETING,
    "talk": meetings.TALK,
    "trade": meetings.TRADE,
    "meal": meetings.MEAL,
    "nature": thoughts.NATURE,
    "feeling": thoughts.FEELING,
    "aside": thoughts.ASIDE,
    "resolution": endings.RESOLUTION,
    "ending": endings.ENDING,
}


@cache
def templates(scene: str, language: str) -> tuple[str, ...]:
    """The templates of a scene in ``en`` or ``es``."""
    pairs = [line.split(" || ") for line in SCENES[scene].strip().splitlines()]
    return tuple(pair[language == "es"].strip() for pair in pairs)

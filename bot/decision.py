"""What became of an event: exactly one decision, with a typed reason.

``Reason`` is closed: each member has a sentence in Chinese and in English (``bot/reasons.py``; a test holds
the table complete), so that ``/why`` and ``maodou doctor`` can always answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    ANSWERED = "answered"
    ASKED_BACK = "asked_back"
    NOTHING_FOUND = "nothing_found"
    DONE = "done"
    SILENT = "silent"
    REFUSED = "refused"
    FAILED = "failed"


class Reason(StrEnum):
    # answered
    FROM_DOCUMENTS = "from_documents"
    ABOUT_ITSELF = "about_itself"
    # asked back
    UNCLEAR = "unclear"
    # nothing found
    NOT_IN_DOCUMENTS = "not_in_documents"
    NO_DOCUMENTS = "no_documents"
    # done
    COMMAND = "command"
    NOTED = "noted"
    GREETED = "greeted"
    ERASED = "erased"
    LATE_WORD = "late_word"
    # silent
    NOT_ADDRESSED = "not_addressed"
    NOT_A_QUESTION = "not_a_question"
    OFF_TOPIC = "off_topic"
    UNSURE = "unsure"
    EMPTY = "empty"
    FROM_BOT = "from_bot"
    MUTED = "muted"
    STALE = "stale"
    BUSY = "busy"
    STOPPED = "stopped"
    RECALLED = "recalled"
    SUPERSEDED = "superseded"
    PERSON_ANSWERED = "person_answered"
    HOURLY_LIMIT = "hourly_limit"
    ALREADY_GREETED = "already_greeted"
    NOT_HEARD = "not_heard"
    # refused
    NOT_ALLOWED = "not_allowed"
    UNKNOWN_COMMAND = "unknown_command"
    BAD_ARGUMENTS = "bad_arguments"
    NO_EAR = "no_ear"
    TOO_BUSY = "too_busy"
    SCREENED = "screened"
    # failed
    TIMEOUT = "timeout"
    ERROR = "error"


OTHERS_WORDS = "others_words"
"""A detail of commands whose reply tells what others wrote: it is screened again like an answer."""


@dataclass(frozen=True, slots=True)
class Decision:
    """``details`` are small facts for ``/why`` (a score, a file, an argument): never a member's text."""

    outcome: Outcome
    reason: Reason
    details: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

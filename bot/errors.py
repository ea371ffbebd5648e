"""The tree of our errors, split by who must act.

::

    MaodouError
    ├── UsageError            the operator: a wrong setting, path or argument; its text is a full sentence
    ├── StoreError            the operator: the database takes no write or gives no read (locked, full, gone)
    │   └── StoreTooNew       the database was written by a newer version of Maodou
    ├── PlatformError         a platform did not do what it was asked
    │   ├── TryLater          it will, after ``after_s`` seconds: retried under the same key
    │   ├── Undeliverable     it never will (kicked, recalled, forbidden): recorded, not retried
    │   └── CannotLook        the room cannot be read back: the delivery becomes ``uncertain``
    ├── MemberError           a member: a bad argument; carries its sentence in both languages
    │   ├── NotAllowed        the member's role is too low
    │   └── NotHeard          a voice message that cannot be heard
    │       └── NoEar         there is nothing here that could hear one
    └── ModelError            a model or a speech service failed or took too long
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.decision import Reason
from bot.texts import Text


class MaodouError(Exception):
    """The root. Whatever reaches the top of a command as one of these is shown as a sentence, not a traceback."""


class UsageError(MaodouError):
    """Raised where a command or the start-up meets a wrong setting; the CLI prints it and exits with 2."""


class StoreError(MaodouError):
    """Raised by the store where the database cannot be read, and for everything in a commit that failed: nothing of it
    counts as done. Where only the reply was lost it is there all the same; keys make doing it again harmless."""


class StoreTooNew(StoreError):
    def __init__(self, revision: str) -> None:
        self.revision = revision
        super().__init__(
            f"The database is at revision {revision}, which this version does not know: install the newer "
            "Maodou that wrote it, or point `database` at another one."
        )


class PlatformError(MaodouError):
    """Raised by adapters; any other exception from an adapter counts as an outcome that is not known."""


class TryLater(PlatformError):
    def __init__(self, after_s: float = 1.0, why: str = "") -> None:
        self.after_s = after_s
        self.why = why
        super().__init__(f"try again in {after_s:g} s {why}".rstrip())


class Undeliverable(PlatformError):
    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class CannotLook(PlatformError):
    """Raised by ``Platform.find`` where the history cannot be read."""


class MemberError(MaodouError):
    """What a member asked cannot be done; ``in_language`` is the sentence they are told."""

    reason = Reason.BAD_ARGUMENTS

    def __init__(self, text: Text, /, **values: object) -> None:
        self.text = text
        self.values = values
        super().__init__(text.in_language("en", **values))

    def in_language(self, language: str) -> str:
        return self.text.in_language(language, **self.values)


class NotAllowed(MemberError):
    reason = Reason.NOT_ALLOWED


class NotHeard(MemberError):
    """Raised by an :class:`bot.ports.Ear`. ``why`` is its word for the reason, ``facts`` what was measured: both
    stand in the decision's details."""

    reason = Reason.NOT_HEARD

    def __init__(self, text: Text, why: str, facts: Mapping[str, str | int | float], /, **values: object) -> None:
        self.why = why
        self.facts = facts
        super().__init__(text, **values)


class NoEar(NotHeard):
    """No model, or what it needs is not installed: its sentence says how to get it, and is said once a room."""

    reason = Reason.NO_EAR


class ModelError(MaodouError):
    """A model, an ear or a voice failed. Fails to silence in the room, and loudly in the log."""

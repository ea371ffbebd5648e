"""What a situation is made of: what members do, and what must come of it – the same on every platform.

In texts, ``{bot}`` stands for a mention of the bot, ``{ben}`` for one of Ben, ``{all}`` for one of everyone and
``{image}`` for a picture at that place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maodou.capabilities import Lack

ROOM, THREAD, DIRECT = "room", "thread", "direct"


@dataclass(frozen=True, slots=True)
class Say:
    """``by``: ann, ben, owner, stranger, parrot (another bot) or rogue (a hostile name). ``reply``: the label of
    a member's message, or ``~label`` for our answer to it. ``heard``: False where no event may come of it.
    ``wait``: False goes on at once, without waiting for the bot."""

    text: str = ""
    label: str = "q"
    by: str = "ann"
    where: str = ROOM
    reply: str = ""
    file: str = ""
    voice: bool = False
    heard: bool = True
    wait: bool = True


@dataclass(frozen=True, slots=True)
class Edit:
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Recall:
    label: str
    wait: bool = True


@dataclass(frozen=True, slots=True)
class React:
    """Ann's reaction on our answer to ``label``; ``takes_back`` what she showed before, if anything."""

    label: str
    emoji: str = ""
    takes_back: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """Press the one button of our last message."""

    by: str = "ann"


@dataclass(frozen=True, slots=True)
class Slash:
    """Pick a command from the platform's menu."""

    command: str
    by: str = "ann"


@dataclass(frozen=True, slots=True)
class Set:
    """A setting of the room."""

    name: str
    value: object


@dataclass(frozen=True, slots=True)
class Add:
    """The bot comes into the place."""


@dataclass(frozen=True, slots=True)
class Remove:
    """The bot is thrown out."""


@dataclass(frozen=True, slots=True)
class Forbid:
    """The bot may not write here any more."""


Step = Say | Edit | Recall | React | Press | Slash | Set | Add | Remove | Forbid


@dataclass(frozen=True, slots=True)
class Understood:
    """A member's message as the core got it; None: not looked at."""

    text: str | None = None
    addressed: str | None = None
    attachments: tuple[str, ...] | None = None
    kind: str | None = None
    author: str | None = None
    quoted: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """``shown``: what must stand in each of our messages in the end, in order; for a long answer, in all of them
    together (``split``). ``decided``: the decision on each event, in the order of their arrival.
    ``needs``: where a platform lacks one of these, it is left out."""

    name: str
    steps: tuple[Step, ...]
    shown: tuple[str, ...]
    decided: tuple[str, ...]
    understood: dict[str, Understood] = field(default_factory=dict)
    needs: frozenset[Lack] = frozenset()
    split: bool = False
    feedback: tuple[int, ...] = ()
    deliveries: tuple[str, ...] | None = None
    own_place: bool = False

"""What a room is sent: its candidates chosen, screened, summed up and put on a card, with the rows that say so.

Nothing is written here. :class:`Editor` gives back a :class:`recommender.ports.Post`: its ``write`` goes into the
transaction of the deliveries, so that what was sent and what is known to be sent are one and the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog
from sqlalchemy import Connection, select, update

from bot.delivery import Content
from bot.errors import MaodouError
from bot.event import Room
from bot.history import window
from bot.ports import Screen
from bot.room_settings import LANGUAGE, Language
from bot.scopes import Scopes
from bot.store import Store, upsert
from bot.texts import language_of
from bot.values import Values
from recommender import cards
from recommender.candidates import Shelf, read_shelf
from recommender.cards import Told
from recommender.choosing import Candidate, Order, Pick, Wanted
from recommender.ports import Post
from recommender.stages import Stage, State
from recommender.summary import Summaries
from recommender.tables import room_entries, suggestions
from recommender.taste_settings import PICKS

LAST_ID = 2**62
LANGUAGE_OF_LAST = 20
"""Messages that tell what language a room speaks."""

MAX_STOPPED = 100
"""After so many that the screen hid, a digest makes do with what has passed."""

EXPLICIT = "explicit"

Labelled = Callable[[Room], Awaitable[bool]]
"""Whether what is labelled as explicit, and a picture that nobody has judged, may be shown in a room now."""

log = structlog.get_logger(__name__)


async def never(room: Room) -> bool:
    return False


class AlreadySent(MaodouError):
    """Raised in the commit when another post told of the same entry meanwhile: nothing of this one is planned."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One reading ready to be sent. ``stopped``: candidates that the screen hid, and the category. ``passed``: the
    ids of entries that others were nearer than."""

    content: Content
    told: tuple[Told, ...]
    stopped: tuple[tuple[Candidate, str], ...] = ()
    passed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Screened:
    told: list[Told]
    stopped: list[tuple[Candidate, str]]


class Editor:
    """A :class:`recommender.ports.Digester`. ``shows_labelled``: see :data:`Labelled`; by default never."""

    def __init__(
        self,
        store: Store,
        scopes: Scopes,
        screen: Screen,
        summaries: Summaries | None = None,
        shows_labelled: Labelled = never,
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._screen = screen
        self._summaries = summaries or Summaries()
        self._shows_labelled = shows_labelled

    async def make(self, room: Room, now: float, origin: str) -> Post | None:
        values = await self._scopes.of(room)
        shelf = await self._store.read(partial(read_shelf, room_key=room.key, now=now))
        language = await self._language(room, values, shelf)
        edition = await self.edition(room, shelf, Wanted(values[PICKS], now, seed=origin), language)
        if edition is None:
            return None
        if not edition.told:  # nothing to say, and something to remember
            return Post((), partial(mark_looked_at, room_key=room.key, edition=edition, now=now))
        write = partial(mark_sent, room_key=room.key, edition=edition, origin=origin, now=now)
        return Post((edition.content,), write)

    async def edition(self, room: Room, shelf: Shelf, wanted: Wanted, language: str) -> Edition | None:
        """The picks as a message; None when there is nothing to choose from."""
        if not shelf.candidates:
            return None
        order = await asyncio.to_thread(Order.of, shelf.candidates, shelf.opinions, shelf.background, wanted)
        done = await self._screened(room, order, language)
        topic = wanted.topic.title if wanted.topic is not None else ""
        head = cards.heading(language, topic, asked=not wanted.explore)
        looked_at = {each.pick.candidate.key for each in done.told} | {each.key for each, _ in done.stopped}
        looked_at |= {key for each in done.told for key in each.pick.folded}
        passed = tuple(each.id for each in shelf.candidates if each.key not in looked_at and each.id is not None)
        content = cards.card(done.told, head, language)
        return Edition(content, tuple(done.told), tuple(done.stopped), passed)

    async def _screened(self, room: Room, order: Order, language: str) -> _Screened:
        """The picks that may be shown here; in the place of each that may not, the next best."""
        labelled = await self._shows_labelled(room)
        stopped: dict[str, tuple[Candidate, str]] = {}
        passed: set[str] = set()
        while True:
            picks = await asyncio.to_thread(order.picks, tuple(stopped))
            new = [pick for pick in picks if pick.candidate.key not in passed]
            for pick in new:
                why = await self._stops(room, pick, labelled)
                if why is None:
                    passed.add(pick.candidate.key)
                else:
                    stopped[pick.candidate.key] = (pick.candidate, why)
            shown = [pick for pick in picks if pick.candidate.key in passed]
            if len(shown) == len(picks) or len(stopped) >= MAX_STOPPED:
                break
        # A model takes its time: for all of them together, not for one after the other.
        summaries = await asyncio.gather(*(self._summary(room, pick, language) for pick in shown))
        shown = [replace(pick, also=await self._may_name(room, pick.also)) for pick in shown]
        told = [Told(pick, said, picture=labelled) for pick, said in zip(shown, summaries, strict=True)]
        return _Screened(told, list(stopped.values()))

    async def _stops(self, room: Room, pick: Pick, labelled: bool) -> str | None:
        """Why the pick may not be shown here; None when it may."""
        if pick.candidate.explicit and not labelled:
            return EXPLICIT
        shown = await self._screen.show(room, _all_of(pick))
        return shown.why if shown.text is None else None

    async def _may_name(self, room: Room, sources: tuple[str, ...]) -> tuple[str, ...]:
        return tuple([each for each in sources if (await self._screen.show(room, each)).text is not None])

    async def _summary(self, room: Room, pick: Pick, language: str) -> str:
        said = await self._summaries.of(pick.candidate.item, language)
        return said if said and (await self._screen.show(room, said)).text is not None else ""

    async def _language(self, room: Room, values: Values, shelf: Shelf) -> str:
        """What the room has chosen, or what was last spoken in it, or what its feeds are written in."""
        if values[LANGUAGE] is not Language.AUTO:
            return str(values[LANGUAGE].value)
        said = await self._store.read(partial(window, room=room, before_id=LAST_ID, count=LANGUAGE_OF_LAST))
        plain = [each.text for each in said if not each.ours and not each.text.startswith(("/", "／"))]
        titles = " ".join(candidate.item.title for candidate in shelf.candidates[:LANGUAGE_OF_LAST])
        return next((known for text in reversed(plain) if (known := language_of(text, ""))), language_of(titles))


def _all_of(pick: Pick) -> str:
    """Everything of an entry that could be shown, and its tags, which tell what it is."""
    item = pick.candidate.item
    return "\n".join((item.title, item.text, " ".join(item.tags), pick.candidate.source, pick.because))


# ── what is written with it ──────────────────────────────────────────────────────────────────────────────


def mark_sent(connection: Connection, room_key: str, edition: Edition, origin: str, now: float) -> None:
    """For the transaction of the deliveries. Raises :class:`AlreadySent`."""
    ids = [each.pick.candidate.id for each in edition.told if each.pick.candidate.id is not None]
    sent = (room_entries.c.room == room_key) & room_entries.c.entry_id.in_(ids)
    twice = connection.execute(
        select(room_entries.c.entry_id).where(sent, room_entries.c.state == State.SENT.value)
    ).first()
    links = [each.pick.candidate.link for each in edition.told if each.pick.candidate.id is None]
    told = (suggestions.c.room == room_key) & suggestions.c.link.in_(links)
    if twice or connection.execute(select(suggestions.c.link).where(told, suggestions.c.origin.is_not(None))).first():
        raise AlreadySent(f"{room_key} was told of it meanwhile")
    for each in edition.told:
        _mark_told(connection, room_key, each.pick, origin, now)
    mark_looked_at(connection, room_key, edition, now)


def mark_looked_at(connection: Connection, room_key: str, edition: Edition, now: float) -> None:
    """What came of the candidates that are not told of."""
    for candidate, category in edition.stopped:
        if candidate.id is not None:
            _put(connection, room_key, candidate.id, State.FILTERED, Stage.SCREEN, category, now)
    here = (room_entries.c.room == room_key) & (room_entries.c.state == State.WAITING.value)
    for start in range(0, len(edition.passed), 500):
        some = here & room_entries.c.entry_id.in_(edition.passed[start : start + 500])
        connection.execute(update(room_entries).where(some).values(stage=Stage.RANK.value))


def _mark_told(connection: Connection, room_key: str, pick: Pick, origin: str, now: float) -> None:
    candidate = pick.candidate
    if candidate.id is None:
        told = (suggestions.c.room == room_key) & (suggestions.c.link == candidate.link)
        connection.execute(update(suggestions).where(told).values(origin=origin))
    else:
        details = {"because": pick.because, "score": round(pick.score, 3), "worth": round(pick.worth, 4)}
        if pick.chance is not None:
            details["chance"] = round(pick.chance, 6)
        _put(
            connection,
            room_key,
            candidate.id,
            State.SENT,
            Stage.SENT,
            pick.why.value,
            now,
            details=details,
            origin=origin,
        )
    for key in pick.folded:
        kind, _, name = key.partition(":")
        if kind == "entry":
            details = {"same_as": candidate.id}
            _put(connection, room_key, int(name), State.FILTERED, Stage.DUPLICATE, "same_text", now, details=details)


def _put(
    connection: Connection,
    room_key: str,
    entry_id: int,
    state: State,
    stage: Stage,
    reason: str,
    now: float,
    *,
    details: dict[str, object] | None = None,
    origin: str | None = None,
) -> None:
    row = {
        "room": room_key,
        "entry_id": entry_id,
        "state": state.value,
        "stage": stage.value,
        "reason": reason,
        "details": details,
        "origin": origin,
        "at": now,
    }
    upsert(connection, room_entries, row, conflict_on=("room", "entry_id"))

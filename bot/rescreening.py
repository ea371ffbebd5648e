"""What was planned and has not left is screened again when the room's filter has changed, and at a start.

Of others' words alone – answers, posts, and what a command tells of entries; what we say ourselves (another command's
reply, an apology) never passed the screen. A digest goes without the entries that may not be shown any more, and not at
all when none is left; whoever posted it is told in the same commit, so that nothing counts as sent that did not leave.
What somebody waits for becomes the word that says so. What is in the room already stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy import Connection, or_, select, update

from bot.decision import OTHERS_WORDS, Outcome, Reason
from bot.delivery import Content, Delivery, DeliveryAct, DeliveryState, dump_content
from bot.event import Room
from bot.planning import waiting
from bot.ports import Screen
from bot.replies import APOLOGIES
from bot.store import Store
from bot.tables import deliveries, inbox, rooms
from bot.texts import language_of

BLOCKS = "\n\n"
HIDDEN = "hidden by the room's filter"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Changed:
    """A delivery that does not leave as it was planned. ``content``: what leaves instead; None: nothing."""

    delivery: Delivery
    content: Content | None


TakenOut = Callable[[Connection, Delivery, Mapping[str, str]], Collection[str]]
"""Told, in the commit, which blocks of a post do not leave, and of each the category that hides it – empty for one that
goes only because the others do. Returns the commands of the buttons that go with them."""


def nobody(connection: Connection, delivery: Delivery, blocks: Mapping[str, str]) -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class _Left:
    """``content``: what of a delivery may leave. ``gone``: as :data:`TakenOut` is told it."""

    content: Content | None
    gone: Mapping[str, str] = field(default_factory=dict)


async def screened_again(
    store: Store, screen: Screen, room: Room | None = None, taken_out: TakenOut = nobody
) -> list[Changed]:
    """What of the planned deliveries of the room and its threads (without a room: of all) may not leave as it is:
    written down so, and returned."""
    changed = []
    for delivery, is_answer in await store.read(partial(_unsent, room=room)):
        left = await _left(screen, delivery, is_answer)
        if left.content == delivery.content:
            continue
        put = await store.write(partial(_put, delivery=delivery, left=left, taken_out=taken_out))
        if put is not None:
            log.info("outbox.hidden", room=delivery.room.key, delivery=delivery.id, all_of_it=put.content is None)
            changed.append(put)
    return changed


async def _left(screen: Screen, delivery: Delivery, is_answer: bool) -> _Left:
    """What of a delivery may be shown now."""
    content, room = delivery.content, delivery.room
    whole = await screen.show(room, content.text)
    if whole.text is not None:
        return _Left(content)
    instead = None
    if delivery.event_id is not None:  # somebody waits for it
        language = language_of(content.text.partition(BLOCKS)[0])  # the sources below may be in another
        instead = Content(APOLOGIES[Reason.SCREENED].in_language(language))
    if is_answer:
        return _Left(instead)
    blocks = content.text.split(BLOCKS)
    shown = [(block, await screen.show(room, block)) for block in blocks]
    hidden = {block: each.why for block, each in shown if each.text is None}
    kept = [block for block in blocks if block not in hidden]
    if not hidden:  # only together do they say it
        return _Left(instead, dict.fromkeys(blocks, whole.why))
    if not kept or kept == blocks[:1]:  # the heading does not stand alone
        return _Left(instead, dict.fromkeys(kept, "") | hidden)
    buttons = [each for each in content.buttons if (await screen.show(room, each.label)).text is not None]
    return _Left(replace(content, text=BLOCKS.join(kept), buttons=tuple(buttons)), hidden)


def _unsent(connection: Connection, room: Room | None) -> list[tuple[Delivery, bool]]:
    """With whether it is an answer, which goes as a whole."""
    told = (Outcome.ANSWERED.value, Outcome.DONE.value)
    others_words = or_(deliveries.c.event_id.is_(None), inbox.c.outcome.in_(told))
    shown = deliveries.c.act.in_((DeliveryAct.SEND.value, DeliveryAct.STREAM.value, DeliveryAct.EDIT.value))
    chosen = (
        select(deliveries.c.id, inbox.c.outcome, inbox.c.details)
        .join(inbox, inbox.c.id == deliveries.c.event_id, isouter=True)
        .where(deliveries.c.state == DeliveryState.PLANNED.value, others_words, shown)
    )
    if room is not None:
        here = (rooms.c.platform == room.platform) & or_(rooms.c.key == room.key, rooms.c.parent == room.id)
        chosen = chosen.where(deliveries.c.room.in_(select(rooms.c.key).where(here)))
    answers = {
        row.id: row.outcome == Outcome.ANSWERED.value
        for row in connection.execute(chosen)
        if row.outcome != Outcome.DONE.value or (row.details or {}).get(OTHERS_WORDS)
    }
    return [(each, answers[each.id]) for each in waiting(connection) if each.id in answers] if answers else []


def _put(connection: Connection, delivery: Delivery, left: _Left, taken_out: TakenOut) -> Changed | None:
    """None when it has left meanwhile."""
    content = left.content
    planned = (deliveries.c.id == delivery.id) & (deliveries.c.state == DeliveryState.PLANNED.value)
    cancelled = {"state": DeliveryState.CANCELLED.value, "error": HIDDEN}
    values = cancelled if content is None else {"content": dump_content(content)}
    if connection.execute(update(deliveries).where(planned).values(values)).rowcount != 1:
        return None
    without = taken_out(connection, delivery, left.gone) if left.gone else ()
    if content is not None and without:
        content = replace(content, buttons=tuple(each for each in content.buttons if each.command not in without))
        connection.execute(update(deliveries).where(planned).values(content=dump_content(content)))
    return Changed(delivery, content)

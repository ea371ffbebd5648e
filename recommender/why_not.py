"""``/why-not``: the stages that an entry passes on its way into a room, and the one where it stopped.

Read from the rows that the stages themselves wrote. Only what this room reads is told of: whether another room had
the entry, or reads its feed, is none of its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, select

from bot.delivery import DeliveryState, delivery_key
from bot.tables import deliveries
from bot.texts import Text
from recommender import reasons
from recommender.candidates import site_of
from recommender.deduplicating import canonical
from recommender.opinions import MAX_PARTS
from recommender.quoting import harmless
from recommender.remembering import OLD
from recommender.stages import Stage, State
from recommender.tables import entries, feeds, room_entries, subscriptions

MAX_SHOWN_CHARS = 80


class Step(StrEnum):
    """The way of an entry, in order."""

    SUBSCRIBED = "subscribed"
    FETCHED = "fetched"
    NEW = "new"
    RULES = "rules"
    DUPLICATE = "duplicate"
    RANK = "rank"
    FILTER = "filter"
    SENT = "sent"


NAMES = {
    Step.SUBSCRIBED: Text(zh="订阅", en="subscribed"),
    Step.FETCHED: Text(zh="读到", en="fetched"),
    Step.NEW: Text(zh="是新的", en="new"),
    Step.RULES: Text(zh="关键词规则", en="rules"),
    Step.DUPLICATE: Text(zh="没有重复", en="no duplicate"),
    Step.RANK: Text(zh="排序", en="rank"),
    Step.FILTER: Text(zh="过滤", en="filter"),
    Step.SENT: Text(zh="发出", en="sent"),
}

NO_FEEDS = Text(
    zh="这里还没有订阅任何来源：`/feed add <网址>`。", en="nothing is subscribed to here: `/feed add <address>`."
)
NO_FEED_OF_SITE = Text(
    zh="这里没有订阅 {host}：`/feed add {host}`。", en="{host} is not subscribed to: `/feed add {host}`."
)
PAUSED = Text(zh="“{feed}”暂停着。", en="“{feed}” is paused.")
NOT_SEEN = Text(
    zh="“{feed}”里没有这个地址（最近一次读取之后才发布的，要等下一次）。",
    en="“{feed}” does not list this address (what came after the last reading is found by the next).",
)
FAILING = Text(zh="“{feed}”现在读不出来：{why}。", en="“{feed}” cannot be read now: {why}.")
WAS_THERE = Text(
    zh="订阅“{feed}”之前它就在了；旧的内容不推送，想看可以用 `/recommend`。",
    en="it was in “{feed}” before that was subscribed to; nothing old is sent. `/recommend` brings older ones, too.",
)
TOO_OLD = Text(zh="它发布得太早了。", en="it was published too long ago.")
RULE = Text(zh="被规则“{rule}”挡下了。", en="stopped by the rule “{rule}”.")
SAME = Text(zh="同样的内容这里已经有了。", en="the room had the same already.")
OTHERS = Text(
    zh="排在它前面的更合口味，或者同一来源已经有两条；它还在等下一次。",
    en="others were nearer to what is liked here, or its source had two already; it still waits.",
)
NOT_YET = Text(zh="下一次推送时才排。", en="it waits for the next digest.")
EXPIRED = Text(zh="等得太久，别的一直更合口味。", en="it waited too long; others were always nearer.")
HIDDEN = Text(
    zh="过滤器挡下了（{category}）。`/filter nsfw status` 看设置；放开之后它会再排一次。",
    en="the filter hid it ({category}). See `/filter nsfw status`; once it lets it pass, it takes part again.",
)
DELIVERY = {
    DeliveryState.UNDELIVERABLE: Text(zh="平台不收。", en="the platform did not take it."),
    DeliveryState.UNCERTAIN: Text(
        zh="不知道平台收到没有，所以没有再发。", en="it is not known whether the platform took it."
    ),
}
WITHDRAWN = Text(zh="发出之前就撤回了。", en="it was withdrawn before it left.")
ON_ITS_WAY = Text(zh="正在发。", en="it is on its way.")
NO_LINK = Text(zh="请给一个 http(s) 网址。", en="give me an http(s) address.")


@dataclass(frozen=True, slots=True)
class Fate:
    """``stopped``: the stage that it has not passed; None when it was sent. ``why``: the sentence about it."""

    stopped: Step | None
    why: str
    title: str = ""

    def lines(self, language: str) -> list[str]:
        lines = [f"**{harmless(self.title, MAX_SHOWN_CHARS)}**"] if self.title else []
        for step in Step:
            name = NAMES[step].in_language(language)
            if step is self.stopped:
                return [*lines, f"✗ {name} – {self.why}"]
            last = f" – {self.why}" if step is Step.SENT and self.why else ""
            lines.append(f"✓ {name}{last}")
        return lines


def why_not(connection: Connection, room_key: str, link: str, language: str) -> Fate:
    """What became of the entry with this address in this room."""
    read = _read_here(connection, room_key)
    if not read:
        return Fate(Step.SUBSCRIBED, NO_FEEDS.in_language(language))
    rows = _rows(connection, room_key, link)
    if rows:
        return _of_row(connection, room_key, rows[0], language)
    host = site_of(link)
    near = [feed for feed in read if host in (site_of(feed["site"]), site_of(feed["address"]))]
    if not near:
        return Fate(Step.SUBSCRIBED, NO_FEED_OF_SITE.in_language(language, host=harmless(host, MAX_SHOWN_CHARS)))
    feed = near[0]
    name = _name(feed)
    if feed["paused_at"] is not None:
        return Fate(Step.FETCHED, PAUSED.in_language(language, feed=name))
    if feed["failures"]:
        why = reasons.in_words(feed["reason"], language, feed["address"])
        return Fate(Step.FETCHED, FAILING.in_language(language, feed=name, why=why))
    return Fate(Step.FETCHED, NOT_SEEN.in_language(language, feed=name))


def _read_here(connection: Connection, room_key: str) -> Sequence[RowMapping]:
    chosen = (
        select(
            feeds.c.title, feeds.c.address, feeds.c.site, feeds.c.failures, feeds.c.reason, subscriptions.c.paused_at
        )
        .join(subscriptions, subscriptions.c.feed_id == feeds.c.id)
        .where(subscriptions.c.room == room_key)
    )
    return connection.execute(chosen).mappings().all()


def _rows(connection: Connection, room_key: str, link: str) -> Sequence[RowMapping]:
    """The entries of this address in the feeds read here, those with a fate of their own first."""
    here = (room_entries.c.entry_id == entries.c.id) & (room_entries.c.room == room_key)
    chosen = (
        select(
            entries.c.title,
            feeds.c.title.label("feed_title"),
            feeds.c.address,
            room_entries.c.state,
            room_entries.c.stage,
            room_entries.c.reason,
            room_entries.c.details,
            room_entries.c.origin,
        )
        .join(feeds, feeds.c.id == entries.c.feed_id)
        .join(subscriptions, (subscriptions.c.feed_id == feeds.c.id) & (subscriptions.c.room == room_key))
        .outerjoin(room_entries, here)
        .where(entries.c.link.in_((link, canonical(link))))
    )
    found = connection.execute(chosen).mappings().all()
    order = {State.SENT.value: 0, State.WAITING.value: 1, State.FILTERED.value: 2, State.EXPIRED.value: 3, None: 4}
    return sorted(found, key=lambda row: order.get(row["state"], 5))


def _of_row(connection: Connection, room_key: str, row: RowMapping, language: str) -> Fate:
    title, details = row["title"], row["details"] or {}
    if row["state"] is None:
        return Fate(Step.NEW, WAS_THERE.in_language(language, feed=_name(row, "feed_title")), title)
    match State(row["state"]):
        case State.SENT:
            return _delivered(connection, room_key, row, language)
        case State.EXPIRED:
            return Fate(Step.RANK, EXPIRED.in_language(language), title)
        case State.WAITING:
            text = OTHERS if row["stage"] == Stage.RANK.value else NOT_YET
            return Fate(Step.RANK, text.in_language(language), title)
        case State.FILTERED:
            pass
    match Stage(row["stage"]):
        case Stage.RULES if row["reason"] == OLD:
            return Fate(Step.NEW, TOO_OLD.in_language(language), title)
        case Stage.RULES:
            rule = harmless(str(details.get("rule", "")), MAX_SHOWN_CHARS)
            return Fate(Step.RULES, RULE.in_language(language, rule=rule), title)
        case Stage.SCREEN:
            return Fate(Step.FILTER, HIDDEN.in_language(language, category=row["reason"]))
        case Stage.DUPLICATE:
            return Fate(Step.DUPLICATE, SAME.in_language(language), title)
        case _:
            return Fate(Step.RANK, OTHERS.in_language(language), title)


def _delivered(connection: Connection, room_key: str, row: RowMapping, language: str) -> Fate:
    keys = [delivery_key(row["origin"] or "", part) for part in range(MAX_PARTS)]
    chosen = select(deliveries.c.state).where(deliveries.c.key.in_(keys), deliveries.c.room == room_key)
    states = [DeliveryState(state) for state in connection.execute(chosen).scalars()]
    worst = next((each for each in DELIVERY if each in states), None)
    if worst is not None:
        return Fate(Step.SENT, DELIVERY[worst].in_language(language), row["title"])
    if any(state in (DeliveryState.PLANNED, DeliveryState.OPEN) for state in states):
        return Fate(Step.SENT, ON_ITS_WAY.in_language(language), row["title"])
    if set(states) == {DeliveryState.CANCELLED}:  # a part alone says nothing of the entries of the others
        return Fate(Step.SENT, WITHDRAWN.in_language(language), row["title"])
    return Fate(None, "", row["title"])


def _name(row: RowMapping, column: str = "title") -> str:
    return harmless(row[column] or site_of(row["address"]), MAX_SHOWN_CHARS)

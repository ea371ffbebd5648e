"""``/feed``: what members can say about what is read in their room."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection

from bot import audit
from bot.commands import Argument, BadArguments, Call, Command, Done, both
from bot.durations import parse_duration, say_duration
from bot.errors import MemberError, NotAllowed
from bot.event import Role
from bot.ports import Platform, Screen
from bot.rights import at_least
from bot.room_settings import one_line
from bot.scopes import scope_of
from bot.store import Operation, Store
from bot.texts import Text
from recommender import rules, wording
from recommender.discovering import Discoverer, Discovery, NotFound
from recommender.import_export import exported, import_command
from recommender.listing import page
from recommender.pacing import next_check
from recommender.parsing import ParsedEntry
from recommender.quoting import escaped
from recommender.reading import Reading
from recommender.reasons import WORDS, why
from recommender.remembering import Found
from recommender.settings import DIGEST_AT, FEEDS_BY, QUIET_HOURS, TIME_ZONE, rhythm_of
from recommender.subscriptions import (
    RoomIsFull,
    Subscription,
    add_read,
    feed_at,
    latest_entries,
    matching,
    of_room,
    pause,
    remove,
    set_interval,
    set_rules,
)
from recommender.sweeping import validators_of
from recommender.times import shown
from recommender.typed_rules import shown_rules, typed_rules

PREVIEW = 3
TRIED = 10
"""Entries that rules are tried on."""

FIND_WITHIN_S = 50.0
DEFAULT = ("default", "默认")


class FeedCommands:
    """``command`` is the family ``/feed``, for the registry."""

    def __init__(self, store: Store, reading: Reading, screen: Screen, platforms: Mapping[str, Platform]) -> None:
        self._store = store
        self._reading = reading
        self._settings = reading.settings
        self._screen = screen
        self._platforms = platforms
        self._discoverer = Discoverer(reading.fetcher, reading.parser, reading.settings.rsshub)
        feed = Argument("feed", wording.FEED, rest=True)
        one = Argument("feed", wording.FEED)
        self.command = Command(
            "feed",
            wording.ABOUT,
            subcommands=(
                Command(
                    "add",
                    wording.ADD_ABOUT,
                    self.add,
                    arguments=(Argument("address", wording.ADDRESS),),
                    aliases=("添加", "加"),
                ),
                Command(
                    "list",
                    wording.LIST_ABOUT,
                    self.list_feeds,
                    arguments=(Argument("page", wording.PAGE, required=False),),
                    aliases=("列表",),
                ),
                Command("remove", wording.REMOVE_ABOUT, self.remove, arguments=(feed,), aliases=("退订", "删除")),
                Command("pause", wording.PAUSE_ABOUT, self.pause, arguments=(feed,), aliases=("暂停",)),
                Command("resume", wording.RESUME_ABOUT, self.resume, arguments=(feed,), aliases=("恢复",)),
                Command(
                    "test",
                    wording.TEST_ABOUT,
                    self.test,
                    arguments=(Argument("feed", wording.FEED_OR_ADDRESS, rest=True),),
                    aliases=("测试",),
                ),
                Command(
                    "rules",
                    wording.RULES_ABOUT,
                    self.rules,
                    arguments=(one, Argument("rules", wording.RULES, required=False, rest=True)),
                    aliases=("规则",),
                    overtakes=False,
                ),
                Command(
                    "interval",
                    wording.INTERVAL_ABOUT,
                    self.interval,
                    arguments=(one, Argument("interval", wording.INTERVAL, rest=True)),
                    aliases=("间隔",),
                ),
                Command(
                    "import",
                    wording.IMPORT_ABOUT,
                    self.import_list,
                    role=Role.MODERATOR,
                    arguments=(Argument("list", wording.OPML, required=False, rest=True),),
                    aliases=("导入",),
                ),
                Command("export", wording.EXPORT_ABOUT, self.export, aliases=("导出",)),
            ),
            aliases=("订阅", "feeds"),
        )

    # ── subscribing ──────────────────────────────────────────────────────────────────────────────────────

    async def add(self, call: Call) -> Done:
        """Reads the feed now, for the preview; what it lists is old from then on."""
        _check_may_add(call)
        here = await self._here(call)
        if len(here) >= self._settings.feeds_per_room:
            raise MemberError(wording.FULL, most=self._settings.feeds_per_room)
        found = await self._find(call.arguments["address"])
        title = _title(found)
        if any(each.address == found.address for each in here):
            return Done(wording.ALREADY.in_language(call.language, title=title))
        every = say_duration(self._settings.interval_s, call.language)
        lines = await self._preview(call, found.parsed.entries)
        head = wording.ADDED if lines else wording.ADDED_EMPTY
        told = [head.in_language(call.language, title=title, address=found.address, every=every), *lines]
        if found.parsed.explicit or found.explicit:
            told.append(wording.EXPLICIT.in_language(call.language))
        told.append(self._next(call))
        return Done("\n".join(told), write=await self._subscribing(call, found))

    async def _subscribing(self, call: Call, found: Discovery) -> Operation[object]:
        sweep, settings, now = self._reading.sweep, self._settings, call.at
        at = next_check(now, found.address, settings.interval_s, settings)
        plan = Found(0, found.parsed, validators_of(found.answer), at)
        old = await self._store.read(partial(feed_at, address=found.address))
        priming = old is None or old["primed_at"] is None
        prepared = await sweep.prepared(found.parsed, old["id"] if old else None, now, priming=priming)
        subscribe = partial(
            add_read,
            room=call.room.key,
            who=call.member.key,
            now=now,
            address=found.address,
            found=plan,
            prepared=prepared,
            settings=settings,
            explicit=found.explicit,
        )

        def write(connection: Connection) -> None:
            with contextlib.suppress(RoomIsFull):  # somebody else took the last place in this very moment
                subscribe(connection)
            _audit(connection, call, "feed.add", found.address)

        return write

    async def _find(self, typed: str) -> Discovery:
        try:
            async with asyncio.timeout(FIND_WITHIN_S):
                return await self._discoverer.find(typed)
        except NotFound as error:
            raise MemberError(both(wording.NOT_FOUND, why=why(error.reason, self._address(typed)))) from None
        except TimeoutError:
            raise MemberError(both(wording.NOT_FOUND, why=WORDS["timeout"])) from None

    def _address(self, typed: str) -> str:
        try:
            return self._discoverer.address_of(typed)
        except NotFound:
            return typed

    async def _preview(self, call: Call, entries: Sequence[ParsedEntry]) -> list[str]:
        newest = sorted(entries, key=lambda entry: entry.published_at or 0.0, reverse=True)[:PREVIEW]
        return [await self._line(call, entry.title, entry.summary, entry.link) for entry in newest]

    async def _line(self, call: Call, title: str, summary: str, link: str) -> str:
        """One entry, as far as the room may see it."""
        title = title or one_line(summary, 80) or wording.UNTITLED.in_language(call.language)
        if (await self._screen.show(call.room, f"{title}\n{summary}")).text is None:
            return f"- {wording.HIDDEN.in_language(call.language)}"
        return f"- [{escaped(title)}](<{link}>)" if link else f"- {escaped(title)}"

    def _next(self, call: Call) -> str:
        rhythm = rhythm_of(call.values, self._settings)
        at = rhythm.next_slot(call.at)
        if at is None:
            return wording.NEVER.in_language(call.language)
        return wording.NEXT.in_language(call.language, at=shown(at, rhythm.zone))

    # ── what is read here ────────────────────────────────────────────────────────────────────────────────

    async def list_feeds(self, call: Call) -> Done:
        here = await self._here(call)
        if not here:
            return Done(wording.NONE_HERE.in_language(call.language))
        at = call.values[DIGEST_AT]
        times = wording.TIMES.in_language(
            call.language,
            times=", ".join(at) or "none",
            zone=call.values[TIME_ZONE],
            quiet=call.values[QUIET_HOURS],
        )
        lines, buttons = page(call, here)
        return Done("\n".join([*lines, times, self._next(call)]), buttons)

    async def remove(self, call: Call) -> Done:
        chosen = await self._mine(call)
        change = partial(remove, room=call.room.key, feed_id=chosen.feed_id, now=call.at, settings=self._settings)
        return _done(call, wording.REMOVED, chosen, "feed.remove", change)

    async def pause(self, call: Call) -> Done:
        return await self._pause(call, call.at)

    async def resume(self, call: Call) -> Done:
        return await self._pause(call, None)

    async def _pause(self, call: Call, at: float | None) -> Done:
        chosen = await self._mine(call)
        if (chosen.paused_at is None) is (at is None):
            return Done(wording.SAME.in_language(call.language, title=escaped(chosen.name)))
        change = partial(pause, room=call.room.key, feed_id=chosen.feed_id, now=at)
        text = wording.RESUME_DONE if at is None else wording.PAUSE_DONE
        return _done(call, text, chosen, "feed.resume" if at is None else "feed.pause", change)

    async def interval(self, call: Call) -> Done:
        chosen = await self._mine(call)
        typed = call.arguments["interval"].strip()
        settings = self._settings
        wanted: float | None = None
        if typed.casefold() not in DEFAULT:
            with contextlib.suppress(ValueError):
                wanted = parse_duration(typed)
            if wanted is None or not settings.least_interval_s <= wanted <= 30 * settings.most_interval_s:
                spans = {
                    "least": _duration(settings.least_interval_s),
                    "most": _duration(30 * settings.most_interval_s),
                }
                raise BadArguments(both(wording.INTERVAL_BAD, **spans))
        change = partial(
            set_interval,
            room=call.room.key,
            feed_id=chosen.feed_id,
            interval_s=wanted,
            now=call.at,
            settings=settings,
        )
        every = say_duration(wanted or settings.interval_s, call.language)
        return _done(call, wording.INTERVAL_DONE, chosen, "feed.interval", change, every=every)

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────

    async def rules(self, call: Call) -> Done:
        """Shows them; or tries new ones on the last entries, and saves them."""
        typed = call.arguments.get("rules")
        chosen = await (self._chosen(call) if typed is None else self._mine(call))
        title = escaped(chosen.name)
        if typed is None:
            if not (chosen.include or chosen.exclude):
                return Done(wording.RULES_NONE.in_language(call.language, title=title))
            shown_now = shown_rules(chosen.include, chosen.exclude)
            return Done(wording.RULES_ARE.in_language(call.language, title=title, rules=shown_now))
        include, exclude = typed_rules(typed, self._settings.rules_per_feed)
        tried = await self._store.read(partial(latest_entries, feed_id=chosen.feed_id, limit=TRIED))
        judged = [(row, rules.judge(include, exclude, row["title"], row["summary"])) for row in tried]
        kept = sum(each.stopped is None for _, each in judged)
        lines = [
            wording.RULES_SAVED.in_language(call.language, title=title, rules=shown_rules(include, exclude) or "—"),
            wording.RULES_TRIED.in_language(call.language, count=len(judged), kept=kept),
        ]
        for row, each in judged:
            mark = wording.KEPT_MARK if each.stopped is None else wording.STOPPED_MARK
            line = await self._line(call, row["title"], row["summary"], row["link"])
            lines.append(f"{line} {mark.in_language(call.language, rule=f'`{one_line(each.rule)}`')}")
        change = partial(set_rules, room=call.room.key, feed_id=chosen.feed_id, include=include, exclude=exclude)
        return Done("\n".join(lines), write=_noted(call, "feed.rules", chosen.address, change))

    # ── trying, and lists ────────────────────────────────────────────────────────────────────────────────

    async def test(self, call: Call) -> Done:
        typed = call.arguments["feed"]
        found = matching(await self._here(call), typed)
        chosen = found[0] if len(found) == 1 else None
        read = await self._find(chosen.address if chosen else typed)
        count = len(read.parsed.entries)
        lines = [wording.TEST_HEAD.in_language(call.language, title=_title(read), address=read.address, count=count)]
        newest = sorted(read.parsed.entries, key=lambda entry: entry.published_at or 0.0, reverse=True)
        for entry in newest[: PREVIEW + 2]:
            line = await self._line(call, entry.title, entry.summary, entry.link)
            if chosen is not None and (chosen.include or chosen.exclude):
                judged = rules.judge(chosen.include, chosen.exclude, entry.title, entry.summary)
                mark = wording.KEPT_MARK if judged.stopped is None else wording.STOPPED_MARK
                line += f" {mark.in_language(call.language, rule=f'`{one_line(judged.rule)}`')}"
            lines.append(line)
        return Done("\n".join(lines))

    async def import_list(self, call: Call) -> Done:
        _check_may_add(call)
        return await import_command(call, self._store, self._platforms, self._discoverer, self._settings)

    async def export(self, call: Call) -> Done:
        here = await self._here(call)
        if not here:
            return Done(wording.NONE_HERE.in_language(call.language))
        return Done(f"```xml\n{exported(here, call.language)}```")

    # ── which one is meant ───────────────────────────────────────────────────────────────────────────────

    async def _here(self, call: Call) -> list[Subscription]:
        return await self._store.read(partial(of_room, room=call.room.key))

    async def _chosen(self, call: Call) -> Subscription:
        typed = call.arguments["feed"]
        found = matching(await self._here(call), typed)
        if not found:
            raise BadArguments(wording.NO_SUCH, typed=one_line(typed))
        if len(found) > 1:
            names = ", ".join(f"{each.number} {escaped(one_line(each.name))}" for each in found[:5])
            raise BadArguments(wording.SEVERAL, typed=one_line(typed), names=names)
        return found[0]

    async def _mine(self, call: Call) -> Subscription:
        """The one that is meant, if the caller may change it."""
        chosen = await self._chosen(call)
        if call.role < Role.MODERATOR and chosen.added_by != call.member.key:
            raise NotAllowed(wording.NOT_YOURS)
        return chosen


def _check_may_add(call: Call) -> None:
    adders = call.values[FEEDS_BY].role
    if call.role < adders:
        raise NotAllowed(both(wording.ADDING_IS_FOR, who=_at_least(adders)))


def _title(found: Discovery) -> str:
    return escaped(found.parsed.title or found.address)


def _done(call: Call, text: Text, chosen: Subscription, what: str, change: Operation[object], **values: str) -> Done:
    said = text.in_language(call.language, title=escaped(chosen.name), **values)
    return Done(said, write=_noted(call, what, chosen.address, change))


def _noted(call: Call, what: str, address: str, change: Operation[object]) -> Operation[object]:
    """``change`` with the audit's row."""

    def write(connection: Connection) -> None:
        change(connection)
        _audit(connection, call, what, address)

    return write


def _audit(connection: Connection, call: Call, what: str, address: str) -> None:
    audit.record(
        connection,
        at=call.at,
        who=call.member.key,
        scope=scope_of(call.room),
        what=what,
        new=address,
        message_id=call.message_id,
    )


def _duration(seconds: float) -> Text:
    return Text(zh=say_duration(seconds, "zh"), en=say_duration(seconds, "en"))


def _at_least(role: Role) -> Text:
    return Text(zh=at_least(role, "zh"), en=at_least(role, "en"))

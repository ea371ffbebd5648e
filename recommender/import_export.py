"""A room's feeds as an OPML file, and an OPML file as a room's feeds."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from bot import audit
from bot.commands import BadArguments, Call, Done
from bot.durations import say_duration
from bot.errors import MemberError, PlatformError
from bot.event import AttachmentKind
from bot.ports import Platform
from bot.scopes import scope_of
from bot.store import Store
from net.fetching import host_of
from recommender import opml, wording
from recommender.discovering import Discoverer, NotFound
from recommender.opml import Listed
from recommender.settings import FeedSettings
from recommender.subscriptions import Subscription, add_listed, of_room


async def import_command(
    call: Call, store: Store, platforms: Mapping[str, Platform], discoverer: Discoverer, settings: FeedSettings
) -> Done:
    """The list in the message itself, or in the file that came with it."""
    data = await _list(call, platforms, settings.max_opml_bytes)
    try:
        listed = await asyncio.to_thread(opml.read, data)
    except opml.NotAList:
        raise BadArguments(wording.IMPORT_EMPTY) from None
    usable = await asyncio.to_thread(addressed, listed, discoverer)
    here = {each.address for each in await store.read(partial(of_room, room=call.room.key))}
    new = [each for each in usable if each[0].address not in here]
    left = max(0, len(here) + len(new) - settings.feeds_per_room)
    text = wording.IMPORTED.in_language(
        call.language,
        added=len(new) - left,
        known=len(usable) - len(new),
        bad=len(listed) - len(usable),
        left=left,
        within=say_duration(settings.import_within_s, call.language),
    )
    add = partial(add_listed, room=call.room.key, who=call.member.key, now=call.at, listed=new, settings=settings)

    def write(connection: Connection) -> None:
        add(connection)
        audit.record(
            connection,
            at=call.at,
            who=call.member.key,
            scope=scope_of(call.room),
            what="feed.import",
            new=len(new) - left,
            message_id=call.message_id,
        )

    return Done(text, write=write)


def addressed(listed: Sequence[Listed], discoverer: Discoverer) -> list[tuple[Listed, str]]:
    """Those with an address that can be asked, once each, with its host."""
    found: dict[str, tuple[Listed, str]] = {}
    for each in listed:
        try:
            address = discoverer.address_of(each.address)
        except NotFound:
            continue
        found.setdefault(address, (Listed(address, each.title[:200], each.site[:2_000]), host_of(address)))
    return list(found.values())


def exported(feeds: Sequence[Subscription], language: str) -> str:
    title = wording.EXPORT_TITLE.in_language(language)
    return opml.write(title, (Listed(each.address, each.title, each.site) for each in feeds))


async def _list(call: Call, platforms: Mapping[str, Platform], max_bytes: int) -> bytes:
    text = (call.arguments.get("list") or "").strip()
    if text.startswith("```"):
        text = text.strip("`").removeprefix("xml").strip()
    file = next((each for each in call.attachments if each.kind is AttachmentKind.FILE), None)
    if file is None:
        if not text:
            raise BadArguments(wording.IMPORT_EMPTY)
        return text.encode()
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="maodou-feeds-")
    try:
        path = await platforms[call.room.platform].fetch(file, Path(folder.name), max_bytes)
        data = await asyncio.to_thread(_read, path, max_bytes)
    except (PlatformError, OSError):
        raise MemberError(wording.NOT_FETCHED) from None
    finally:
        await asyncio.to_thread(folder.cleanup)
    if len(data) > max_bytes:
        raise MemberError(wording.IMPORT_LARGE, most=max_bytes >> 10)
    return data


def _read(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(max_bytes + 1)

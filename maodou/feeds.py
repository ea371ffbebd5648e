"""``maodou feeds …``: what rooms read, from the command line. A running Maodou goes on with a change by itself."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.store import Store
    from maodou.config import Settings
    from recommender.discovering import Discovery
    from recommender.subscriptions import Subscription

app = typer.Typer(help="Feeds: what rooms read; try an address; OPML in and out.", no_args_is_help=True)

WHO = "console"
RoomOption = Annotated[str, typer.Option("--room", help="The room, as `maodou feeds list` names it: discord:123.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]


@app.command("list")
def list_feeds(context: typer.Context, room: RoomOption = "", as_json: JsonOption = False) -> None:
    """Every room's feeds, or those of one room."""
    from recommender.left_rooms import rooms_left
    from recommender.reasons import in_words
    from recommender.subscriptions import of_room, rooms_that_read

    with opened(context) as (store, _):
        rooms = [room] if room else store.read_now(rooms_that_read)
        found = {each: store.read_now(partial(of_room, room=each)) for each in rooms}
        left = store.read_now(rooms_left)
    if as_json:
        told = {each: [_json(feed) for feed in feeds] for each, feeds in found.items()}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    for each, feeds in found.items():
        typer.echo(f"{each}{' (the bot has left it)' if each in left else ''}:")
        for feed in feeds:
            state = f" – {in_words(feed.reason, 'en', feed.address)}" if feed.failures else ""
            typer.echo(f"  {feed.number}. {feed.name} {feed.address}{' (paused)' if feed.paused_at else ''}{state}")
    if not any(found.values()):
        typer.echo("Nothing is read yet: `/feed add <address>` in a room, or `maodou feeds add <address> --room …`.")


@app.command("test")
def try_out(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="A page, a site, a feed, or rsshub://route.")],
    as_json: JsonOption = False,
) -> None:
    """Find the feed behind an address and show what is in it. Nothing is stored."""
    with opened(context) as (_, settings):
        found = _find(settings, address)
    entries = [{"title": each.title, "link": each.link} for each in found.parsed.entries]
    if as_json:
        told = {"address": found.address, "title": found.parsed.title, "entries": entries}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(f"{found.parsed.title or '(no title)'} {found.address}: {len(entries)} entries")
    for each in entries[:5]:
        typer.echo(f"- {each['title']} {each['link']}")


@app.command()
def add(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="A page, a site, a feed, or rsshub://route.")],
    room: RoomOption,
) -> None:
    """Subscribe a room. What the feed lists now is not sent."""
    from net.fetching import host_of
    from recommender.opml import Listed
    from recommender.subscriptions import add_listed

    with opened(context) as (store, settings):
        _check_room(store, room)
        found = _find(settings, address)
        listed = [(Listed(found.address, found.parsed.title, found.parsed.site), host_of(found.address))]
        added, _ = store.write_now(
            lambda connection: add_listed(connection, room, WHO, time.time(), listed, settings.feeds)
        )
    typer.echo(f"{found.parsed.title or found.address}: {'added' if added else 'read there already'}.")


@app.command()
def remove(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="Its number, its address, or a part of its title.")],
    room: RoomOption,
) -> None:
    """End a room's subscription."""
    from bot.errors import UsageError
    from recommender import subscriptions

    with opened(context) as (store, settings):
        found = subscriptions.matching(store.read_now(lambda connection: subscriptions.of_room(connection, room)), feed)
        if len(found) != 1:
            raise UsageError(f"{feed!r} is {len(found) or 'none'} of {room}'s feeds; see `maodou feeds list`.")
        store.write_now(
            lambda connection: subscriptions.remove(connection, room, found[0].feed_id, time.time(), settings.feeds)
        )
    typer.echo(f"{found[0].name}: removed.")


@app.command("import")
def import_list(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="OPML, or a text with addresses.", exists=True, dir_okay=False)],
    room: RoomOption,
) -> None:
    """Take in a list of feeds. Nothing old is sent."""
    from bot.errors import UsageError
    from net.fetching import Fetcher
    from recommender import opml
    from recommender.discovering import Discoverer
    from recommender.import_export import addressed
    from recommender.parsing import Parser
    from recommender.subscriptions import add_listed

    with opened(context) as (store, settings):
        _check_room(store, room)
        try:
            listed = opml.read(file.read_bytes())
        except opml.NotAList:
            raise UsageError(f"{file} is no OPML file and holds no addresses.") from None
        usable = addressed(listed, Discoverer(Fetcher(), Parser(), settings.feeds.rsshub))
        added, left = store.write_now(
            lambda connection: add_listed(connection, room, WHO, time.time(), usable, settings.feeds)
        )
    known = len(usable) - added - left
    typer.echo(f"{added} added, {known} known, {len(listed) - len(usable)} not usable, {left} found no room.")


@app.command()
def export(context: typer.Context, room: RoomOption) -> None:
    """A room's feeds as OPML, to the standard output."""
    from recommender.import_export import exported
    from recommender.subscriptions import of_room

    with opened(context) as (store, _):
        found = store.read_now(lambda connection: of_room(connection, room))
    sys.stdout.write(exported(found, "en"))


@contextmanager
def opened(context: typer.Context) -> Iterator[tuple[Store, Settings]]:
    """The store and the settings, for one command."""
    from maodou.config import begin
    from maodou.database import open_store

    settings = begin(context.obj, quiet=True)
    store = open_store(settings)
    try:
        yield store, settings
    finally:
        store.close()


def _find(settings: Settings, address: str) -> Discovery:
    """Raises ``UsageError`` with the reason in words."""
    from bot.errors import UsageError
    from net.fetching import Fetcher
    from recommender.discovering import Discoverer, NotFound
    from recommender.parsing import Parser
    from recommender.reasons import in_words

    async def find() -> Discovery:
        fetcher, parser = Fetcher(settings.feeds.fetch), Parser(settings.feeds.parse)
        try:
            return await Discoverer(fetcher, parser, settings.feeds.rsshub).find(address)
        finally:
            await parser.aclose()

    try:
        return asyncio.run(find())
    except NotFound as error:
        raise UsageError(f"No feed at {address}: {in_words(error.reason, 'en', address)}.") from None


def _check_room(store: Store, room: str) -> None:
    """A subscription of a room that nobody has ever been in would be read for nobody."""
    from sqlalchemy import select

    from bot.errors import UsageError
    from bot.tables import rooms

    known = list(store.read_now(lambda connection: connection.execute(select(rooms.c.key)).scalars().all()))
    if room not in known:
        raise UsageError(f"There is no room {room!r}; there are: {', '.join(sorted(known)[:20]) or 'none yet'}.")


def _json(feed: Subscription) -> dict[str, object]:
    return {
        "number": feed.number,
        "address": feed.address,
        "title": feed.title,
        "paused": feed.paused_at is not None,
        "failures": feed.failures,
        "reason": feed.reason,
        "include": feed.include,
        "exclude": feed.exclude,
    }

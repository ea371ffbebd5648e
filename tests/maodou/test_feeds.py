"""``maodou feeds``: what an operator does with the feeds of rooms while nothing runs, or beside a Maodou that does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.maodou.conftest import Maodou
from tests.recommender.test_once import feed_server

ROOM = "discord:123"


@pytest.fixture
def address() -> Iterator[str]:
    with feed_server() as served:
        yield served


@pytest.fixture
def database(home: Path, maodou: Maodou) -> Path:
    """Of an installation that knows one room."""
    (home / "config.yaml").write_text("sample: false\nfeeds: {fetch: {allow_hosts: [127.0.0.1]}}\n")
    maodou("feeds", "list")
    path = home / "data" / "maodou.db"
    _change(path, "INSERT INTO rooms (key, platform, id, kind, seen_at) VALUES (?, 'discord', '123', 'group', 1)", ROOM)
    return path


def _change(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


@pytest.mark.usefixtures("database")
def test_a_feed_is_added_listed_and_removed(maodou: Maodou, address: str) -> None:
    assert "Nothing is read yet" in maodou("feeds", "list").out
    assert maodou("feeds", "add", address, "--room", ROOM).out == "News: added.\n"
    assert maodou("feeds", "add", address, "--room", ROOM).out == "News: read there already.\n"
    assert maodou("feeds", "list").out == f"{ROOM}:\n  1. News {address}\n"
    assert "Nothing is read yet" in maodou("feeds", "list", "--room", "discord:9").out
    assert maodou("feeds", "remove", "1", "--room", ROOM).out == "News: removed.\n"
    assert "Nothing is read yet" in maodou("feeds", "list").out


def test_the_list_says_what_is_paused_what_fails_and_where_the_bot_is_no_more(
    maodou: Maodou, address: str, database: Path
) -> None:
    maodou("feeds", "add", address, "--room", ROOM)
    _change(database, "UPDATE feed_subscriptions SET paused_at = 1")
    _change(database, "UPDATE feeds SET failures = 3, reason = 'gone'")
    _change(database, "UPDATE rooms SET removed_at = 1")
    told = maodou("feeds", "list").out
    assert told.startswith(f"{ROOM} (the bot has left it):\n")
    assert f"1. News {address} (paused) – it says that it is gone for good (410)" in told
    (listed,) = json.loads(maodou("feeds", "list", "--json").out)[ROOM]
    assert listed == {
        "number": 1,
        "address": address,
        "title": "News",
        "paused": True,
        "failures": 3,
        "reason": "gone",
        "include": [],
        "exclude": [],
    }


@pytest.mark.usefixtures("database")
def test_an_address_is_tried_and_nothing_is_stored(maodou: Maodou, address: str) -> None:
    told = maodou("feeds", "test", address).out
    assert told.startswith(f"News {address}: 5 entries\n- story 1 https://news.example/id-story%201\n")
    assert len(json.loads(maodou("feeds", "test", address, "--json").out)["entries"]) == 5
    assert "Nothing is read yet" in maodou("feeds", "list").out


@pytest.mark.usefixtures("database")
def test_what_cannot_be_done_is_said_in_a_sentence(maodou: Maodou, address: str) -> None:
    refused = maodou("feeds", "test", "http://10.0.0.1/feed")
    assert refused.code == 2
    assert "No feed at http://10.0.0.1/feed: the address leads into a private network" in refused.err
    unknown = maodou("feeds", "add", address, "--room", "discord:9")
    assert unknown.code == 2
    assert f"There is no room 'discord:9'; there are: {ROOM}." in unknown.err
    nothing = maodou("feeds", "remove", "7", "--room", ROOM)
    assert nothing.code == 2
    assert f"'7' is none of {ROOM}'s feeds" in nothing.err


def test_a_list_goes_out_and_comes_in_elsewhere(maodou: Maodou, address: str, database: Path, home: Path) -> None:
    maodou("feeds", "add", address, "--room", ROOM)
    exported = maodou("feeds", "export", "--room", ROOM).out
    assert f'xmlUrl="{address}"' in exported
    _change(database, "INSERT INTO rooms (key, platform, id, kind, seen_at) VALUES ('web:a', 'web', 'a', 'group', 1)")
    (home / "list.opml").write_text(exported)
    done = maodou("feeds", "import", "list.opml", "--room", "web:a").out
    assert done == "1 added, 0 known, 0 not usable, 0 found no room.\n"
    (home / "addresses.txt").write_text(f"{address} https://two.example/feed http://[bad/")
    done = maodou("feeds", "import", "addresses.txt", "--room", "web:a").out
    assert done == "1 added, 1 known, 1 not usable, 0 found no room.\n"
    (home / "empty.txt").write_text("nothing to see")
    assert "is no OPML file and holds no addresses" in maodou("feeds", "import", "empty.txt", "--room", "web:a").err

""" "Why is it silent in this group?": each cause is prepared, and the doctor names it and what to do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sqlalchemy import Connection, insert, update

from bot.delivery import DeliveryState
from bot.store import make_engine
from bot.tables import deliveries, inbox, rooms
from bot.tables import settings as settings_table
from maodou.config import load
from maodou.doctor_platforms import Cause
from maodou.health_file import health_file, read_pulse, telling
from maodou.instance import lock_file
from tests.emulators.discord import Channel, DiscordEmulator
from tests.emulators.feishu import Feishu
from tests.maodou.conftest import Maodou
from tests.maodou.local_discord import LocalDiscord
from tests.waiting import until

NOW = time.time


class House:
    """An installation in which all is well: documents, a running process, a room that has been heard."""

    def __init__(self, home: Path, maodou: Maodou, section: str, room: str, secret: tuple[str, str]) -> None:
        self.home, self.maodou, self.room = home, maodou, room
        (home / "config.yaml").write_text(f"sample: false\nrooms: {{unasked: quiet}}\n{section}")
        (home / ".env").write_text(f"{secret[0]}={secret[1]}\n")
        (home / ".env").chmod(0o600)
        (home / "guide").mkdir()
        (home / "guide" / "beans.md").write_text("# 豆子\n\n豆子要先泡一夜，再种到土里。\n")
        assert maodou("kb", "add", home / "guide").code == 0
        self.settings = load()
        platform, _, id = room.partition(":")
        self.write(
            lambda connection: connection.execute(
                insert(rooms).values(key=room, platform=platform, id=id, kind="group", seen_at=NOW())
            )
        )
        self.said("m1", outcome="answered", reason="from_documents")
        self.delivered("sent")
        self.lock = FileLock(lock_file(self.settings))
        self.lock.acquire()
        self.tells({})

    def write(self, operation: Callable[[Connection], Any]) -> None:
        engine = make_engine(self.settings.store)
        with engine.begin() as connection:
            operation(connection)
        engine.dispose()

    def said(self, id: str, *, ago_s: float = 5.0, outcome: str | None = None, reason: str | None = None) -> None:
        row = {
            "key": id,
            "room": self.room,
            "kind": "said",
            "message_id": id,
            "at": NOW() - ago_s,
            "received_at": NOW() - ago_s,
            "outcome": outcome,
            "reason": reason,
        }
        self.write(lambda connection: connection.execute(insert(inbox).values(row)))

    def delivered(self, state: str, error: str = "") -> None:
        row = {
            "key": f"k{NOW()}",
            "room": self.room,
            "act": "send",
            "state": state,
            "planned_at": NOW(),
            "error": error,
        }
        self.write(lambda connection: connection.execute(insert(deliveries).values(row)))

    def set(self, name: str, value: object) -> None:
        row = {"scope": f"room:{self.room}", "name": name, "value": value}
        self.write(lambda connection: connection.execute(insert(settings_table).values(row)))

    def tells(self, parts: dict[str, str], *, ago_s: float = 0.0) -> None:
        told = {"at": NOW() - ago_s, "parts": parts}
        health_file(self.settings.data_dir).write_text(json.dumps(told))

    def asked(self, room: str | None = None) -> dict[str, dict[str, Any]]:
        """The doctor's findings by label."""
        done = self.maodou("doctor", "--json", "--room", room or self.room)
        assert done.out, done.err
        found = {result["label"]: result for result in json.loads(done.out)}
        assert done.code == (0 if all(result["ok"] for result in found.values()) else 1)
        return found

    def wrong(self, room: str | None = None) -> dict[str, str]:
        """What is wrong, and what to do about it; everything that is wrong has a resolution."""
        wrong = {label: result for label, result in self.asked(room).items() if not result["ok"]}
        assert all(result["resolution"] for result in wrong.values())
        return {label: result["details"] for label, result in wrong.items()}


@pytest.fixture
def discord() -> Iterator[DiscordEmulator]:
    running = LocalDiscord()
    yield running.emulator
    running.close()


@pytest.fixture
def channel(discord: DiscordEmulator) -> Channel:
    return discord.world.channel(discord.world.guild("Beans"), "help")


@pytest.fixture
def house(home: Path, maodou: Maodou, discord: DiscordEmulator, channel: Channel) -> Iterator[House]:
    section = f"discord:\n  api_base: {discord.api_url}\n"
    house = House(home, maodou, section, f"discord:{channel.id}", ("MAODOU_DISCORD_TOKEN", discord.token))
    yield house
    house.lock.release()


@pytest.fixture
def feishu() -> Iterator[Feishu]:
    with Feishu() as running:
        yield running


@pytest.fixture
def feishu_house(home: Path, maodou: Maodou, feishu: Feishu) -> Iterator[House]:
    section = f"feishu: {{app_id: {feishu.app_id}, domain: '{feishu.url}'}}\n"
    house = House(home, maodou, section, "feishu:oc_1", ("MAODOU_FEISHU_APP_SECRET", feishu.secret))
    yield house
    house.lock.release()


def test_where_all_is_well_it_says_so(house: House) -> None:
    found = house.asked()
    assert house.wrong() == {}
    assert found[house.room]["details"] == "nothing keeps it from speaking here"
    assert "Answered" in found[Cause.LAST]["details"]


def test_a_wrong_token(house: House, discord: DiscordEmulator) -> None:
    discord.token = "another"
    assert "refuses this token" in house.wrong()[Cause.WRONG_SECRET]


def test_a_missing_intent(house: House, discord: DiscordEmulator) -> None:
    discord.allowed_intents = 0
    assert set(house.wrong()) == {Cause.MISSING_INTENT}


def test_the_platform_cannot_be_reached(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_DISCORD_API_BASE", "http://127.0.0.1:9/api")
    assert "cannot be reached" in house.wrong()[Cause.CONNECTION_LOST]


def test_nothing_is_running(house: House) -> None:
    house.lock.release()
    assert set(house.wrong()) == {Cause.NOT_RUNNING}


def test_the_connection_is_lost(house: House) -> None:
    house.tells({"discord": "Discord: no connection for 40 s; it is being tried again."})
    assert house.wrong() == {Cause.CONNECTION_LOST: "Discord: no connection for 40 s; it is being tried again."}


def test_a_lane_is_stuck(house: House) -> None:
    house.tells({"lanes": f"Stuck: {house.room}"})
    assert house.room in house.wrong()[Cause.STUCK]


def test_the_process_says_nothing_any_more(house: House) -> None:
    house.tells({}, ago_s=60)
    assert "60 s" in house.wrong()[Cause.STUCK]


def test_messages_wait_and_nobody_gets_to_them(house: House) -> None:
    house.said("m2", ago_s=1200)
    assert "1 of its messages" in house.wrong()[Cause.STUCK]


def test_it_was_removed(house: House) -> None:
    house.write(lambda connection: connection.execute(update(rooms).values(removed_at=NOW() - 3600)))
    assert "removed from the room" in house.wrong()[Cause.REMOVED]


def test_it_cannot_see_the_channel(house: House, discord: DiscordEmulator, channel: Channel) -> None:
    discord.faults.denied[channel.id] = 50001
    assert "403" in house.wrong()[Cause.REMOVED]


def test_a_room_that_was_never_heard(house: House) -> None:
    assert "nothing was ever heard from this room" in house.wrong("discord:42")[Cause.REMOVED]


def test_it_may_not_write(house: House) -> None:
    house.delivered(DeliveryState.UNDELIVERABLE.value, "Discord refused: 403 50013 Missing Permissions")
    wrong = house.wrong()
    assert set(wrong) == {Cause.CANNOT_SEND}
    assert "50013" in wrong[Cause.CANNOT_SEND]


def test_it_is_muted(house: House) -> None:
    house.set("muted_until", NOW() + 3600)
    assert set(house.wrong()) == {Cause.MUTED}


def test_the_room_reads_an_empty_knowledge_base(house: House) -> None:
    house.set("knowledge", ["elsewhere"])
    assert "elsewhere" in house.wrong()[Cause.NO_DOCUMENTS]


def test_that_it_speaks_only_when_addressed_is_told_and_no_fault(house: House) -> None:
    house.set("unasked", "off")
    assert house.wrong() == {}
    assert "unasked" in house.asked()[Cause.UNASKED_OFF]["details"]


def test_feishu_lacks_a_permission(feishu_house: House, feishu: Feishu) -> None:
    assert feishu_house.wrong() == {}
    feishu.faults.missing_scopes.add("im:message:send_as_bot")
    assert "im:message:send_as_bot (to answer)" in feishu_house.wrong()[Cause.MISSING_SCOPE]


def test_feishu_sends_only_mentions(feishu_house: House, feishu: Feishu) -> None:
    feishu.faults.missing_scopes.add("im:message.group_msg")
    assert set(feishu_house.wrong()) == {Cause.ONLY_MENTIONS}


def test_feishu_is_not_subscribed_to_its_events(feishu_house: House) -> None:
    feishu_house.write(lambda connection: [connection.execute(table.delete()) for table in (inbox, rooms)])
    assert set(feishu_house.wrong()) == {Cause.NO_EVENTS}
    assert "im.message.receive_v1" in feishu_house.asked()[Cause.NO_EVENTS]["resolution"]


def test_feishu_refuses_the_secret(feishu_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_FEISHU_APP_SECRET", "wrong")
    assert "refuses the secret" in feishu_house.wrong()[Cause.WRONG_SECRET]


@pytest.mark.parametrize("room", ["123", "discord:", "matrix:1"])
def test_what_is_no_room_is_said(house: House, maodou: Maodou, room: str) -> None:
    done = maodou("doctor", "--room", room)
    assert done.code == 2
    assert "write it as platform:id" in done.err


def test_a_platform_that_is_not_configured_is_said(house: House, maodou: Maodou) -> None:
    done = maodou("doctor", "--room", "feishu:oc_1")
    assert done.code == 2
    assert "maodou connect feishu" in done.err


def test_the_whole_doctor_asks_the_platform_too(house: House, maodou: Maodou, discord: DiscordEmulator) -> None:
    assert "the token is good: Maodou" in maodou("doctor").out
    discord.token = "another"
    assert "refuses this token" in maodou("doctor").out


async def test_the_running_process_tells_how_it_is(tmp_path: Path) -> None:
    async with telling(lambda: {"discord": "lost", "lanes": None}, tmp_path):
        await until(health_file(tmp_path).exists)
        pulse = await asyncio.to_thread(read_pulse, tmp_path)
        assert pulse is not None
        assert pulse.parts == {"discord": "lost", "lanes": None}
        assert pulse.age_s < 5
    assert await asyncio.to_thread(read_pulse, tmp_path) is None

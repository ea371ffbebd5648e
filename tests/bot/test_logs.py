"""The log: one id from an event to its deliveries, and never a secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, text

from bot.delivery import Delivery
from bot.errors import TryLater
from bot.event import Said
from bot.logs import BLOT, LogSettings, Secrets, bound, configure
from bot.store import Store
from bot.testing import Bot
from tests.clock import ManualClock
from tests.waiting import advance_until

SECRET = "p\"ss w'örd/密码\n+x"


@pytest.fixture(autouse=True)
def leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(secrets: Secrets, format: str = "json") -> str:
    """Everything that a secret can hide in, logged once."""
    stream = io.StringIO()
    configure(LogSettings(format=format, level="debug"), secrets, stream=stream)
    log = structlog.get_logger("bot.test")
    log.info(SECRET, plain=SECRET, nested={"a": [SECRET]}, shown=repr(SECRET), thing=ValueError(SECRET))
    log.info("url", url="https://x/?token=p%22ss%20w%27%C3%B6rd%2F%E5%AF%86%E7%A0%81%0A%2Bx")
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("failed")
    logging.getLogger("library").warning("it said %s", SECRET)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_is_ever_written(format: str) -> None:
    written = logged(Secrets([SECRET]), format)
    assert "ss w" not in written
    assert "密码" not in written
    assert "%5AF%86" not in written
    assert written.count(BLOT) >= 8


@pytest.mark.parametrize("format", ["json", "console"])
def test_without_the_list_of_secrets_it_would_be(format: str) -> None:
    written = logged(Secrets(), format)
    assert "ss w" in written
    assert BLOT not in written


def test_a_secret_inside_another_leaves_no_rest() -> None:
    secrets = Secrets(["abcdef", "abcdef-tail"])
    assert secrets.blot("x abcdef-tail y abcdef") == f"x {BLOT} y {BLOT}"


def test_a_secret_learnt_later_is_kept_too() -> None:
    secrets, stream = Secrets(), io.StringIO()
    configure(LogSettings(format="json"), secrets, stream=stream)
    secrets.add("learnt-later")
    structlog.get_logger("bot.test").info("x", y="learnt-later")
    assert "learnt-later" not in stream.getvalue()


def test_a_secret_too_short_to_tell_from_words_is_refused() -> None:
    with pytest.raises(ValueError, match="characters"):
        Secrets(["abc"])


async def test_one_id_runs_through_an_event_and_the_tasks_it_starts() -> None:
    stream = io.StringIO()
    configure(LogSettings(format="json"), Secrets(), stream=stream)
    log = structlog.get_logger("bot.test")

    async def deliver() -> None:
        log.info("outbox.sent")

    async def handle(event: int) -> None:
        with bound(event_id=event, room=None):
            log.info("inbox.accepted")
            await asyncio.create_task(deliver())
        log.info("after")

    await asyncio.gather(handle(1), handle(2))
    told = lines(stream)
    assert sorted(((line["event"], line.get("event_id")) for line in told), key=str) == [
        ("after", None),
        ("after", None),
        ("inbox.accepted", 1),
        ("inbox.accepted", 2),
        ("outbox.sent", 1),
        ("outbox.sent", 2),
    ]
    assert all("room" not in line for line in told)


def test_a_line_outside_a_terminal_is_one_json_object_even_with_a_traceback() -> None:
    stream = io.StringIO()
    configure(LogSettings(), Secrets(), stream=stream)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger("bot.test").exception("inbox.commit_failed", number=3)
    (line,) = lines(stream)
    assert line["event"] == "inbox.commit_failed"
    assert line["level"] == "error"
    assert line["logger"] == "bot.test"
    assert "RuntimeError: broken" in line["exception"]


def test_a_traceback_shows_no_local_variables() -> None:
    for format in ("json", "console"):
        stream = io.StringIO()
        configure(LogSettings(format=format), Secrets(), stream=stream)
        text_of_a_member = "".join(["what ", "anna ", "said"])
        try:
            raise RuntimeError(len(text_of_a_member))
        except RuntimeError:
            structlog.get_logger("bot.test").exception("failed")
        assert text_of_a_member not in stream.getvalue()


def test_our_level_and_the_libraries_are_set_apart() -> None:
    stream = io.StringIO()
    configure(LogSettings(format="json", level="info", library_level="error"), Secrets(), stream=stream)
    structlog.get_logger("bot.test").debug("too.quiet")
    structlog.get_logger("bot.test").info("ours")
    logging.getLogger("library").warning("chatter")
    logging.getLogger("library").error("trouble")
    assert [line["event"] for line in lines(stream)] == ["ours", "trouble"]


def test_set_up_twice_it_still_writes_each_line_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure(LogSettings(format="json"), Secrets(), stream=first)
    configure(LogSettings(format="json"), Secrets(), stream=second)
    structlog.get_logger("bot.test").info("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


class FullDisk(io.StringIO):
    """Takes no line."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", [FullDisk, io.StringIO])
async def test_a_log_that_cannot_be_written_stops_nothing(store: Store, kind: type[io.StringIO]) -> None:
    """Least of all the one that writes, which logs when the database fails – on the same full disk perhaps."""
    out = kind()
    configure(LogSettings(format="json"), Secrets(), stream=out)
    if kind is io.StringIO:
        out.close()
    structlog.get_logger("bot.test").error("said to nobody")

    def break_the_batch(connection: Connection) -> None:
        connection.connection.dbapi_connection.close()  # type: ignore[union-attr]
        connection.execute(text("SELECT 1"))

    async with asyncio.timeout(10):
        with pytest.raises(Exception, match=r"(?i)closed"):
            await store.write(break_the_batch)
        assert await store.write(lambda connection: 7) == 7


def test_lines_of_several_threads_do_not_mingle(tmp_path: Path) -> None:
    path, words = tmp_path / "log", "毛豆" * 6_000
    with path.open("w", encoding="utf-8") as out:
        configure(LogSettings(format="json"), Secrets(), stream=out)

        def write(thread: int) -> None:
            log = structlog.get_logger("bot.test")
            for number in range(50):
                log.info("line", thread=thread, number=number, words=words)
                logging.getLogger("library").warning("theirs %s", words)

        threads = [threading.Thread(target=write, args=(each,)) for each in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    written = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(written) == 2 * 4 * 50
    ours = [(line["thread"], line["number"]) for line in written if line["event"] == "line"]
    assert sorted(ours) == [(thread, number) for thread in range(4) for number in range(50)]


async def test_the_lines_of_a_delivery_name_the_event_that_it_answers(store: Store, clock: ManualClock) -> None:
    """The queue goes on from one event's delivery to the next one's, beside the tasks that planned them."""
    stream = io.StringIO()
    configure(LogSettings(format="json"), Secrets(), stream=stream)
    async with Bot(store, clock) as bot:
        room = bot.room()

        def at_first(delivery: Delivery) -> None:
            if [each.key for each in bot.platform.attempts].count(delivery.key) == 1:
                raise TryLater(0.1, "busy")

        bot.platform.on_send = at_first
        for id in ("m1", "m2"):
            await bot.core.inbox.accept(Said(room.message("@毛豆 在吗", id=id)))
        await advance_until(clock, lambda: len(room.shown) == 2)
        await bot.core.idle()
        ids = [(await room.decision(id)).id for id in ("m1", "m2")]
    retried = [line for line in lines(stream) if line["event"] == "outbox.retry"]
    assert [line["event_id"] for line in retried] == ids
    assert {line["room"] for line in retried} == {room.room.key}

"""The process whose memory ``base`` measures: all of the app with its web room, after a few questions in it.

Reads questions as JSON lines, says them in the room as a member would, and prints what the process then holds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, func, select

from adapters.web.settings import WebSettings
from benchmarks._memory import rss_mib
from bot.delivery import DeliveryState
from bot.event import Addressed, Member, Message, Room, Said
from bot.logs import LogSettings, Secrets, configure
from bot.ports import Platform
from bot.tables import deliveries
from maodou.app import App
from maodou.config import Settings
from maodou.platforms import configured_platforms, furnish


def said(room: Room, number: int, text: str) -> Said:
    member = Member(room.platform, "benchmark", "Benchmark")
    return Said(Message(f"benchmark-{number}", room, member, text, Addressed.MENTION, sent_at=time.time()))


def _sent(connection: Connection) -> int:
    query = select(func.count()).where(deliveries.c.state == DeliveryState.SENT.value)
    return int(connection.scalar(query) or 0)


async def serve(app: App, questions: Sequence[str]) -> None:
    connected = asyncio.Event()

    def announce(platform: Platform) -> None:
        connected.set()

    running = asyncio.create_task(app.run(announce))
    try:
        await asyncio.wait_for(connected.wait(), 60)
        (platform,) = app.platforms.values()
        room = Room(platform.name, app.settings.serves_web.room_id if app.settings.serves_web else "")
        for number, question in enumerate(questions):
            await app.core.inbox.accept(said(room, number, question))
        await app.core.idle()
        sent = await app.store.read(_sent)
        counts = {"questions": len(questions), "messages_sent": sent, "rss_mib": round(rss_mib(), 1)}
        sys.stdout.write(json.dumps(counts) + "\n")
    finally:
        app.stop()
        await running


def main() -> None:
    configure(LogSettings(level="warning"), Secrets(()))
    questions = [json.loads(line) for line in sys.stdin if line.strip()]
    settings = Settings(data_dir=Path(sys.argv[1]), sample=False, web=WebSettings(port=0))
    with App.open(settings, configured_platforms) as app:
        furnish(app)
        asyncio.run(serve(app, questions))


if __name__ == "__main__":
    main()

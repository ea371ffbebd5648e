"""The platforms of one installation, made from its settings. Each library is imported only when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.commands import Call
from bot.errors import MemberError
from bot.event import Member, Role
from bot.ports import Clock, Platform
from bot.store import Store
from maodou.config import Settings

if TYPE_CHECKING:
    from adapters.web.adapter import WebPlatform
    from maodou.app import App


def configured_platforms(settings: Settings, store: Store, clock: Clock) -> Sequence[Platform]:
    """Raises ``UsageError`` where a platform lacks its secret, its extra or its port."""
    platforms: list[Platform] = []
    if (web := settings.serves_web) is not None:
        from adapters.web.adapter import WebPlatform

        room = WebPlatform(store, web, clock, settings.data_dir)
        room.bind()
        platforms.append(room)
    return platforms


def furnish(app: App, web: WebPlatform) -> None:
    """Give the web room's pages what they show of the rest of the house."""
    from maodou.desk import LibraryDesk

    core = app.core
    web.desks.health = app.health
    web.desks.scopes = core.scopes
    web.desks.knowledge = LibraryDesk(app.documents.library, app.store, core.clock, app.settings.data_dir / "documents")
    core.retention.add(web.eraser())

    async def why(message_id: str, language: str) -> str:
        """As ``/why`` tells it to a moderator."""
        command = core.commands.get("why")
        if command is None or command.handler is None:
            return ""
        call = Call(
            event_id=0,
            room=web.room.room,
            member=Member(web.name, "console"),
            role=Role.OPERATOR,
            language=language,
            values=await core.scopes.of(web.room.room),
            at=core.clock.now(),
            arguments={"message": message_id},
        )
        try:
            return (await command.handler(call)).text
        except MemberError as error:
            return error.in_language(language)

    web.desks.why = why

"""The platforms of one installation, made from its settings. Each library is imported only when it is wanted."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.commands import Call
from bot.errors import MemberError, UsageError
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
    if settings.discord is not None:
        if importlib.util.find_spec("discord") is None:
            raise UsageError("`discord` is configured, and its extra is missing: pip install -e '.[discord]'.")
        from adapters.discord.adapter import DiscordPlatform

        platforms.append(DiscordPlatform(store, settings.discord, clock))
    if settings.feishu is not None:
        from adapters.feishu.adapter import FeishuPlatform

        platforms.append(FeishuPlatform(settings.feishu))
    return platforms


def furnish(app: App) -> None:
    """Give each platform what it shows of the rest of the house."""
    from adapters.web.adapter import WebPlatform

    for platform in app.platforms.values():
        if isinstance(platform, WebPlatform):
            _furnish_web(app, platform)
        elif platform.name == "discord":
            from adapters.discord.adapter import DiscordPlatform

            if isinstance(platform, DiscordPlatform):
                platform.commands = app.core.commands


def _furnish_web(app: App, web: WebPlatform) -> None:
    """The console's desks, and the erasing of what the room itself keeps."""
    from maodou.desk import LibraryDesk
    from maodou.review_desk import KnowledgeReview
    from rag.uploads import Uploads

    core = app.core
    web.desks.health = app.health
    web.desks.scopes = core.scopes
    web.desks.knowledge = LibraryDesk(app.documents.library, app.store, core.clock, app.settings.data_dir / "documents")
    uploads = Uploads(app.documents.library)
    web.desks.review = KnowledgeReview(uploads, app.documents.sources, app.store, core.clock)
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

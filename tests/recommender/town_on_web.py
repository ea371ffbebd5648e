"""The town in the web room: the real server, and members with browsers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.web import messages
from adapters.web.adapter import WebPlatform
from adapters.web.settings import WebSettings
from bot.event import Role
from tests.recommender.town import ForwardClock, Ours, Town, living

if TYPE_CHECKING:
    from tests.adapters.web.people import Person


class WebTown(Town):
    switcher = "owner"

    def __init__(self, platform: WebPlatform, owner: Person, ann: Person, *parts: Any) -> None:
        super().__init__(*parts)
        self.platform = platform
        self.owner, self.ann = owner, ann

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path) -> AsyncIterator[WebTown]:
        from tests.adapters.web.people import People  # needs Playwright

        clock = ForwardClock()
        web = WebSettings(port=0)
        async with living(folder, lambda *parts: WebPlatform(parts[0], web, parts[1], folder), clock=clock) as (
            app,
            server,
        ):
            platform = app.platforms["web"]
            assert isinstance(platform, WebPlatform)
            async with (
                People.at(platform.room_url) as people,
                people.person() as owner,
                people.person() as ann,
            ):
                await owner.joins("房主")
                await ann.joins("安妮")
                known = {member.name: member.id for member in await platform.members.all()}
                scope = f"room:{platform.room.room.key}"
                await platform.members.set_role(known["房主"], Role.OWNER, who="operator:test", scope=scope)
                await app.core.idle()  # it has greeted
                yield cls(platform, owner, ann, app, server, clock)
                assert owner.troubles == ann.troubles == []

    async def say(self, person: Person, text: str) -> None:
        await person.says(text)

    async def press(self, person: Person, message: Ours, label: str) -> None:
        shown = person.page.locator(f".msg[data-id='{message.id}']")
        await shown.get_by_role("button", name=label, exact=True).click()

    async def shown(self) -> Sequence[Ours]:
        room = self.platform.room.room.id
        kept = await self.app.store.read(lambda connection: messages.latest(connection, room, 100))
        return [
            Ours(str(each.id), each.text, tuple(label for label, _ in each.buttons))
            for each in kept
            if each.author is None
        ]

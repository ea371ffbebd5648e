"""The CDN: attachments by their URL. Faults may slow it, cut it or refuse a link that has expired."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from tests.emulators.discord.server import DiscordEmulator


class Cdn:
    def __init__(self, emulator: DiscordEmulator) -> None:
        self.emulator = emulator
        self.served = 0

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/cdn/attachments/{channel}/{file}/{name}", self.get)

    async def get(self, request: web.Request) -> web.StreamResponse:
        fault = self.emulator.faults.next_cdn(request.path)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
            if fault.abort:
                assert request.transport is not None
                request.transport.abort()
            return web.Response(status=fault.status)
        file = self.emulator.world.files.get(int(request.match_info["file"]))
        if file is None:
            return web.Response(status=404)
        self.served += 1
        return web.Response(body=file.body, headers={"Content-Type": file.media_type})

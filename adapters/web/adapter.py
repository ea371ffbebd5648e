"""The web room as a platform: our deliveries into the room, and the members' acts out of it.

``send`` keeps a message under its delivery's key for as long as the message lives, so the key's window has no
end and a repeated send always finds the first.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import structlog

from adapters.web import messages
from adapters.web.desks import Desks
from adapters.web.files import KeptFile
from adapters.web.identity import Signatures, load_secret
from adapters.web.members import PLATFORM, Members
from adapters.web.messages import Draft
from adapters.web.posting import Posting
from adapters.web.room import WebRoom, as_message_id
from adapters.web.server import Server
from adapters.web.settings import WebSettings
from adapters.web.site import Site
from adapters.web.texts import BOT_NAME
from adapters.web.throttle import Throttle
from bot.delivery import Button, Content, Delivery
from bot.errors import PlatformError, Undeliverable
from bot.event import Added, Attachment, AttachmentKind, Member, Role, Room
from bot.ports import Accept, Capabilities, Clock, Standing
from bot.retention import Eraser
from bot.store import Store

log = structlog.get_logger(__name__)


class WebPlatform:
    """Implements :class:`bot.ports.Platform`.

    ``data_dir``: where the signing secret and attached files are kept. ``desks`` may be filled until ``run``.
    Raises ``UsageError`` when the settings would open the room to others without a password, or when the
    secret cannot be kept.
    """

    name = PLATFORM
    capabilities = Capabilities(
        edits=True,
        recalls=True,
        threads=False,
        streams=True,
        buttons=True,
        voice=True,
        history=True,
        max_chars=20_000,
        sends_per_s=0,
        edits_per_s=6,
        key_window_s=math.inf,
        only_bot=True,
    )

    def __init__(
        self, store: Store, settings: WebSettings, clock: Clock, data_dir: Path, desks: Desks | None = None
    ) -> None:
        folder = data_dir / "web"
        self.settings = settings
        self.desks = desks or Desks()
        self.room = WebRoom(store, clock, settings, folder)
        self.members = Members(store, clock, settings.name_kept_days)
        self.signatures = Signatures(load_secret(folder / "secret"))
        self._server = Server(settings, folder)

    # ── where it is ──────────────────────────────────────────────────────────────────────────────────

    def bind(self) -> None:
        """Take the address; ``run`` does it too, but here ``UsageError`` comes before anything else has started."""
        self._server.bind()

    def release(self) -> None:
        """Let the address go, where ``run`` will not be called after all."""
        self._server.release()

    @property
    def room_url(self) -> str:
        return self._server.url

    def operator_link(self) -> str:
        """A new link that makes the browser in which it is opened first the operator's."""
        return f"{self._server.url}/operator?token={self.signatures.sign_link()}"

    # ── Platform ─────────────────────────────────────────────────────────────────────────────────────

    async def run(self, accept: Accept) -> None:
        """Serve the room until cancelled. Raises ``UsageError`` when its address is taken."""
        self._server.bind()
        posting = Posting(self.room, accept)
        await self.room.open()
        try:
            await accept(Added(self.room.room, self.room.clock.now(), id="opened"))
            await posting.take_untaken()
            await self.room.drop_stray_files()
            throttle = Throttle(self.settings.wrong_passwords_per_minute, self.room.clock)
            site = Site(self.room, posting, self.members, self.signatures, self.settings, self.desks, throttle)
            await self._server.serve(site)
        finally:
            await self.room.close()

    async def send(self, delivery: Delivery) -> str:
        if delivery.room.id != self.room.room.id:
            raise Undeliverable(f"there is no room {delivery.room.id} any more")
        content = delivery.content
        files: tuple[KeptFile, ...] = ()
        if content.audio is not None and not await self._is_sent(delivery.key):
            try:
                files = (await asyncio.to_thread(self._keep_audio, Path(content.audio.path), content.audio.duration_s),)
            except FileNotFoundError as error:
                raise Undeliverable("its sound is gone") from error
        draft = Draft(
            room=delivery.room.id,
            key=delivery.key,
            author=None,
            author_name=BOT_NAME.in_language(self.settings.language),
            text=content.text,
            sent_at=self.room.clock.now(),
            reply_to=as_message_id(delivery.reply_to),
            files=files,
            buttons=_buttons(content.buttons),
            taken=True,
        )
        return str((await self.room.write_ours(draft)).id)

    async def edit(self, room: Room, message_id: str, content: Content) -> None:
        """Raises ``Undeliverable`` when the message is gone."""
        known, at, buttons = as_message_id(message_id) or 0, self.room.clock.now(), _buttons(content.buttons)
        changed = await self.room.store.write(
            lambda connection: messages.change_text(
                connection, known, author=None, text=content.text, at=at, buttons=buttons
            )
        )
        if changed is None:
            raise Undeliverable("the message is gone")
        await self.room.show(changed)

    async def recall(self, room: Room, message_id: str) -> None:
        known, at = as_message_id(message_id) or 0, self.room.clock.now()
        taken_back, refs = await self.room.store.write(lambda connection: messages.take_back(connection, known, at))
        await asyncio.to_thread(self.room.files.drop, refs)
        if taken_back is not None:
            await self.room.show(taken_back)

    async def find(self, delivery: Delivery) -> str | None:
        found = await self.room.store.read(lambda connection: messages.by_key(connection, delivery.key))
        return str(found) if found is not None else None

    async def _is_sent(self, key: str) -> bool:
        return await self.room.store.read(lambda connection: messages.by_key(connection, key)) is not None

    async def role(self, room: Room, member: Member) -> Role:
        found = await self.members.get(member.id)
        return found.role if found is not None else Role.MEMBER

    async def standing(self, room: Room) -> Standing:
        """The web room knows no restriction by age, and its members are whom its operator lets in."""
        return Standing()

    async def thinking(self, room: Room, message_id: str) -> None:
        known = as_message_id(message_id)
        if known is not None and room.id == self.room.room.id:
            self.room.think(known)

    async def fetch(self, attachment: Attachment, into: Path, max_bytes: int) -> Path:
        """Raises ``PlatformError`` for a file that is gone or larger than ``max_bytes``."""
        if attachment.size_bytes is not None and attachment.size_bytes > max_bytes:
            raise PlatformError(f"{attachment.name} has {attachment.size_bytes} bytes, more than {max_bytes}")
        try:
            return await asyncio.to_thread(self.room.files.copy_to, attachment.ref, into, attachment.name)
        except FileNotFoundError as error:
            raise PlatformError(f"{attachment.name} is gone") from error

    def health(self) -> str | None:
        return None if self._server.serving else "The web room is not being served."

    def eraser(self) -> Eraser:
        """For the core's retention."""
        return self.room.eraser()

    def _keep_audio(self, path: Path, duration_s: float) -> KeptFile:
        kept = self.room.files.keep(path, f"voice{path.suffix}", AttachmentKind.VOICE)
        return KeptFile(kept.ref, kept.name, kept.kind, kept.media_type, kept.size_bytes, duration_s)


def _buttons(buttons: tuple[Button, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((button.label, button.id) for button in buttons)

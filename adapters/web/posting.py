"""What members do in the room, as events for the inbox.

A message is kept first and shown to nobody; then the inbox commits it; then it is shown. If the process ends in
between, the kept message is offered again at the next start: the inbox knows its key, so it is neither lost
nor answered twice. If the inbox cannot commit, the member is told and their text stays in the box; sending
it again finds the kept message by the draft's key.

The other acts (a recall, an edit, a reaction) are committed to the inbox first: repeating them does no harm.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from adapters.web import messages
from adapters.web.files import KeptFile
from adapters.web.identity import DAY_S
from adapters.web.members import WebMember
from adapters.web.messages import Draft, Kept
from adapters.web.room import WebRoom
from adapters.web.texts import FILE_LOST, FILE_TOO_BIG, GONE, NOT_YOURS, TOO_FAST, TOO_LONG, TOO_MANY_FILES
from adapters.web.throttle import Throttle
from bot.errors import MemberError
from bot.event import Addressed, Edited, Member, Message, Pressed, Reacted, Recalled, Said
from bot.ports import Accept

log = structlog.get_logger(__name__)

REACTIONS = ("👍", "👎")
UNTAKEN_KEPT_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Post:
    """What a browser sends. ``draft`` is its own name for this message: the same one is one message."""

    text: str
    draft: str
    reply_to: int | None = None
    uploads: tuple[tuple[str, Path], ...] = ()


class Posting:
    def __init__(self, room: WebRoom, accept: Accept) -> None:
        self._room = room
        self._accept = accept
        self._in_order = asyncio.Lock()
        self._throttle = Throttle(room.settings.posts_per_minute, room.clock)

    async def post(self, author: WebMember, post: Post) -> None:
        """Raises ``MemberError`` for what the member can mend, ``StoreError`` when the message was not kept."""
        self._check(author, post)
        target = await self._room.get(post.reply_to)
        files = await self._keep_files(post.uploads)
        draft = Draft(
            room=self._room.room.id,
            key=f"draft:{author.id}:{post.draft or secrets.token_hex(8)}",
            author=author.id,
            author_name=author.name,
            text=post.text.strip(),
            sent_at=self._room.clock.now(),
            reply_to=target.id if target is not None else None,
            files=tuple(files),
        )
        async with self._in_order:  # the room shows messages in the order in which the inbox has them
            kept, _ = await self._room.store.write(lambda connection: messages.write_draft(connection, draft))
            if not kept.taken:
                await self._take(kept, target)

    async def take_untaken(self) -> int:
        """Offer the inbox what it may have missed; returns how many messages. Call before any page is served."""
        waiting = await self._room.store.read(messages.untaken)
        oldest = self._room.clock.now() - UNTAKEN_KEPT_S
        taken = 0
        for kept in waiting:
            # Past the life of the inbox's keys it could be answered a second time: then it is let go.
            if kept.sent_at >= oldest and kept.room == self._room.room.id:
                await self._take(kept, await self._room.get(kept.reply_to))
                taken += 1
        if taken:
            log.info("web.taken_again", messages=taken)
        return taken

    async def _take(self, kept: Kept, target: Kept | None) -> None:
        await self._accept(Said(self._message(kept, target)))
        shown = await self._room.store.write(lambda connection: messages.mark_taken(connection, kept.id))
        if shown is not None:
            await self._room.show(shown)

    def _message(self, kept: Kept, target: Kept | None) -> Message:
        mentions = self._room.mentions
        addressed = Addressed.NONE
        if mentions.found_in(kept.text):
            addressed = Addressed.MENTION
        elif target is not None and target.author is None:
            addressed = Addressed.REPLY
        return Message(
            id=str(kept.id),
            room=self._room.room,
            author=Member(self._room.room.platform, kept.author or "", kept.author_name),
            text=mentions.without(kept.text),
            addressed=addressed,
            reply_to=str(kept.reply_to) if kept.reply_to is not None else None,
            attachments=tuple(file.attachment for file in kept.files),
            sent_at=kept.sent_at,
        )

    def _check(self, author: WebMember, post: Post) -> None:
        most = self._room.settings.max_message_chars
        if len(post.text) > most:
            raise MemberError(TOO_LONG, most=most, length=len(post.text))
        if len(post.uploads) > self._room.settings.max_files:
            raise MemberError(TOO_MANY_FILES, most=self._room.settings.max_files)
        self._count(author)

    def _count(self, member: WebMember) -> None:
        """One more act of a member. Raises ``MemberError`` for more than ``posts_per_minute``. What takes words back
        is not counted: nobody must wait for that."""
        if self._throttle.is_full(member.id):
            raise MemberError(TOO_FAST)
        self._throttle.count(member.id)

    async def _keep_files(self, uploads: Sequence[tuple[str, Path]]) -> list[KeptFile]:
        return [await asyncio.to_thread(self._keep_file, name, path) for name, path in uploads]

    def _keep_file(self, name: str, path: Path) -> KeptFile:
        settings = self._room.settings
        try:
            if path.stat().st_size > settings.max_file_bytes:
                raise MemberError(FILE_TOO_BIG, name=name, most=f"{settings.max_file_mib:g}")
            return self._room.files.keep(path, name)
        except FileNotFoundError as error:
            raise MemberError(FILE_LOST, name=name) from error

    # ── the other acts ───────────────────────────────────────────────────────────────────────────────

    async def edit(self, author: WebMember, message_id: int, text: str) -> None:
        most = self._room.settings.max_message_chars
        if len(text) > most:
            raise MemberError(TOO_LONG, most=most, length=len(text))
        self._count(author)
        kept = await self._own(author, message_id)
        text = text.strip()
        if not text or text == kept.text:
            return
        at = self._room.clock.now()
        target = await self._room.get(kept.reply_to)
        changed = replace(kept, text=text, edited_at=at)
        await self._accept(Edited(self._message(changed, target), at))
        shown = await self._room.store.write(
            lambda connection: messages.change_text(connection, message_id, author=author.id, text=text, at=at)
        )
        if shown is not None:
            await self._room.show(shown)

    async def recall(self, author: WebMember, message_id: int) -> None:
        """Take one's own message back: its text and its files are erased here, and whatever the core kept."""
        await self._own(author, message_id)
        at = self._room.clock.now()
        await self._accept(Recalled(self._room.room, str(message_id), at))
        shown, refs = await self._room.store.write(lambda connection: messages.take_back(connection, message_id, at))
        await asyncio.to_thread(self._room.files.drop, refs)
        if shown is not None:
            await self._room.show(shown)

    async def react(self, member: WebMember, message_id: int, emoji: str | None) -> None:
        """Make ``emoji`` the member's only reaction on a message; None takes it away."""
        if emoji is not None and emoji not in REACTIONS:
            raise MemberError(GONE)
        self._count(member)
        kept = await self._room.get(message_id)
        if kept is None or kept.recalled_at is not None:
            raise MemberError(GONE)
        chosen = (emoji,) if emoji is not None else ()
        at = self._room.clock.now()
        await self._accept(Reacted(self._room.room, str(message_id), member.member, chosen, at))
        shown = await self._room.store.write(
            lambda connection: messages.react(connection, message_id, member.id, chosen)
        )
        if shown is not None:
            await self._room.show(shown)

    async def press(self, member: WebMember, message_id: int, index: int) -> None:
        """Press a message's button, named by its place: a browser never holds a command."""
        self._count(member)
        kept = await self._room.get(message_id)
        if kept is None or not 0 <= index < len(kept.buttons):
            raise MemberError(GONE)
        await self._accept(
            Pressed(
                self._room.room,
                member.member,
                interaction_id=secrets.token_hex(12),
                at=self._room.clock.now(),
                button=kept.buttons[index][1],
                message_id=str(message_id),
            )
        )

    async def source(self, author: WebMember, message_id: int) -> str:
        """One's own message as it was written, to be edited."""
        return (await self._own(author, message_id)).text

    async def _own(self, author: WebMember, message_id: int) -> Kept:
        kept = await self._room.get(message_id)
        if kept is None or kept.recalled_at is not None:
            raise MemberError(GONE)
        if kept.author != author.id:
            raise MemberError(NOT_YOURS)
        return kept

"""The stage of voice messages: a note that was meant for us becomes text, and goes on as text."""

from __future__ import annotations

from bot.decision import Outcome, Reason
from bot.event import AttachmentKind
from bot.replies import NOT_HEARD
from bot.turn import Conclusion, Turn, says, silent


class Hearing:
    """Without an ear a note is kept, and whoever addressed us with it is told so."""

    async def hear(self, turn: Turn) -> Conclusion | None:
        message = turn.message
        is_voice = any(each.kind is AttachmentKind.VOICE for each in message.attachments)
        if not is_voice or message.text.strip():
            return None
        if message.is_addressed:
            return says(Outcome.REFUSED, Reason.NOT_HEARD, NOT_HEARD.in_language(turn.language))
        return silent(Reason.NOT_HEARD)

"""The stage of questions about the bot itself: who are you, who made you, what can you do.

It stands before the gate, because no document says who answers. Only the addressed are answered here; what is said is
short and passes the screen like everything else.
"""

from __future__ import annotations

from bot.decision import Outcome, Reason
from bot.ports import Introduction, Screen
from bot.replies import APOLOGIES
from bot.turn import Conclusion, Turn, says


class Introducing:
    """Without an introduction such a question goes on to the documents, like any other."""

    def __init__(self, screen: Screen, introduction: Introduction | None) -> None:
        self._screen = screen
        self._introduction = introduction

    async def introduce(self, turn: Turn) -> Conclusion | None:
        message = turn.message
        if self._introduction is None or not message.is_addressed or not self._introduction.is_asked(message.text):
            return None
        shown = []
        for sentence in await self._introduction.about_itself(message.text, turn.language):
            screened = await self._screen.show(message.room, sentence)
            if screened.text is not None:
                shown.append(screened.text)
        text = "".join(shown).strip()
        if not text:
            return says(Outcome.REFUSED, Reason.SCREENED, APOLOGIES[Reason.SCREENED].in_language(turn.language))
        return says(Outcome.ANSWERED, Reason.ABOUT_ITSELF, text)

"""The stages that answer: is it asked, do the documents know, say it sentence by sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from bot.decision import Outcome, Reason
from bot.history import another_spoke, count_since, window
from bot.outbox import Outbox
from bot.ports import Answerer, Citation, Clock, Judgement, Knowledge, Platform, Question, Screen, Verdict
from bot.replies import APOLOGIES, ASK_BACK, GREETING_BACK, NOTHING_FOUND, sources_block
from bot.room_settings import KNOWLEDGE, UNASKED, UNASKED_PAUSE_S, UNASKED_PER_HOUR, Eagerness
from bot.settings import CoreSettings
from bot.store import Store
from bot.streaming import Stream
from bot.turn import Conclusion, Ending, Postponed, Turn, says, silent


class Answering:
    """The gate and the answer, as stages of the assistant."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: CoreSettings,
        outbox: Outbox,
        platforms: Mapping[str, Platform],
        knowledge: Knowledge,
        answerer: Answerer,
        screen: Screen,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._outbox = outbox
        self._platforms = platforms
        self._knowledge = knowledge
        self._answerer = answerer
        self._screen = screen

    def show_thinking(self, turn: Turn) -> None:
        """Show whoever addressed us that an answer is being made; until the turn ends."""
        message = turn.message
        if message.is_addressed:
            turn.sign = asyncio.create_task(self._platforms[message.room.platform].thinking(message.room, message.id))

    # ── stages ───────────────────────────────────────────────────────────────────────────────────────

    async def may_speak(self, turn: Turn) -> Ending | None:
        """To the addressed always; unasked only where the room allows it."""
        if turn.message.is_addressed:
            return None
        if turn.values[UNASKED] is Eagerness.OFF:
            return silent(Reason.NOT_ADDRESSED)
        return None

    async def has_words(self, turn: Turn) -> Ending | None:
        """A bare mention gets a word; a wordless message to nobody is none of our business."""
        if turn.message.text.strip():
            return None
        if turn.message.is_addressed:
            return says(Outcome.ASKED_BACK, Reason.EMPTY, GREETING_BACK.in_language(turn.language))
        return silent(Reason.EMPTY)

    async def gate(self, turn: Turn) -> Ending | None:
        """Ask the knowledge whether it can answer; for an unasked answer, leave people time to answer first."""
        turn.question = self._question(turn)
        judgement = turn.judgement = await self._knowledge.judge(turn.question)
        details = {"score": round(judgement.score, 3)}
        match judgement.verdict:
            case Verdict.ANSWER:
                return None if turn.message.is_addressed else await self._unasked(turn)
            case Verdict.ASK_BACK:
                word = GREETING_BACK if judgement.reason is Reason.EMPTY else ASK_BACK
                return says(Outcome.ASKED_BACK, judgement.reason, word.in_language(turn.language), **details)
            case Verdict.NOTHING_FOUND:
                return self._nothing_found(turn, judgement)
            case Verdict.SILENT:
                return silent(judgement.reason, **details)

    async def answer(self, turn: Turn) -> Ending:
        """Make the answer and show it; one that takes longer is shown while it is made."""
        question, judgement, message = turn.question, turn.judgement, turn.message
        if question is None or judgement is None:
            raise RuntimeError("the gate comes before the answer")
        text, citations, stream, hidden = "", dict[int, Citation](), None, False
        began = self._clock.now()
        async for sentence in self._answerer.answer(question, judgement):
            shown = await self._screen.show(message.room, sentence.text)
            if shown.text is None:
                hidden = True
                continue
            text += shown.text
            citations |= {citation.number: citation for citation in sentence.citations}
            stream = await self._show(turn, turn.quote + text, stream, began)
        if not text.strip():
            return self._without_answer(turn, judgement, hidden)
        cited = tuple(citations.values())
        sources = "; ".join(dict.fromkeys(each.source for each in cited))
        shown_text = text.rstrip() + sources_block(cited, turn.language)
        score = round(judgement.score, 3)
        return says(Outcome.ANSWERED, Reason.FROM_DOCUMENTS, shown_text, score=score, sources=sources)

    # ── their parts ──────────────────────────────────────────────────────────────────────────────────

    def _question(self, turn: Turn) -> Question:
        message, count = turn.message, self._settings.context_messages
        earlier = partial(window, room=message.room, before_id=turn.entry.id, count=count, quoted_id=message.reply_to)
        return Question(
            text=message.text[: self._settings.max_question_chars],
            bases=turn.values[KNOWLEDGE],
            addressed=message.addressed,
            language=turn.language,
            earlier=partial(self._store.read, earlier),
            eagerness=turn.values[UNASKED],
        )

    async def _unasked(self, turn: Turn) -> Ending | None:
        """Nobody asked us: not too often, and not before people had the time to answer."""
        room, entry = turn.message.room, turn.entry
        an_hour_ago = self._clock.now() - 3600
        spoken = await self._store.read(
            partial(count_since, room_key=room.key, since=an_hour_ago, outcome=Outcome.ANSWERED, addressed=False)
        )
        if spoken >= turn.values[UNASKED_PER_HOUR]:
            return silent(Reason.HOURLY_LIMIT, spoken=spoken)
        pause_s = turn.values[UNASKED_PAUSE_S]
        if entry.due_at is None and pause_s > 0:
            return Postponed(self._clock.now() + pause_s)
        asker = turn.message.author.key
        if await self._store.read(partial(another_spoke, room_key=room.key, after_id=entry.id, asker=asker)):
            return silent(Reason.PERSON_ANSWERED)
        return None

    def _nothing_found(self, turn: Turn, judgement: Judgement) -> Conclusion:
        text = NOTHING_FOUND.get(judgement.reason, NOTHING_FOUND[Reason.NOT_IN_DOCUMENTS])
        score = round(judgement.score, 3)
        return says(Outcome.NOTHING_FOUND, judgement.reason, text.in_language(turn.language), score=score)

    def _without_answer(self, turn: Turn, judgement: Judgement, hidden: bool) -> Conclusion:
        """The documents seemed to know, but nothing that may be shown came of it."""
        if not turn.message.is_addressed:
            return silent(Reason.SCREENED if hidden else Reason.UNSURE)
        if hidden:
            return says(Outcome.REFUSED, Reason.SCREENED, APOLOGIES[Reason.SCREENED].in_language(turn.language))
        text = NOTHING_FOUND[Reason.NOT_IN_DOCUMENTS].in_language(turn.language)
        return says(Outcome.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS, text, score=round(judgement.score, 3))

    async def _show(self, turn: Turn, text: str, stream: Stream | None, began: float) -> Stream | None:
        if not self._platforms[turn.message.room.platform].capabilities.streams or not text.strip():
            return None
        if stream is not None:
            stream.update(text)
            return stream
        if self._clock.now() - began < self._settings.stream_after_s:
            return None
        return await self._outbox.open(turn.entry, text, turn.message.id)

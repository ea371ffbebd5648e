"""Answers written by a model, sentence by sentence, each shown only after its citations have been checked.

The model reads the passages and the question, nothing else, and has no tools. Whatever it writes is data again: it
passes :mod:`rag.citing` before anybody sees it. When it fails, or nothing of what it wrote holds, the answer is the
one that needs no model, from the same passages.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import structlog

from bot.errors import ModelError
from bot.ports import Answerer, ChatModel, Citation, Judgement, Passage, Question, Sentence
from rag.citing import Checked, Checker
from rag.completion import Complete, whole
from rag.prompt import Prompt, build, capped, draw
from rag.showing import hosts, links, without_mentions
from rag.units import MARK, Unit, UnitKind, Units

log = structlog.get_logger(__name__)

MAX_SENTENCES = 16
"""Shown of one answer; a model that goes on is not listened to."""
MAX_UNITS = 60
"""Read of one answer, shown or not."""

_NOT_THERE = re.compile(
    r"(?:文档|资料|段落|文中|上下文)[^。，]{0,12}(?:没有|未|不包含|不含|并无|找不到)|"
    r"(?:没有|未|无法|不能)[^。，]{0,8}(?:找到|回答|确定|得出|提及|提到)[^。]{0,12}(?:答案|信息|内容|文档|资料|段落)|"
    r"\b(?:documents?|documentation|passages?|context|text|sources?|information)\b[^.]{0,40}"
    r"\b(?:no|not|n['’]t|none|nothing)\b|"
    r"\b(?:not|n['’]t|nothing|no (?:answer|information|mention))\b[^.]{0,40}"
    r"\b(?:documents?|documentation|passages?|context|sources?)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Written:
    """What became of one answer so far. ``told_nothing``: the model said that the documents hold no answer."""

    shown: int = 0
    told_nothing: bool = False
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one answer is made with."""

    prompt: Prompt
    checker: Checker
    layout: _Layout


class ModelAnswerer:
    """A :class:`bot.ports.Answerer` on a chat model. ``fallback`` answers when the model does not. ``draw``: random
    letters and digits for each request. ``complete``: makes follow-ups whole."""

    def __init__(
        self, model: ChatModel, fallback: Answerer, draw: Callable[[], str] = draw, complete: Complete = whole
    ) -> None:
        self._model = model
        self._fallback = fallback
        self._draw = draw
        self._complete = complete

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        """Checked sentences with their citations, numbered as they appear. Nothing at all when the model said that
        the passages hold no answer."""
        usable = replace(judgement, passages=capped(question, judgement.passages))
        text = await self._complete(question)
        work = await asyncio.to_thread(self._prepared, text, question.language, usable.passages)
        written = _Written()
        if work is None:
            log.warning("answers.no_room", context_tokens=self._model.limits.context_tokens)
        else:
            async with aclosing(self._written(work, written)) as sentences:
                async for sentence in sentences:
                    yield sentence
        falls_back = not written.shown and not written.told_nothing
        log.info(
            "answers.written",
            shown=written.shown,
            dropped=dict(written.dropped),
            not_there=written.told_nothing,
            falls_back=falls_back,
        )
        if falls_back:
            async for sentence in self._without_model(question, usable):
                yield sentence

    def _prepared(self, text: str, language: str, passages: Sequence[Passage]) -> _Work | None:
        """The prompt and what its answer is checked with; None when not even one passage fits."""
        prompt = build(text, language, passages, self._model, self._draw())
        if prompt is None:
            return None
        return _Work(prompt, Checker(text, prompt.passages, (prompt.mark, prompt.nothing)), _Layout(prompt))

    async def _written(self, work: _Work, written: _Written) -> AsyncGenerator[Sentence, None]:
        """The model's sentences that hold. A failure of the model ends them, loudly in the log."""
        units, read = Units(), 0
        try:
            async with aclosing(self._pieces(work.prompt)) as pieces:
                async for piece in pieces:
                    for unit in units.feed(piece):
                        read += 1
                        for sentence in await self._shown(unit, work, written):
                            yield sentence
                    if written.told_nothing or written.shown >= MAX_SENTENCES or read >= MAX_UNITS:
                        return
        except ModelError as error:  # its last sentence is not whole: it is not looked at
            log.error("answers.model_failed", error=str(error), shown=written.shown)
            return
        for unit in units.end():
            for sentence in await self._shown(unit, work, written):
                yield sentence

    def _pieces(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        limits = self._model.limits
        return self._model.complete(prompt.messages, max_tokens=limits.answer_tokens, timeout_s=limits.timeout_s)

    async def _shown(self, unit: Unit, work: _Work, written: _Written) -> Iterable[Sentence]:
        """A unit as it is shown, with the lead-over that waited for it; nothing when it does not hold."""
        if not written.shown and _tells_nothing(unit, work.prompt):
            written.told_nothing = True
            return ()
        checked = await asyncio.to_thread(work.checker.check, unit)  # some milliseconds of comparing
        if checked.text is None:
            written.dropped[checked.why] += 1
            work.layout.dropped(unit)
        elif not checked.numbers:
            work.layout.waits(unit, checked)
        else:
            written.shown += 1
            return tuple(work.layout.lay(unit, checked))
        return ()

    async def _without_model(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        """The fallback's answer, which is verbatim: from what operators added; where that says nothing, from what
        members added, without links. Nobody is called."""
        trusted = tuple(passage for passage in judgement.passages if not passage.added_by)
        said = False
        if trusted:
            async for sentence in self._fallback.answer(question, replace(judgement, passages=trusted)):
                said = True
                yield replace(sentence, text=without_mentions(sentence.text))
        if said or len(trusted) == len(judgement.passages):
            return
        async for sentence in self._fallback.answer(question, judgement):
            if not links(sentence.text) and not hosts(sentence.text):
                yield replace(sentence, text=without_mentions(sentence.text))


def _tells_nothing(unit: Unit, prompt: Prompt) -> bool:
    """Whether the model says that the documents hold no answer: by its word for that, or in its own words."""
    if unit.text.strip(' .。*`"“”[]').lower() == prompt.nothing.lower():
        return True
    return unit.kind is UnitKind.SENTENCE and not MARK.search(unit.text) and bool(_NOT_THERE.search(unit.text))


class _Layout:
    """Puts the sentences that hold together as they were meant: blank space, marks, and numbers from 1 on."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._number: dict[int, int] = {}
        self._lead = ""
        self._waiting: list[tuple[Unit, str]] = []
        self._begun = False

    def dropped(self, unit: Unit) -> None:
        """What comes next stands where this would have stood; what led over to it leads nowhere."""
        self._lead = max(self._lead, unit.lead, key=lambda lead: (lead.count("\n"), len(lead)))
        if unit.kind is not UnitKind.HEADING:
            self._waiting.clear()

    def waits(self, unit: Unit, checked: Checked) -> None:
        """Words that lead over are shown with what follows them."""
        if checked.text:
            self._waiting = [*self._waiting, (unit, checked.text)][-2:]

    def lay(self, unit: Unit, checked: Checked) -> Iterable[Sentence]:
        for before, text in self._waiting:
            yield Sentence(self._placed(before, text))
        self._waiting.clear()
        passages = self._prompt.passages
        citations = tuple(
            Citation(
                self._numbered(number),
                passages[number - 1].source,
                passages[number - 1].heading,
                passages[number - 1].text,
            )
            for number in checked.numbers
        )
        marks = "".join(f"[{citation.number}]" for citation in sorted(citations, key=lambda each: each.number))
        apart = "\n\n" if unit.kind in (UnitKind.CODE, UnitKind.TABLE) else " "
        yield Sentence(self._placed(unit, f"{checked.text}{apart}{marks}"), citations)

    def _numbered(self, number: int) -> int:
        return self._number.setdefault(number, len(self._number) + 1)

    def _placed(self, unit: Unit, text: str) -> str:
        """The text behind its blank space; blocks stand alone."""
        lead = max(self._lead, unit.lead, key=lambda each: (each.count("\n"), len(each)))
        if unit.kind in (UnitKind.CODE, UnitKind.TABLE) and lead.count("\n") < 2:
            lead = "\n\n"
        self._lead = "\n\n" if unit.kind in (UnitKind.CODE, UnitKind.TABLE) else ""
        if not self._begun:
            self._begun, lead = True, ""
        return lead + text

"""The chat model behind the core's ``ChatModel`` port: endpoints in order, deadlines, a breaker each, honest counts.

An answer is handed on as it comes. Until the first piece a failure goes on to the next endpoint; after it the answer
cannot be taken back, so it ends with ``CallFailed``. So does an answer that ended at its limit: a sentence that was
cut off is not an answer either. Nothing is retried blindly.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog

from bot.ports import ModelLimits
from llm.call import Call
from llm.errors import OF_THE_REQUEST, AllFailed, CallFailed, Failure
from llm.meter import Meter, Tally
from llm.settings import Endpoint, ModelSettings
from llm.tokens import ByteBound, Tokenizer, encoded, prompt_at_most
from net.breaker import Breaker

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = structlog.get_logger(__name__)


class _Line:
    """One endpoint with its connections, its breaker and its counts."""

    def __init__(self, endpoint: Endpoint, settings: ModelSettings, client: AsyncOpenAI) -> None:
        self.endpoint = endpoint
        self.client = client
        self.breaker = Breaker(settings.failures_before_rest, settings.rest_s, settings.rest_most_s)
        self.meter = Meter(endpoint.label, endpoint.price)


class ModelClient:
    """A :class:`bot.ports.ChatModel`. Made before the event loop runs (it imports ``openai``), used on one loop,
    closed on it by :meth:`aclose`. ``environ``: where the keys are."""

    def __init__(
        self, settings: ModelSettings, *, environ: Mapping[str, str] = os.environ, tokenizer: Tokenizer | None = None
    ) -> None:
        from llm.wire import make_client

        self._settings = settings
        self._tokenizer = tokenizer or ByteBound()
        self._lines = [_Line(each, settings, make_client(each, settings, environ)) for each in settings.endpoints]

    @property
    def limits(self) -> ModelLimits:
        """What every endpoint can take, so that a fallback can take it, too."""
        context = min(endpoint.context_tokens for endpoint in self._settings.endpoints)
        return ModelLimits(context, self._settings.max_answer_tokens, self._settings.timeout_s)

    def tokens_at_most(self, messages: Sequence[Mapping[str, str]]) -> int:
        return prompt_at_most(self._tokenizer, messages)

    async def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        timeout_s: float,
        response_format: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[str, None]:
        """The answer in pieces; at least one, none of them empty. ``response_format``: as OpenAI's API has it.

        Raises ``CallFailed`` when the answer broke off, ``AllFailed`` when no endpoint gave one, both within
        ``timeout_s`` (at most the settings' own) and busy servers' waits. Close it when its end is not wanted.
        """
        deadline = time.monotonic() + min(timeout_s, self._settings.timeout_s)
        failures: list[CallFailed] = []
        lines = self._lines
        while lines:
            for line in lines:
                if not line.breaker.allows(time.monotonic()):
                    failures.append(CallFailed(Failure.RESTING, line.endpoint.label))
                    continue
                call = Call(line.endpoint, self._settings, _sendable(messages), max_tokens, response_format)
                try:
                    async with aclosing(self._observed(line, call, deadline)) as pieces:
                        async for piece in pieces:
                            yield piece
                    return
                except CallFailed as failure:
                    failures.append(failure)
                    if failure.began or time.monotonic() >= deadline:
                        raise
            lines = await self._worth_waiting_for(lines, failures, deadline)
        raise AllFailed(failures)

    async def _observed(self, line: _Line, call: Call, deadline: float) -> AsyncGenerator[str, None]:
        """One call, with its breaker and its counts kept whatever becomes of it."""
        started, told = time.monotonic(), False
        try:
            async with aclosing(call.pieces(line.client, deadline)) as pieces:
                async for piece in pieces:
                    yield piece
        except CallFailed as failure:
            told = True
            now = time.monotonic()
            if failure.failure not in OF_THE_REQUEST:
                line.breaker.failed(now, failure.after_s)
            elif call.began:
                line.breaker.succeeded()
            else:
                line.breaker.released()
            line.meter.count(call.usage, failure.failure)
            log.warning(
                "model.call_failed",
                endpoint=line.endpoint.label,
                failure=failure.failure.value,
                status=failure.status,
                error=str(failure),
                ms=round((now - started) * 1000),
            )
            raise
        finally:
            if not told:
                self._ended(line, call, started)

    def _ended(self, line: _Line, call: Call, started: float) -> None:
        """The answer came to its end, or the asker went away before it did."""
        if call.began:
            line.breaker.succeeded()
        else:
            line.breaker.released()
        line.meter.count(call.usage)
        usage, price = call.usage, line.endpoint.price
        log.info(
            "model.called",
            endpoint=line.endpoint.label,
            ms=round((time.monotonic() - started) * 1000),
            first_ms=round((call.began_at - started) * 1000) if call.began_at else None,
            prompt_tokens=usage.prompt_tokens if usage else None,
            answer_tokens=usage.answer_tokens if usage else None,
            cost=round(usage.cost(price), 6) if usage and price else None,
        )

    async def _worth_waiting_for(
        self, lines: Sequence[_Line], failures: Sequence[CallFailed], deadline: float
    ) -> list[_Line]:
        """The endpoint that asked to wait the shortest moment, after that moment; it is asked once more."""
        if len(failures) > len(self._lines):  # somebody had a second chance
            return []
        asked = {each.endpoint: each.after_s for each in failures if each.failure is Failure.BUSY}
        waits = [(wait, line) for line in lines if (wait := asked.get(line.endpoint.label)) is not None]
        if not waits:
            return []
        wait_s, line = min(waits, key=lambda pair: pair[0])
        if wait_s > self._settings.busy_wait_s or time.monotonic() + wait_s >= deadline:
            return []
        await asyncio.sleep(wait_s)
        return [line]

    def tallies(self) -> tuple[Tally, ...]:
        """What was asked and what it cost since the start, by endpoint."""
        return tuple(line.meter.tally() for line in self._lines)

    def health(self) -> str | None:
        """None while an endpoint may be asked; otherwise what is wrong, as a sentence."""
        now = time.monotonic()
        rests = [line.breaker.rests_until(now) for line in self._lines]
        if any(rest is None for rest in rests):
            return None
        names = ", ".join(line.endpoint.label for line in self._lines)
        return f"The model failed and is left alone for a moment ({names}); answers come from the documents' own words."

    async def aclose(self) -> None:
        """Close the connections."""
        for line in self._lines:
            await line.client.close()


def _sendable(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Without lone surrogates, which no JSON in UTF-8 can hold; members' text may have them."""
    return [{**message, "content": encoded(message["content"]).decode()} for message in messages]

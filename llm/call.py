"""One call to one endpoint: the request, the deadlines, and what every kind of failure is called."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from llm.errors import CallFailed, Failure
from llm.meter import Usage
from llm.reading import Thoughts, delta_of
from llm.settings import Endpoint, ModelSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletionChunk

MAX_WHY_CHARS = 200
"""Of what a server says about its failure, in the log."""


class Call:
    """``began``: a piece was handed out; ``began_at``: when, monotonic seconds. ``usage``: None until it is told."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: ModelSettings,
        messages: Sequence[Mapping[str, str]],
        max_tokens: int,
        response_format: Mapping[str, object] | None,
    ) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._messages = messages
        self._max_tokens = min(max_tokens, settings.max_answer_tokens)
        self._response_format = response_format
        self.began_at: float | None = None
        self.usage: Usage | None = None

    @property
    def began(self) -> bool:
        return self.began_at is not None

    async def pieces(self, client: AsyncOpenAI, deadline: float) -> AsyncGenerator[str, None]:
        """The answer; ``deadline`` in monotonic seconds. Raises ``CallFailed`` and nothing else."""
        first_by = min(deadline, time.monotonic() + self._settings.first_token_s)
        stream = await self._open(client, first_by)
        try:
            if "event-stream" in stream.response.headers.get("content-type", ""):
                chunks = self._chunks(stream, first_by, deadline)
            else:
                chunks = self._whole(stream, first_by)
            async with aclosing(chunks), aclosing(self._answer(chunks)) as answer:
                async for piece in answer:
                    yield piece
        finally:
            await stream.close()

    def _request(self) -> dict[str, Any]:
        endpoint = self._endpoint
        request: dict[str, Any] = {
            "model": endpoint.model,
            "messages": list(self._messages),
            "stream": True,
            endpoint.limit_as: self._max_tokens,
        }
        if endpoint.temperature is not None:
            request["temperature"] = endpoint.temperature
        if endpoint.asks_usage:
            request["stream_options"] = {"include_usage": True}
        if self._response_format is not None:
            request["response_format"] = dict(self._response_format)
        if endpoint.extra_body:
            request["extra_body"] = endpoint.extra_body
        return request

    async def _open(self, client: AsyncOpenAI, first_by: float) -> AsyncStream[ChatCompletionChunk]:
        try:
            async with _until(first_by):
                stream: AsyncStream[ChatCompletionChunk] = await client.chat.completions.create(**self._request())
                return stream
        except Exception as error:  # any library below may raise its own: all mean that the call failed
            raise self._failed(error) from error

    async def _chunks(
        self, stream: AsyncStream[ChatCompletionChunk], first_by: float, deadline: float
    ) -> AsyncGenerator[object, None]:
        """The chunks of a stream, each waited for until its deadline."""
        alive = False
        while True:
            try:
                async with _until(deadline if alive else first_by):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except Exception as error:
                raise self._failed(error) from error
            alive = alive or delta_of(chunk).alive
            yield chunk

    async def _whole(self, stream: AsyncStream[ChatCompletionChunk], first_by: float) -> AsyncGenerator[object, None]:
        """A response that is no stream: a completion at once, or what a proxy says instead of one."""
        try:
            async with _until(first_by):
                body = await stream.response.aread()
            yield json.loads(body)
        except json.JSONDecodeError as error:
            said = body[:MAX_WHY_CHARS].decode("utf-8", "replace")
            raise CallFailed(Failure.MALFORMED, self._endpoint.label, said, began=self.began) from error
        except Exception as error:
            raise self._failed(error) from error

    async def _answer(self, chunks: AsyncIterator[object]) -> AsyncGenerator[str, None]:
        """The text in the chunks, and a failure where it did not come to a good end."""
        thoughts, chars, finish, has_choice, last = Thoughts(), 0, None, False, None
        async for chunk in chunks:
            delta = delta_of(chunk)
            last = chunk
            self.usage = delta.usage or self.usage
            finish = delta.finish or finish
            has_choice = has_choice or delta.has_choice
            chars += len(delta.text)
            if chars > self._settings.max_answer_chars:
                raise self._ended(Failure.LENGTH, "max_answer_chars")
            if piece := thoughts.feed(delta.text):
                yield self._handed_out(piece)
        if finish is not None and (piece := thoughts.rest()):
            yield self._handed_out(piece)
        if not has_choice:
            raise self._ended(Failure.NO_CHOICES, _said(last))
        if finish is None:
            raise self._ended(Failure.CUT, "no finish_reason")
        if finish in ("length", "content_filter"):
            raise self._ended(Failure.LENGTH if finish == "length" else Failure.FILTERED)
        if not self.began:
            raise self._ended(Failure.EMPTY)

    def _handed_out(self, piece: str) -> str:
        if self.began_at is None:
            self.began_at = time.monotonic()
        return piece

    def _ended(self, failure: Failure, why: str = "") -> CallFailed:
        return CallFailed(failure, self._endpoint.label, why, began=self.began)

    def _failed(self, error: Exception) -> CallFailed:
        """What went wrong below, by its name."""
        import openai

        label = self._endpoint.label
        why = f"{type(error).__name__}: {error}"[:MAX_WHY_CHARS]
        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return CallFailed(Failure.SLOW, label, began=self.began)
        if isinstance(error, openai.APIStatusError):
            status, after_s = error.status_code, _retry_after_s(error.response.headers.get("retry-after"))
            return CallFailed(_of_status(status, after_s), label, why, status=status, after_s=after_s, began=self.began)
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            why = f"{type(cause).__name__}: {cause}"[:MAX_WHY_CHARS] if cause else why
            return CallFailed(Failure.CUT if self.began else Failure.UNREACHABLE, label, why, began=self.began)
        if isinstance(error, openai.APIError):  # {"error": …} within the stream
            return CallFailed(Failure.BROKEN, label, why, began=self.began)
        return CallFailed(Failure.MALFORMED, label, why, began=self.began)


def _until(at: float) -> asyncio.Timeout:
    """``asyncio.timeout`` for monotonic seconds: the loop's clock may be another one."""
    return asyncio.timeout(max(0.0, at - time.monotonic()))


def _of_status(status: int, after_s: float | None) -> Failure:
    if status == 429 or (status == 503 and after_s is not None):
        return Failure.BUSY
    if status >= 500:
        return Failure.BROKEN
    if status in (401, 403, 404):
        return Failure.REFUSED
    return Failure.BAD_REQUEST if status >= 400 else Failure.MALFORMED


def _retry_after_s(value: str | None) -> float | None:
    """Of a ``Retry-After`` in seconds (RFC 9110, 10.2.3). A date is not worth a clock's disagreement: None."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


def _said(chunk: object) -> str:
    return "" if chunk is None else str(chunk)[:MAX_WHY_CHARS]

"""The ``openai`` library set up for one endpoint: its pool, its key and a limit on what a server may send.

Imported only where a model is configured: the library costs about half a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2
from openai import AsyncOpenAI

from llm.settings import Endpoint, ModelSettings

_FROM_THE_ENVIRONMENT = ("OpenAI-Organization", "OpenAI-Project")
"""The library would tell these to any server when variables meant for OpenAI's own are set."""


class TooMuch(httpx2.ReadError):
    """A response went past ``max_response_bytes``."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise TooMuch("the response is longer than max_response_bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def make_client(endpoint: Endpoint, settings: ModelSettings, environ: Mapping[str, str]) -> AsyncOpenAI:
    """A client that keeps its connections, retries nothing by itself and sends only the key that was named.

    Redirects are not followed: the prompt goes to the configured address or nowhere. Waiting is bounded by the
    caller's deadlines, connecting by ``connect_s``.
    """

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":  # we ask for none: it could be a bomb
            raise TooMuch("the response is compressed, which was not asked for")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, settings.max_response_bytes)

    async def strip(request: httpx2.Request) -> None:
        for name in omitted:
            request.headers.pop(name, None)

    key = environ.get(endpoint.key_env, "") if endpoint.key_env else ""
    omitted = _FROM_THE_ENVIRONMENT if key else (*_FROM_THE_ENVIRONMENT, "Authorization")
    return AsyncOpenAI(
        base_url=endpoint.url,
        api_key=key or "none",
        max_retries=0,
        timeout=httpx2.Timeout(settings.timeout_s, connect=settings.connect_s),
        default_headers={"Accept-Encoding": "identity"},
        http_client=httpx2.AsyncClient(
            limits=httpx2.Limits(
                max_connections=settings.max_calls_at_once, max_keepalive_connections=settings.max_calls_at_once
            ),
            follow_redirects=False,
            event_hooks={"request": [strip], "response": [bound]},
        ),
    )

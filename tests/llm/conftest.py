"""A client on scripted servers, with short deadlines, closed after the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

from llm.client import ModelClient
from llm.settings import ModelSettings

MakeClient = Callable[..., ModelClient]

HELLO: Sequence[Mapping[str, str]] = ({"role": "user", "content": "hello"},)


@pytest.fixture
async def client_of() -> AsyncIterator[MakeClient]:
    """``client_of(url, url2, first_token_s=…)``: a client whose endpoints stand at these addresses."""
    made: list[ModelClient] = []

    def make(
        *urls: str, environ: Mapping[str, str] | None = None, endpoint: Mapping[str, Any] | None = None, **settings: Any
    ) -> ModelClient:
        endpoints = [{"url": url, "model": f"m{number}", **(endpoint or {})} for number, url in enumerate(urls, 1)]
        known = {"timeout_s": 5, "first_token_s": 2, **settings}
        made.append(ModelClient(ModelSettings.model_validate({"endpoints": endpoints, **known}), environ=environ or {}))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


async def text_of(client: ModelClient, messages: Sequence[Mapping[str, str]] = HELLO, **details: Any) -> str:
    """The whole answer."""
    call = {"max_tokens": 100, "timeout_s": 5.0, **details}
    return "".join([piece async for piece in client.complete(messages, **call)])

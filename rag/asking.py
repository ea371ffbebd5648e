"""One short question to a chat model, whose answer is bound to a form; None whenever it is not that. For the gate.

The form goes along as a JSON schema, which most servers hold a model to (``response_format``), and is checked here in
any case. What members and documents wrote stands on lines behind a mark drawn for the request, as in
:mod:`rag.prompt`; nothing that the model says is shown to anybody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import aclosing
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from bot.errors import ModelError
from bot.ports import ChatModel

log = structlog.get_logger(__name__)

Form = TypeVar("Form", bound=BaseModel)

MAX_ANSWER_CHARS = 2_000
"""A longer answer is none of this form."""

_THOUGHTS = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


async def asked(
    model: ChatModel, system: str, data: str, form: type[Form], *, max_tokens: int, timeout_s: float
) -> Form | None:
    """The answer as ``form``; None when the model fails, takes too long, or says anything else."""
    messages: tuple[Mapping[str, str], ...] = (
        {"role": "system", "content": system},
        {"role": "user", "content": data},
    )
    if model.tokens_at_most(messages) + max_tokens > model.limits.context_tokens:
        log.warning("asking.no_room", form=form.__name__)
        return None
    schema = {"name": form.__name__.lower(), "strict": True, "schema": form.model_json_schema()}
    pieces: list[str] = []
    try:
        async with asyncio.timeout(timeout_s):
            answer = model.complete(
                messages,
                max_tokens=max_tokens,
                timeout_s=timeout_s,
                response_format={"type": "json_schema", "json_schema": schema},
            )
            async with aclosing(answer):
                async for piece in answer:
                    pieces.append(piece)
                    if sum(map(len, pieces)) > MAX_ANSWER_CHARS:
                        break
    except (ModelError, TimeoutError) as error:
        log.error("asking.failed", form=form.__name__, error=str(error) or type(error).__name__)
        return None
    text = _THOUGHTS.sub("", "".join(pieces))
    fenced = _FENCE.match(text)
    try:
        return form.model_validate_json(fenced[1] if fenced else text, strict=True)
    except ValidationError as error:
        log.warning("asking.other_form", form=form.__name__, errors=error.error_count())
        return None

"""Settings of the chat model: the ``model`` section of ``config.yaml``. With it answers are written by a model.

One line is enough: ``model: {endpoints: [{url: http://127.0.0.1:23333/v1, model: internlm3-8b-instruct}]}``.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from net.model_server import ModelServer

MIN_CONTEXT_TOKENS = 2_048
"""Instructions, a question and a passage need about this, counted in bytes as the worst tokenizer would."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Section):
    """What a million tokens cost, as the provider's price list says it."""

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)
    currency: str = Field("USD", min_length=1)


class Endpoint(ModelServer):
    """One model on one server."""

    SECTION = ("MAODOU_MODEL", "MAODOU_CHAT_KEY")

    context_tokens: int = Field(8_192, ge=MIN_CONTEXT_TOKENS, description="What the server takes: prompt and answer.")
    temperature: float | None = Field(0.0, ge=0, le=2, description="Empty: not sent; some models refuse it.")
    limit_as: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="How the server calls the longest answer; OpenAI's newer models want the second."
    )
    asks_usage: bool = Field(True, description="Ask for token counts (stream_options); off where that is refused.")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="Sent along, such as enable_thinking: false.")
    price: Price | None = None

    @property
    def label(self) -> str:
        """What logs and ``doctor`` call it."""
        return f"{self.model} at {urlsplit(self.url).netloc}"


class ModelSettings(_Section):
    """``endpoints`` are tried in their order; one that keeps failing rests for a while."""

    endpoints: tuple[Endpoint, ...] = Field(min_length=1)
    timeout_s: float = Field(40.0, gt=0, description="A whole answer, all endpoints together.")
    first_token_s: float = Field(15.0, gt=0, description="Until an endpoint says its first word.")
    connect_s: float = Field(5.0, gt=0)
    max_answer_tokens: int = Field(800, ge=64)
    max_answer_chars: int = Field(20_000, ge=100, description="A server that ignores the limit is cut off here.")
    max_response_bytes: int = Field(8_000_000, ge=10_000, description="Of one response, with all its wrapping.")
    max_calls_at_once: int = Field(8, ge=1, description="Connections to one endpoint; more wait.")
    busy_wait_s: float = Field(3.0, ge=0, description="A server that asks to wait is waited for so long at most.")
    failures_before_rest: int = Field(3, ge=1, description="Failures in a row after which an endpoint rests.")
    rest_s: float = Field(15.0, gt=0, description="The first rest; doubled while it keeps failing.")
    rest_most_s: float = Field(300.0, gt=0)

    @model_validator(mode="after")
    def _answers_fit(self) -> ModelSettings:
        smallest = min(endpoint.context_tokens for endpoint in self.endpoints)
        if self.max_answer_tokens > smallest // 2:
            raise ValueError(f"max_answer_tokens may be at most half of context_tokens ({smallest // 2})")
        return self

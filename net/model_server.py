"""Where a model is served with OpenAI's interface, and where its key stands: the same words in every section."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ModelServer(BaseModel):
    """One model on one server. ``SECTION``: the prefix of the variables that are settings themselves, and what a key
    may be called instead."""

    SECTION: ClassVar[tuple[str, str]]

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="Up to and with /v1, as in http://127.0.0.1:23333/v1.")
    model: str = Field(min_length=1, description="The model's name on that server.")
    key_env: str = Field("", description="The environment variable that holds the key; empty: none is sent.")

    @field_validator("url")
    @classmethod
    def _plain_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must begin with http:// or https:// and name a host")
        if parts.username or parts.password:
            raise ValueError("a key does not belong into the address; name its environment variable in key_env")
        return url.rstrip("/")

    @field_validator("key_env")
    @classmethod
    def _names_a_variable(cls, name: str) -> str:
        prefix, instead = cls.SECTION
        if name and not name.isidentifier():
            raise ValueError("this is the name of an environment variable, not the key itself")
        if name.upper().startswith(prefix):
            raise ValueError(f"{prefix}… are these settings themselves; call it {instead}, for example")
        return name

"""The limits of fetching; ``config.yaml`` fills them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024


class FetchSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(5 * MIB, gt=0, description="Of an answer, packed and unpacked.")
    total_timeout_s: float = Field(30, gt=0, description="Of one fetch with all its redirects.")
    step_timeout_s: float = Field(10, gt=0, description="Of a connection, and of each wait for the next bytes.")
    max_redirects: int = Field(5, ge=0, description="Hops of one fetch.")
    at_once: int = Field(64, gt=0, description="Fetches at the same time.")
    at_once_per_host: int = Field(2, gt=0, description="Fetches from one host at the same time.")
    allow_hosts: tuple[str, ...] = Field(
        (), description="Hosts that may lie in the private network, as name or name:port: one's own RSSHub."
    )
    user_agent: str = Field("Maodou/0.1 (feed reader)", min_length=1, description="How it introduces itself.")

"""What the operator may set about Feishu. ``config.yaml`` fills it; the secrets come from the environment."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

DOMAINS = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}


class FeishuSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    # the app
    app_id: str = Field(min_length=1, description="The app's id, as cli_…; it is no secret.")
    app_secret: SecretStr = Field(SecretStr(""), description="Set it in the environment: MAODOU_FEISHU_APP_SECRET.")
    encrypt_key: SecretStr = Field(SecretStr(""), description="Of the webhook: MAODOU_FEISHU_ENCRYPT_KEY.")
    verification_token: SecretStr = Field(SecretStr(""), description="MAODOU_FEISHU_VERIFICATION_TOKEN.")
    domain: str = Field("feishu", description="feishu, lark, or the address of a private installation.")

    # how events come
    mode: Literal["long_connection", "webhook"] = "long_connection"
    webhook_host: str = Field("127.0.0.1", description="The address to listen on; a proxy with TLS stands before it.")
    webhook_port: int = Field(7870, ge=0, le=65535, description="0 takes a free one.")
    webhook_path: str = Field("/feishu", pattern="^/", description="The path that the developer console is given.")
    webhook_window_s: float = Field(300, gt=0, description="A request signed longer ago, or ahead, is refused.")

    # the way out
    sends_per_s: float = Field(4, ge=0, description="Per room; a group takes 5 from all its bots. 0: no limit of ours.")
    edits_per_s: float = Field(1, ge=0, description="Per room, of an answer that is shown while it is made.")
    key_window_s: float = Field(3600, gt=0, description="How long the platform knows a uuid; it says an hour.")

    # bounds
    max_event_bytes: int = Field(
        1024 * 1024, gt=0, description="A larger event is refused unread; texts end at 150 KB."
    )
    commit_within_s: float = Field(2.0, gt=0, lt=3, description="An event not kept by then is not acknowledged.")
    lookup_s: float = Field(0.8, gt=0, lt=2, description="What an event leaves out is asked for, for so long.")
    call_timeout_s: float = Field(10, gt=0, description="One call of the platform's interface.")
    calls_at_once: int = Field(8, gt=0, le=50, description="Calls that may be on their way at once.")
    endpoint_timeout_s: float = Field(10, gt=0, description="Asking where to connect; the library alone never ends.")
    reconnect_s: float = Field(5, gt=0, description="The pause between attempts until the platform tells its own.")
    watch_every_s: float = Field(5, gt=0, description="How often the connection is looked at.")
    deaf_after_pings: float = Field(2.5, gt=1, description="No answer for so many pings: the connection is made anew.")
    patience_s: float = Field(60, gt=0, description="Without a connection for longer than the platform's own pauses.")
    directory_s: float = Field(3600, gt=0, description="How long the names of a chat and its members are kept.")
    remembered_messages: int = Field(20_000, gt=0, description="Where a message is, without asking for it.")
    history_pages: int = Field(20, gt=0, description="Pages of 50 messages, when a delivery is looked for.")

    @field_validator("domain")
    @classmethod
    def _known_domain(cls, domain: str) -> str:
        if domain in DOMAINS:
            return domain
        address = urlsplit(domain)
        if address.scheme == "https" and address.hostname:
            return domain.rstrip("/")
        if address.scheme == "http" and address.hostname and _is_loopback(address.hostname):
            return domain.rstrip("/")
        raise ValueError("allowed: feishu, lark, or https://…; http:// only on this machine")

    @model_validator(mode="after")
    def _webhook_is_guarded(self) -> FeishuSettings:
        if self.mode == "webhook" and not (
            self.encrypt_key.get_secret_value() or self.verification_token.get_secret_value()
        ):
            raise ValueError("a webhook needs MAODOU_FEISHU_ENCRYPT_KEY (or at least …_VERIFICATION_TOKEN)")
        return self

    @property
    def base_url(self) -> str:
        return DOMAINS.get(self.domain, self.domain)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""What the operator may set about the web room. ``config.yaml`` fills it; the password comes from the environment."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class WebSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    # where
    host: str = Field("127.0.0.1", description="The address to listen on; anything but this machine needs a password.")
    port: int = Field(7860, ge=0, le=65535, description="0 takes a free one.")
    public_url: str = Field("", description="How members reach the room through a proxy, as https://chat.example.org.")
    password: SecretStr = Field(SecretStr(""), description="Asked of everyone who joins. Set it in the environment.")

    # the room
    room_id: str = Field("lobby", min_length=1, description="The room's id; its scope is room:web:<id>.")
    room_name: str = Field("", description="Shown on top; empty: a name of ours in the member's language.")
    bot_names: tuple[str, ...] = Field(("毛豆", "maodou"), min_length=1, description="@ these, and it is addressed.")
    language: str = Field("zh", pattern="^(zh|en)$", description="For browsers that ask for neither zh nor en.")

    # bounds
    max_name_chars: int = Field(24, gt=0, le=100)
    max_message_chars: int = Field(4000, gt=0)
    max_file_mib: float = Field(20, gt=0)
    max_files: int = Field(6, gt=0, description="Attachments of one message.")
    posts_per_minute: int = Field(
        40, gt=0, description="Of one member: messages, edits, reactions and buttons together."
    )
    wrong_passwords_per_minute: int = Field(20, gt=0, description="Of everyone together; then nobody may try.")
    history_messages: int = Field(150, gt=0, description="How many messages a page shows when it is opened.")

    # times
    coalesce_ms: float = Field(60, ge=0, description="Changes within this time reach a browser in one piece.")
    heartbeat_s: float = Field(20, gt=0, description="A page that hears nothing for twice this time asks why.")
    thinking_s: float = Field(90, gt=0, description="How long 'is thinking' is shown when no answer follows.")
    session_days: float = Field(365, gt=0, description="How long a browser keeps its member.")
    name_kept_days: float = Field(30, gt=0, description="A name that was not seen for so long may be taken.")
    operator_link_minutes: float = Field(60, gt=0, description="How long the operator's link may wait to be opened.")
    operator_hours: float = Field(12, gt=0, description="How long the operator's session lasts.")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def max_file_bytes(self) -> int:
        return int(self.max_file_mib * 1024 * 1024)

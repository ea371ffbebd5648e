"""What the operator may set about Discord. ``config.yaml`` fills it; the token comes from the environment."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

API_BASE = "https://discord.com/api/v10"
GATEWAY_URL = "wss://gateway.discord.gg/"
CDN_BASE = "https://cdn.discordapp.com"


class DiscordSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr = Field(SecretStr(""), description="The bot's token: MAODOU_DISCORD_TOKEN in .env.")

    # where
    api_base: str = Field(API_BASE, description="Another server that speaks Discord's REST API, version 10.")
    gateway_url: str = Field(GATEWAY_URL, description="That server's gateway.")
    cdn_base: str = Field(CDN_BASE, description="Where attachments are fetched from, and nowhere else.")
    proxy: str = Field("", description="An HTTP proxy for all of it, as http://127.0.0.1:7890.")

    # what it hears
    message_content: bool = Field(
        True, description="Read all messages (needs the privileged intent); without it only those that address it."
    )
    max_message_chars: int = Field(20_000, gt=0, description="What is longer is read up to here.")

    # the line
    heartbeat_timeout_s: float = Field(60, gt=0, description="A line that is silent for so long is cut and resumed.")
    identify_pause_s: float = Field(5, ge=0, description="Before each new session; Discord allows one in 5 s.")
    guild_ready_timeout_s: float = Field(2, gt=0, description="How long the next server may take to appear at start.")
    restart_first_s: float = Field(1, gt=0, description="The first pause after the client has ended; then doubled.")
    restart_most_s: float = Field(120, gt=0, description="The longest pause: 1,000 sessions a day are allowed.")
    steady_after_s: float = Field(300, gt=0, description="A client that lived so long starts the pauses anew.")

    # the way in
    catch_up_hours: float = Field(24, ge=0, le=168, description="After an outage, read so far back; 0 reads nothing.")
    catch_up_messages: int = Field(300, gt=0, description="The most messages read back in one room.")
    catch_up_rooms: int = Field(200, gt=0, description="The most rooms read back, the liveliest first.")
    catch_up_at_once: int = Field(6, gt=0, description="Rooms that are read back at the same time.")
    catch_up_overlap: int = Field(20, ge=0, description="Messages read again, for one that came out of order.")
    hold_s: float = Field(30, gt=0, description="New messages wait at most so long for the older ones to be read.")
    held_events: int = Field(5_000, gt=0, description="Events that may wait at once, for that or for the database.")
    commit_retry_first_s: float = Field(0.2, gt=0, description="The first pause when the database takes no write.")
    commit_retry_most_s: float = Field(5, gt=0, description="The longest one.")

    # the way out
    sends_per_s: float = Field(0, ge=0, description="Per room; 0 leaves it to what Discord's answers allow.")
    edits_per_s: float = Field(0.8, ge=0, description="Per room: 5 edits in 5 s are allowed, the last word is one.")
    key_window_s: float = Field(120, gt=0, description="How long Discord knows a nonce: “the past few minutes”.")
    find_messages: int = Field(300, gt=0, description="How far the room is searched for a message of ours.")
    fetch_timeout_s: float = Field(60, gt=0, description="For one attachment.")

    @field_validator("api_base", "cdn_base")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        return url.rstrip("/")

"""Slash commands and buttons: an interaction must be answered within 3 s, and its token lasts 15 minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.emulators.discord import payloads
from tests.emulators.discord.messages import Messages
from tests.emulators.discord.rest import ApiError, Call, Rest
from tests.emulators.discord.world import Channel, Json, Posted, User

if TYPE_CHECKING:
    from tests.emulators.discord.server import DiscordEmulator

LOADING_FLAG, EPHEMERAL_FLAG = 128, 64
MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE = 4, 5, 6, 7
COMMAND, COMPONENT = 2, 3


@dataclass(slots=True)
class Interaction:
    """``answered_after_s`` is None as long as the user sees "The application did not respond"."""

    id: int
    token: str
    type: int
    channel: Channel
    user: User
    at: float
    data: Json
    message: Posted | None = None
    answered_after_s: float | None = None
    response: Posted | None = None


class Interactions:
    def __init__(self, emulator: DiscordEmulator, rest: Rest, messages: Messages) -> None:
        self.emulator = emulator
        self.world = emulator.world
        self.rest = rest
        self.messages = messages
        self.by_token: dict[str, Interaction] = {}

    def routes(self, app: web.Application) -> None:
        def add(method: str, path: str, endpoint: Any) -> None:
            self.rest.add(app, method, path, endpoint, open_to_all=True)

        add("POST", "/interactions/{interaction}/{token}/callback", self.respond)
        add("POST", "/webhooks/{app}/{token}", self.follow_up)
        add("GET", "/webhooks/{app}/{token}/messages/{message}", self.read)
        add("PATCH", "/webhooks/{app}/{token}/messages/{message}", self.edit)
        add("DELETE", "/webhooks/{app}/{token}/messages/{message}", self.delete)

    def begin(self, type: int, channel: Channel, user: User, data: Json, message: Posted | None = None) -> Interaction:
        """A member pressed enter or a button: tell the bot."""
        number = self.world.snowflake()
        interaction = Interaction(number, f"token-{number:x}", type, channel, user, self.world.now(), data, message)
        self.by_token[interaction.token] = interaction
        payload: Json = {
            "id": str(number),
            "application_id": str(self.world.bot.id),
            "type": type,
            "token": interaction.token,
            "version": 1,
            "data": data,
            "channel_id": str(channel.id),
            "channel": payloads.channel(channel),
            "locale": "en-US",
            "app_permissions": "117760",
            "attachment_size_limit": self.emulator.limits.file_bytes,
            "entitlements": [],
            "authorizing_integration_owners": {},
            "context": 0 if channel.guild is not None else 1,
        }
        if channel.guild is not None:
            member = payloads.member(channel.guild.members[user.id]) | {"permissions": "0"}
            payload |= {"guild_id": str(channel.guild.id), "member": member, "guild_locale": "en-US"}
        else:
            payload["user"] = payloads.user(user)
        if message is not None:
            payload["message"] = payloads.message(message, self.world)
        self.emulator.gateway.dispatch("INTERACTION_CREATE", payload)
        return interaction

    # ── endpoints ────────────────────────────────────────────────────────────────────────────────────

    def respond(self, call: Call) -> Json | None:
        interaction = self.by_token.get(call.ids["token"])
        limits = self.emulator.limits
        if interaction is None or interaction.id != call.id("interaction"):
            raise ApiError.unknown(10062, "interaction")
        if interaction.answered_after_s is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        took = self.world.now() - interaction.at
        if took > limits.interaction_answer_s:
            raise ApiError.unknown(10062, "interaction")
        kind, data = int(call.body["type"]), call.body.get("data") or {}
        if kind == MESSAGE:
            interaction.response = self._post(interaction, Call(call.ids, call.query, data, call.files))
        elif kind == DEFERRED_MESSAGE:
            flags = LOADING_FLAG | int(data.get("flags", 0))
            interaction.response = self.world.post(interaction.channel, self.world.bot, "", type=20, flags=flags)
            self._sign(interaction, interaction.response)
        elif kind == UPDATE and interaction.message is not None:
            self.messages.change(interaction.message, Call(call.ids, call.query, data))
            interaction.response = interaction.message
        elif kind == DEFERRED_UPDATE and interaction.message is not None:
            interaction.response = interaction.message
        else:
            raise ApiError.form("type", "BASE_TYPE_CHOICES", f"a callback of type {kind} does not fit")
        interaction.answered_after_s = took
        if call.query.get("with_response") != "1":
            return None
        answer: Json = {"interaction": {"id": str(interaction.id), "type": interaction.type}}
        if interaction.response is not None and kind in (MESSAGE, DEFERRED_MESSAGE):
            answer["interaction"] |= {
                "response_message_id": str(interaction.response.id),
                "response_message_loading": kind == DEFERRED_MESSAGE,
            }
            answer["resource"] = {"type": kind, "message": payloads.message(interaction.response, self.world)}
        return answer

    def _post(self, interaction: Interaction, call: Call) -> Posted:
        message = self.messages.compose(call, self.world.bot, interaction.channel.id)
        self._sign(interaction, message)
        return message

    def _sign(self, interaction: Interaction, message: Posted) -> None:
        message.interaction_id, message.interaction_user = interaction.id, interaction.user
        if not message.flags & EPHEMERAL_FLAG:
            self.emulator.gateway.message_event("MESSAGE_CREATE", message)

    def _live(self, call: Call) -> Interaction:
        interaction = self.by_token.get(call.ids["token"])
        if interaction is None or interaction.answered_after_s is None:
            raise ApiError.unknown(10015, "Webhook")
        if self.world.now() - interaction.at > self.emulator.limits.interaction_token_s:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return interaction

    def _message(self, call: Call) -> Posted:
        interaction = self._live(call)
        which = call.ids["message"]
        message = interaction.response if which == "@original" else interaction.channel.messages.get(int(which))
        if message is None or message.deleted:
            raise ApiError.unknown(10008, "Message")
        return message

    def follow_up(self, call: Call) -> Json:
        return payloads.message(self._post(self._live(call), call), self.world)

    def read(self, call: Call) -> Json:
        return payloads.message(self._message(call), self.world)

    def edit(self, call: Call) -> Json:
        return self.messages.change(self._message(call), call)

    def delete(self, call: Call) -> None:
        self.emulator.delete(self._message(call))

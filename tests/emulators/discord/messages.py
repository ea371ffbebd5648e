"""The endpoints of channels and messages, and those around them that a bot reads."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from tests.emulators.discord import payloads
from tests.emulators.discord.gateway import MESSAGE_CONTENT
from tests.emulators.discord.rest import EDITS, SENDS, ApiError, Call, Rest, Upload
from tests.emulators.discord.world import Act, File, Json, Kind, Posted, User

if TYPE_CHECKING:
    from tests.emulators.discord.server import DiscordEmulator

VOICE_FLAG = 8192
MOST_WAVEFORM_POINTS = 256


class Messages:
    """Everything under ``/channels``, and the reads of users, guilds, members and commands."""

    def __init__(self, emulator: DiscordEmulator, rest: Rest) -> None:
        self.emulator = emulator
        self.world = emulator.world
        self.rest = rest
        self.commands: list[Json] = []
        self._nonces: dict[tuple[int, str], tuple[float, Posted]] = {}
        self.absorbed = 0

    def routes(self, app: web.Application) -> None:
        add = self.rest.add
        add(app, "POST", "/channels/{channel}/messages", self.send, bucket=SENDS)
        add(app, "GET", "/channels/{channel}/messages", self.history)
        add(app, "GET", "/channels/{channel}/messages/{message}", self.read)
        add(app, "PATCH", "/channels/{channel}/messages/{message}", self.edit, bucket=EDITS)
        add(app, "DELETE", "/channels/{channel}/messages/{message}", self.delete)
        add(app, "POST", "/channels/{channel}/messages/{message}/threads", self.start_thread)
        reactions = "/channels/{channel}/messages/{message}/reactions/{emoji}"
        add(app, "PUT", reactions + "/@me", self.react)
        add(app, "DELETE", reactions + "/@me", self.unreact)
        add(app, "GET", reactions, self.reacted)
        add(app, "POST", "/channels/{channel}/typing", self.typing)
        add(app, "GET", "/channels/{channel}", lambda call: payloads.channel(self.rest.channel(call)))
        add(app, "GET", "/users/@me", lambda call: payloads.user(self.world.bot))
        add(app, "POST", "/users/@me/channels", self.open_direct)
        add(app, "GET", "/users/{user}", self.read_user)
        add(app, "GET", "/oauth2/applications/@me", self.application)
        add(app, "GET", "/gateway", lambda call: {"url": self.emulator.gateway_url})
        add(app, "GET", "/guilds/{guild}", self.read_guild)
        add(app, "GET", "/guilds/{guild}/roles", self.read_roles)
        add(app, "GET", "/guilds/{guild}/channels", self.read_channels)
        add(app, "GET", "/guilds/{guild}/members/{user}", self.read_member)
        add(app, "GET", "/applications/{app}/commands", lambda call: self.commands)
        add(app, "PUT", "/applications/{app}/commands", self.put_commands)

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def send(self, call: Call) -> Json:
        channel = self.rest.channel(call)
        nonce = call.body.get("nonce")
        if nonce is not None and len(str(nonce)) > self.emulator.limits.nonce_chars:
            raise ApiError.form("nonce", "NONCE_TYPE_TOO_LONG", "Nonce must be 25 or fewer in length.")
        enforced = nonce is not None and call.body.get("enforce_nonce") is True
        if enforced and (earlier := self._by_nonce(channel.id, str(nonce))) is not None:
            if earlier.deleted:
                raise ApiError.unknown(10008, "Message")
            self.absorbed += 1
            return payloads.message(earlier, self.world)
        message = self.compose(call, self.world.bot, channel.id, nonce=None if nonce is None else str(nonce))
        if enforced:
            self._nonces[channel.id, str(nonce)] = (self.world.now(), message)
        self.emulator.gateway.message_event("MESSAGE_CREATE", message)
        return payloads.message(message, self.world)

    def _by_nonce(self, channel_id: int, nonce: str) -> Posted | None:
        found = self._nonces.get((channel_id, nonce))
        if found is None:
            return None
        at, message = found
        if self.world.now() - at > self.emulator.limits.nonce_window_s:
            del self._nonces[channel_id, nonce]
            return None
        return message

    def compose(self, call: Call, author: User, channel_id: int, *, nonce: str | None = None) -> Posted:
        """Check a message's body as Discord does, and post it. Interactions' messages come by here too."""
        body, channel = call.body, self.world.channels[channel_id]
        if channel.kind is Kind.FORUM:
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        content = self.checked(body)
        files = self._files(call, channel_id)
        flags = int(body.get("flags", 0))
        if flags & VOICE_FLAG:
            self._check_voice(content, files)
        if not content and not files and not body.get("embeds"):
            raise ApiError(400, 50006, "Cannot send an empty message")
        reference = body.get("message_reference")
        reply_to: int | None = None
        if reference is not None:
            reply_to = int(reference["message_id"])
            if reply_to not in channel.messages:
                if reference.get("fail_if_not_exists", True):
                    raise ApiError.form("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")
                reply_to = None
        pinged, everyone = self._pings(body, content, reply_to and channel.messages[reply_to].author.id)
        return self.world.post(
            channel,
            author,
            content,
            type=19 if reply_to is not None else 0,
            flags=flags,
            reply_to=reply_to,
            files=files,
            components=self.checked_components(body),
            nonce=nonce,
            pinged=pinged,
            pinged_everyone=everyone,
        )

    def checked(self, body: Json) -> str:
        """The content without surrounding space (Discord strips it), or 400 50035 for too much of it."""
        content = str(body.get("content") or "").strip()
        limits = self.emulator.limits
        if limits.enforced and len(content) > limits.content_chars:
            message = f"Must be {limits.content_chars} or fewer in length."
            raise ApiError.form("content", "BASE_TYPE_MAX_LENGTH", message)
        return content

    @staticmethod
    def checked_components(body: Json) -> list[Json]:
        """Rows of at most five buttons with labels of 1–80 and ids of 1–100 characters."""
        rows: list[Json] = body.get("components") or []
        if len(rows) > 5 or any(len(row["components"]) > 5 for row in rows):
            raise ApiError.form("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        for number, button in enumerate(button for row in rows for button in row["components"]):
            if not 1 <= len(button.get("label", "")) <= 80 or not 1 <= len(button.get("custom_id", "")) <= 100:
                raise ApiError.form("components", "BASE_TYPE_BAD_LENGTH", f"component {number}")
        return rows

    def _files(self, call: Call, channel_id: int) -> list[File]:
        described = {int(each["id"]): each for each in call.body.get("attachments") or []}
        files = []
        for number, upload in sorted(call.files.items()):
            if self.emulator.limits.enforced and len(upload.body) > self.emulator.limits.file_bytes:
                raise ApiError(413, 40005, "Request entity too large")
            about = described.get(number, {})
            files.append(self.file(channel_id, upload, about.get("duration_secs"), about.get("waveform")))
        return files

    def file(self, channel_id: int, upload: Upload, duration_s: float | None, waveform: str | None) -> File:
        audio = upload.media_type.startswith("audio/")
        file = File(self.world.snowflake(), upload.name, upload.media_type, upload.body)
        if audio:
            file.duration_s, file.waveform = duration_s, waveform
        file.url = f"{self.emulator.cdn_url}/attachments/{channel_id}/{file.id}/{upload.name}?ex=0"
        return file

    @staticmethod
    def _check_voice(content: str, files: list[File]) -> None:
        if content:
            raise ApiError(400, 50159, "Voice messages do not support additional content.")
        if len(files) != 1 or not files[0].media_type.startswith("audio/"):
            raise ApiError(400, 50160, "Voice messages must have a single audio attachment.")
        if not files[0].duration_s or not files[0].waveform:
            raise ApiError(400, 50161, "Voice messages must have supporting metadata.")
        try:
            points = base64.b64decode(files[0].waveform, validate=True)
        except ValueError:
            points = b""
        if not 1 <= len(points) <= MOST_WAVEFORM_POINTS:
            raise ApiError.form("attachments", "BASE_TYPE_BAD_LENGTH", "waveform: 1 to 256 points, in base 64")

    def _pings(self, body: Json, content: str, replied: int | None) -> tuple[tuple[int, ...], bool]:
        """Whom a bot's message really notifies: what it mentions, as far as ``allowed_mentions`` lets it."""
        allowed = body.get("allowed_mentions")
        if allowed is None:
            allowed = {"parse": ["users", "roles", "everyone"], "replied_user": True}
        ids = payloads.mentioned_ids(content) if "users" in allowed.get("parse", ()) else []
        if replied and allowed.get("replied_user"):
            ids.append(replied)
        everyone = payloads.mentions_everyone(content) and "everyone" in allowed.get("parse", ())
        return tuple(dict.fromkeys(ids)), everyone

    def history(self, call: Call) -> list[Json]:
        """Newest first, as Discord answers: the ``limit`` messages nearest to ``after``, ``before`` or now."""
        channel = self.rest.channel(call)
        limit = int(call.query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise ApiError.form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
        if "after" in call.query:
            after = int(call.query["after"])
            ids = [each for each in channel.messages if each > after][:limit]
        elif "before" in call.query:
            before = int(call.query["before"])
            ids = [each for each in channel.messages if each < before][-limit:]
        else:
            ids = list(channel.messages)[-limit:]
        return [payloads.message(channel.messages[each], self.world) for each in reversed(ids)]

    def message(self, call: Call) -> Posted:
        message = self.rest.channel(call).messages.get(call.id("message"))
        if message is None:
            raise ApiError.unknown(10008, "Message")
        return message

    def own_message(self, call: Call) -> Posted:
        message = self.message(call)
        if message.author is not self.world.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        return message

    def read(self, call: Call) -> Json:
        return payloads.message(self.message(call), self.world)

    def edit(self, call: Call) -> Json:
        return self.change(self.own_message(call), call)

    def change(self, message: Posted, call: Call) -> Json:
        if message.flags & VOICE_FLAG:
            raise ApiError(400, 50162, "Voice messages cannot be edited.")
        if "content" in call.body:
            content = self.checked(call.body)
            if not content and not message.files:
                raise ApiError(400, 50006, "Cannot send an empty message")
            message.content = content
        if "components" in call.body:
            message.components = self.checked_components(call.body)
        message.edited_at = self.world.now()
        message.flags &= ~128
        self.world.note(Act.EDITED, message.channel, message.author, message.id, message.content)
        self.emulator.gateway.message_event("MESSAGE_UPDATE", message)
        return payloads.message(message, self.world)

    def delete(self, call: Call) -> None:
        message = self.message(call)
        if message.author is not self.world.bot:
            raise ApiError(403, 50013, "Missing Permissions")
        self.emulator.delete(message)

    def start_thread(self, call: Call) -> Json:
        message = self.message(call)
        if message.id in self.world.channels:
            raise ApiError(400, 160004, "A thread has already been created for this message")
        thread = self.emulator.thread(message.channel, call.body["name"], self.world.bot, id=message.id)
        return payloads.channel(thread)

    # ── reactions ────────────────────────────────────────────────────────────────────────────────────

    def react(self, call: Call) -> None:
        self.emulator.react(self.message(call), self.world.bot, unquote(call.ids["emoji"]))

    def unreact(self, call: Call) -> None:
        self.emulator.unreact(self.message(call), self.world.bot, unquote(call.ids["emoji"]))

    def reacted(self, call: Call) -> list[Json]:
        """Who reacted with an emoji, by id, after ``after``."""
        users = self.message(call).reactions.get(unquote(call.ids["emoji"]), [])
        after, limit = int(call.query.get("after", 0)), int(call.query.get("limit", 25))
        return [payloads.user(self.world.users[each]) for each in sorted(users) if each > after][:limit]

    def typing(self, call: Call) -> None:
        self.world.note(Act.TYPING, self.rest.channel(call), self.world.bot)

    # ── around messages ──────────────────────────────────────────────────────────────────────────────

    def open_direct(self, call: Call) -> Json:
        user = self.world.users.get(int(call.body["recipient_id"]))
        if user is None:
            raise ApiError.unknown(10013, "User")
        return payloads.channel(self.world.direct(user))

    def read_user(self, call: Call) -> Json:
        user = self.world.users.get(call.id("user"))
        if user is None:
            raise ApiError.unknown(10013, "User")
        return payloads.user(user)

    def application(self, call: Call) -> Json:
        return {
            "id": str(self.world.bot.id),
            "name": self.world.bot.name,
            "description": "",
            "icon": None,
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "",
            "flags": 1 << 19 if self.emulator.allowed_intents & MESSAGE_CONTENT else 0,
            "owner": payloads.user(next(user for user in self.world.users.values())),
            "team": None,
        }

    def read_guild(self, call: Call) -> Json:
        guild = self.world.guilds.get(call.id("guild"))
        if guild is None or not guild.joined:
            raise ApiError.unknown(10004, "Guild")
        return payloads.guild_summary(guild)

    def read_roles(self, call: Call) -> list[Json]:
        roles: list[Json] = self.read_guild(call)["roles"]
        return roles

    def read_channels(self, call: Call) -> list[Json]:
        self.read_guild(call)
        channels = self.world.guilds[call.id("guild")].channels.values()
        return [payloads.channel(each) for each in channels if each.kind is not Kind.PUBLIC_THREAD]

    def read_member(self, call: Call) -> Json:
        self.read_guild(call)
        membership = self.world.guilds[call.id("guild")].members.get(call.id("user"))
        if membership is None:
            raise ApiError.unknown(10007, "Member")
        return payloads.member(membership)

    def put_commands(self, call: Call) -> list[Json]:
        """Replace all global commands; Discord fills in what was left out."""
        self.commands = [
            {
                "id": str(self.world.snowflake()),
                "application_id": str(self.world.bot.id),
                "version": str(self.world.snowflake()),
                "type": 1,
                "description": "",
                "default_member_permissions": None,
                "nsfw": False,
            }
            | each
            for each in call.body[""]
        ]
        for command in self.commands:
            if not 1 <= len(command["name"]) <= 32 or not 1 <= len(command["description"]) <= 100:
                raise ApiError.form("commands", "BASE_TYPE_BAD_LENGTH", command["name"])
        return self.commands

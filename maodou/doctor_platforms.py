"""The doctor on platforms: is the account good, and “why is it silent in this group?” as a row of causes.

Each cause is looked for where it shows: at the platform, in the running process, in the database. All that
apply are told, the deepest first – what is not connected cannot be muted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import httpx
from sqlalchemy import Connection, RowMapping, func, select

from bot.checks import CheckResult
from bot.decision import Outcome, Reason
from bot.delivery import DeliveryState
from bot.durations import say_duration
from bot.errors import UsageError
from bot.event import Room
from bot.inbox import room_of
from bot.ports import SystemClock
from bot.reasons import headline
from bot.room_settings import KNOWLEDGE, MUTED_UNTIL, UNASKED, Eagerness
from bot.scopes import Scopes
from bot.store import Store
from bot.tables import deliveries, inbox, rooms
from bot.values import Values
from maodou.config import ROOM_SETTINGS, Settings
from maodou.health_file import STALE_AFTER_S, read_pulse

PLATFORMS = ("discord", "feishu", "web")
STUCK_AFTER_S = 300.0
LOOK_WITHIN_S = 15.0
RECENT_DELIVERIES = 5
ALL_MESSAGES = "im:message.group_msg"


class Cause(StrEnum):
    """Why it may be silent in a room; the label of a finding."""

    WRONG_SECRET = "wrong token or secret"
    MISSING_INTENT = "missing intent"
    MISSING_SCOPE = "missing permission"
    NOT_RUNNING = "not running"
    CONNECTION_LOST = "connection lost"
    STUCK = "stuck"
    NO_EVENTS = "no events arrive"
    REMOVED = "not in the room"
    CANNOT_SEND = "may not write here"
    MUTED = "muted"
    NO_DOCUMENTS = "no documents"
    UNASKED_OFF = "speaks only when addressed"
    ONLY_MENTIONS = "hears only who addresses it"
    LAST = "the last message"


@dataclass(frozen=True, slots=True)
class _Patient:
    """The room that is asked about. ``row``: what is kept of it; None while no event came from it."""

    settings: Settings
    store: Store
    platform: str
    id: str
    row: RowMapping | None

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.id}"


Findings = Iterator[CheckResult]


def _found(cause: Cause, details: str, resolution: str) -> CheckResult:
    return CheckResult(False, cause.value, details, resolution)


def why_silent(settings: Settings, room: str, is_running: Callable[[Settings], bool]) -> list[CheckResult]:
    """Everything that keeps it silent in ``room`` (``discord:123``); one good result when nothing does.

    Raises ``UsageError`` for a room that is not written so, or of a platform that is not configured.
    """
    platform, _, id = room.partition(":")
    if platform not in PLATFORMS or not id:
        raise UsageError(f"{room!r} is no room: write it as platform:id, such as discord:123 or feishu:oc_456.")
    configured = platform in settings.platforms or (platform == "web" and settings.serves_web is not None)
    if not configured:
        raise UsageError(f"{platform} is not configured: add its section to config.yaml (maodou connect {platform}).")
    store = Store.open(settings.store)
    try:
        row = store.read_now(lambda connection: _room(connection, room))
        patient = _Patient(settings, store, platform, id, row)
        results = [result for look in LOOKS for result in look(patient, is_running)]
        if not any(not result.ok for result in results):
            results.insert(0, CheckResult(True, room, "nothing keeps it from speaking here"))
        return results
    finally:
        store.close()


def _room(connection: Connection, key: str) -> RowMapping | None:
    return connection.execute(select(rooms).where(rooms.c.key == key)).mappings().first()


# ── at the platform ──────────────────────────────────────────────────────────────────────────────────────


def account(settings: Settings, platform: str) -> Findings:
    """What the platform says about the bot's account. Asks the network."""
    try:
        yield from _discord(settings) if platform == "discord" else _feishu(settings)
    except UsageError as error:
        refused = "refuses" in str(error)
        yield _found(
            Cause.WRONG_SECRET if refused else Cause.CONNECTION_LOST,
            str(error),
            f"maodou connect {platform}" if refused else "See that this machine reaches the platform; then ask again.",
        )


def _discord(settings: Settings) -> Findings:
    from adapters.discord.invitation import look_up

    discord = settings.discord
    if discord is None:
        return
    found = asyncio.run(look_up(discord))
    if found.reads_messages or not discord.message_content:
        yield CheckResult(True, "discord", f"the token is good: {found.name}")
    else:
        yield _found(
            Cause.MISSING_INTENT,
            f"{found.name} may not read messages, and Discord ends its connection for asking",
            "Switch on Developer Portal › Bot › Message Content Intent, or run "
            "`maodou connect discord --mentions-only`; then start again.",
        )
    if not discord.message_content:
        yield CheckResult(True, Cause.ONLY_MENTIONS.value, "discord.message_content is false: it cannot speak unasked")


def _feishu(settings: Settings) -> Findings:
    from maodou.feishu_app import SCOPES, look_up

    if settings.feishu is None:
        return
    found = look_up(settings.feishu)
    if not found.bot:
        yield _found(
            Cause.MISSING_SCOPE,
            "the app has no bot",
            "Switch the bot on in the developer console (Features › Bot) and publish a version.",
        )
    needed = [scope for scope in found.missing if scope != ALL_MESSAGES]
    if needed:
        told = "; ".join(f"{scope} ({SCOPES[scope]})" for scope in needed)
        yield _found(
            Cause.MISSING_SCOPE, f"missing: {told}", "maodou connect feishu --again, and confirm what it asks for."
        )
    if ALL_MESSAGES in found.missing:
        yield _found(
            Cause.ONLY_MENTIONS,
            f"without the scope {ALL_MESSAGES} the platform sends only mentions of the bot and direct messages",
            "maodou connect feishu --again, and confirm it; or leave it: whoever mentions the bot is answered.",
        )
    if not found.missing and found.bot:
        yield CheckResult(True, "feishu", f"the secret is good and no permission is missing: {found.name}")


def _account(patient: _Patient, is_running: Callable[[Settings], bool]) -> Findings:
    if patient.platform != "web":
        yield from account(patient.settings, patient.platform)


# ── in the process ───────────────────────────────────────────────────────────────────────────────────────


def _process(patient: _Patient, is_running: Callable[[Settings], bool]) -> Findings:
    if not is_running(patient.settings):
        yield _found(Cause.NOT_RUNNING, "no Maodou works with this data", "maodou up")
        return
    pulse = read_pulse(patient.settings.data_dir)
    if pulse is None:
        return
    if pulse.age_s > STALE_AFTER_S:
        yield _found(
            Cause.STUCK,
            f"the process has said nothing for {pulse.age_s:.0f} s",
            "Stop it and start it again: nothing that was accepted is lost. The log tells what it was at.",
        )
    trouble = pulse.parts.get(patient.platform)
    if trouble:
        yield _found(
            Cause.CONNECTION_LOST, trouble, "It connects again by itself; see the network, and the platform's status."
        )
    for part in ("lanes", "database", "knowledge"):
        if told := pulse.parts.get(part):
            yield _found(Cause.STUCK, f"{part}: {told}", "Search the log for lane., store. and rag.; then start again.")


def _waiting(patient: _Patient, is_running: Callable[[Settings], bool]) -> Findings:
    """Messages of this room that nobody got to, whether a process runs or not."""
    since = time.time() - STUCK_AFTER_S
    late = (inbox.c.room == patient.key) & inbox.c.outcome.is_(None) & (inbox.c.received_at < since)
    query = select(func.count(), func.min(inbox.c.received_at)).where(late, func.coalesce(inbox.c.due_at, 0) < since)
    count, oldest = patient.store.read_now(lambda connection: connection.execute(query).one())
    if count:
        waited = say_duration(time.time() - oldest, "en")
        yield _found(
            Cause.STUCK,
            f"{count} of its messages wait to be decided, the oldest for {waited}",
            "Start Maodou again: they are taken up at once, and what is too old gets one word of apology.",
        )


# ── in the room ──────────────────────────────────────────────────────────────────────────────────────────


def _presence(patient: _Patient, is_running: Callable[[Settings], bool]) -> Findings:
    if patient.row is None:
        yield from _never_heard_of(patient)
    elif patient.row["removed_at"] is not None:
        ago = say_duration(time.time() - patient.row["removed_at"], "en")
        yield _found(Cause.REMOVED, f"it was removed from the room {ago} ago", "Add it to the room again.")
    elif patient.platform == "discord":
        yield from _sees_channel(patient)


def _never_heard_of(patient: _Patient) -> Findings:
    said = select(inbox.c.id).where(inbox.c.room.startswith(f"{patient.platform}:", autoescape=True)).limit(1)
    if patient.store.read_now(lambda connection: connection.execute(said).first()) is not None:
        yield _found(
            Cause.REMOVED,
            "nothing was ever heard from this room, though others are heard",
            "See that the id is right and that the bot is in the room and may see it.",
        )
    elif patient.platform == "feishu":
        yield _found(
            Cause.NO_EVENTS,
            "Feishu has never sent an event",
            "Developer console › Events: subscribe to im.message.receive_v1, choose the long connection, publish a "
            "version (maodou connect feishu --again does all of it). No second process may hold the same connection.",
        )
    else:
        yield _found(
            Cause.NO_EVENTS,
            f"nothing has ever come from {patient.platform}",
            "Invite the bot (maodou connect discord prints the link), and write something in the room.",
        )


def _sees_channel(patient: _Patient) -> Findings:
    discord = patient.settings.discord
    if discord is None:
        return
    headers = {"Authorization": f"Bot {discord.token.get_secret_value().strip()}"}
    try:
        with httpx.Client(headers=headers, proxy=discord.proxy or None, timeout=LOOK_WITHIN_S) as client:
            status = client.get(f"{discord.api_base}/channels/{patient.id}").status_code
    except httpx.HTTPError:
        return  # said already, by the account's own check
    if status in (403, 404):
        yield _found(
            Cause.REMOVED,
            f"Discord does not show it this channel ({status})",
            "Give its role the permission View Channel here, or invite it again.",
        )


def _sending(patient: _Patient, is_running: Callable[[Settings], bool]) -> Findings:
    """Whether its last words here arrived."""
    query = (
        select(deliveries.c.state, deliveries.c.error)
        .where(deliveries.c.room == patient.key)
        .order_by(deliveries.c.id.desc())
        .limit(RECENT_DELIVERIES)
    )
    last = patient.store.read_now(lambda connection: connection.execute(query).all())
    if last and last[0].state == DeliveryState.UNDELIVERABLE.value:
        failed = sum(row.state == DeliveryState.UNDELIVERABLE.value for row in last)
        yield _found(
            Cause.CANNOT_SEND,
            f"{failed} of its last {len(last)} messages here were refused: {last[0].error}",
            "Discord: Send Messages (in threads: Send Messages in Threads) for its role in this channel. "
            "Feishu: im:message:send_as_bot, and a group that lets its bots speak.",
        )


# ── its settings ─────────────────────────────────────────────────────────────────────────────────────────


def _choices(patient: _Patient, is_running: Callable[[Settings], bool]) -> Findings:
    room = room_of(patient.row) if patient.row is not None else Room(patient.platform, patient.id)
    scopes = Scopes(patient.store, SystemClock(), ROOM_SETTINGS, configured=patient.settings.rooms)
    values: Values = asyncio.run(_values(scopes, room))
    left_s = values[MUTED_UNTIL] - time.time()
    if left_s > 0:
        yield _found(
            Cause.MUTED, f"muted for another {say_duration(left_s, 'en')}", "/mute off in the room, by a moderator."
        )
    yield from _documents(patient, values)
    if values[UNASKED] is Eagerness.OFF:
        yield CheckResult(
            True, Cause.UNASKED_OFF.value, "`unasked` is off here", "/settings unasked quiet lets it speak unasked."
        )


async def _values(scopes: Scopes, room: Room) -> Values:
    return await scopes.of(room)


def _documents(patient: _Patient, values: Values) -> Findings:
    from rag.library import Library

    wanted = values[KNOWLEDGE]
    full = {base.name for base in Library(patient.store, patient.settings.knowledge).bases() if base.chunks}
    if not full & set(wanted):
        named = f"reads {', '.join(wanted)}, where nothing is" if wanted else "reads no knowledge base"
        yield _found(
            Cause.NO_DOCUMENTS, f"the room {named}", f"maodou kb add FOLDER --kb {wanted[0] if wanted else 'default'}"
        )


def _last_decision(patient: _Patient, is_running: Callable[[Settings], bool]) -> Findings:
    """What became of the last message, as ``/why`` says it."""
    decided = (inbox.c.room == patient.key) & inbox.c.outcome.is_not(None) & inbox.c.kind.in_(("said", "edited"))
    query = select(inbox).where(decided).order_by(inbox.c.id.desc()).limit(1)
    row = patient.store.read_now(lambda connection: connection.execute(query).mappings().first())
    if row is not None:
        ago = say_duration(time.time() - row["received_at"], "en")
        told = headline(Outcome(row["outcome"]), Reason(row["reason"]), "en")
        yield CheckResult(True, Cause.LAST.value, f"{ago} ago – {told}")


Look = Callable[[_Patient, Callable[[Settings], bool]], Findings]
LOOKS: tuple[Look, ...] = (_account, _process, _waiting, _presence, _sending, _choices, _last_decision)

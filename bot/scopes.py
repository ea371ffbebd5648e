"""Settings by scope: global → platform → space → room → thread → member, and the nearer wins.

The assistant asks for a room's values on each message. They are cached for at most ``cache_s``, so that a
change by another process is seen, and not at all for that long after a change of our own.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, delete, select

from bot import audit, tables
from bot.errors import UsageError
from bot.event import Member, Room, RoomKind
from bot.ports import Clock
from bot.room_settings import CORE_SETTINGS, Level, Setting
from bot.store import Operation, Store, upsert
from bot.values import Values

GLOBAL = "global"

log = structlog.get_logger(__name__)


def platform_scope(platform: str) -> str:
    return f"{Level.PLATFORM}:{platform}"


def member_scope(member: Member) -> str:
    return f"{Level.MEMBER}:{member.key}"


def scope_of(room: Room) -> str:
    """The scope that a change in this room writes to."""
    return f"{Level.THREAD if room.kind is RoomKind.THREAD else Level.ROOM}:{room.key}"


def scopes_of(room: Room, member: Member | None = None) -> tuple[str, ...]:
    """All scopes that bear on a room, the widest first. A thread inherits from its parent and its space."""
    scopes = [GLOBAL, platform_scope(room.platform)]
    if room.space is not None:
        scopes.append(f"{Level.SPACE}:{room.platform}:{room.space}")
    if room.kind is RoomKind.THREAD and room.parent is not None:
        scopes.append(f"{Level.ROOM}:{room.platform}:{room.parent}")
    scopes.append(scope_of(room))
    if member is not None:
        scopes.append(member_scope(member))
    return tuple(scopes)


def level_of(scope: str) -> Level:
    """The level of a scope's key. Raises ``ValueError`` for what is no scope."""
    return Level(scope.partition(":")[0])


@dataclass(frozen=True, slots=True)
class _Loaded:
    at: float
    rows: Mapping[str, Any]


class Scopes:
    """Reads and changes settings.

    ``configured``: values from ``config.yaml`` by name, which take the place of the defaults.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Sequence[Setting[Any]] = CORE_SETTINGS,
        *,
        configured: Mapping[str, object] | None = None,
        cache_s: float = 2.0,
        cache_scopes: int = 10_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings: dict[str, Setting[Any]] = {}
        for setting in settings:
            if setting.name in self._settings:
                raise ValueError(f"two settings are named {setting.name}")
            self._settings[setting.name] = setting
        self._defaults = {setting.name: setting.default for setting in settings} | self._checked(configured or {})
        self._cache_s = cache_s
        self._cache_scopes = cache_scopes
        self._cache: dict[str, _Loaded] = {}
        self._joined: dict[tuple[str, ...], tuple[list[Mapping[str, Any]], Values]] = {}
        self._changed_at = float("-inf")

    @property
    def settings(self) -> tuple[Setting[Any], ...]:
        """All definitions, in the order in which they were given."""
        return tuple(self._settings.values())

    def setting(self, name: str) -> Setting[Any]:
        """Raises ``KeyError`` where there is none of that name."""
        return self._settings[name]

    def _checked(self, configured: Mapping[str, object]) -> dict[str, Any]:
        checked: dict[str, Any] = {}
        for name, value in configured.items():
            setting = self._settings.get(name)
            if setting is None:
                raise UsageError(f"There is no setting {name!r}; there are: {', '.join(sorted(self._settings))}.")
            try:
                checked[name] = setting.canonical(value)
            except ValueError:
                raise UsageError(
                    f"The setting {name!r} cannot be {value!r}. Allowed: {setting.what_is_allowed().en}."
                ) from None
        return checked

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    async def of(self, room: Room, member: Member | None = None) -> Values:
        """The values that hold in a room, for a member where one is given."""
        scopes = scopes_of(room, member)
        loaded = self._cached(scopes)
        missing = [scope for scope in scopes if scope not in loaded]
        if missing:
            asked_at = self._clock.now()
            found = await self._store.read(_rows(missing))
            loaded |= found
            self._keep(found, asked_at)
        rows = [loaded[scope] for scope in scopes]
        known = self._joined.get(scopes)
        if known is not None and all(map(operator.is_, known[0], rows)):
            return known[1]
        values = self._join(list(zip(scopes, rows, strict=True)))
        if len(self._joined) >= self._cache_scopes:
            self._joined.clear()
        self._joined[scopes] = (rows, values)
        return values

    async def at(self, scope: str) -> Mapping[str, Any]:
        """What is set at this one scope, by name; never cached. For the console."""
        found = (await self._store.read(_rows([scope])))[scope]
        joined = self._join([(scope, found)])
        return {name: joined[name] for name in joined if joined.origin(name) is not None}

    def _cached(self, scopes: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        now = self._clock.now()
        if abs(now - self._changed_at) <= self._cache_s:
            return {}  # the change may not be committed yet: read until it surely is
        fresh: dict[str, Mapping[str, Any]] = {}
        for scope in scopes:
            loaded = self._cache.get(scope)
            if loaded is not None and loaded.at > self._changed_at and 0 <= now - loaded.at < self._cache_s:
                fresh[scope] = loaded.rows
        return fresh

    def _keep(self, found: Mapping[str, Mapping[str, Any]], at: float) -> None:
        if abs(at - self._changed_at) <= self._cache_s:
            return
        if len(self._cache) + len(found) > self._cache_scopes:
            self._cache.clear()  # seldom, and cheaper than keeping an order
        for scope, rows in found.items():
            self._cache[scope] = _Loaded(at, rows)

    def _join(self, chain: Sequence[tuple[str, Mapping[str, Any]]]) -> Values:
        values = dict(self._defaults)
        origins: dict[str, str] = {}
        for scope, rows in chain:
            if not rows:
                continue
            level = level_of(scope)
            for name, stored in rows.items():
                setting = self._settings.get(name)
                if setting is None or level not in setting.levels:
                    continue  # of a feature that is not installed, or of an older version
                try:
                    values[name] = setting.canonical(stored)
                except ValueError:
                    log.warning("settings.unreadable", scope=scope, name=name)
                    continue
                origins[name] = scope
        return Values(values, origins)

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────

    def change(
        self, scope: str, name: str, value: object, *, who: str, message_id: str | None = None
    ) -> Operation[bool]:
        """An operation that sets a value and writes the audit row; True when that changed anything.

        The right to do so is the caller's to check (``Setting.role_at``). Raises ``ValueError`` at once for an
        unknown setting, a scope at which it cannot stand, or a value that it cannot have.
        """
        setting = self._at_scope(scope, name)
        new = setting.canonical(value)
        stored = list(new) if isinstance(new, tuple) else new

        def write(connection: Connection) -> bool:
            self._changed_at = self._clock.now()
            old = _stored(connection, scope, name)
            if old == stored:
                return False
            row = {"scope": scope, "name": name, "value": stored}
            upsert(connection, tables.settings, row, conflict_on=("scope", "name"))
            self._record(connection, scope, name, old, stored, who, message_id)
            return True

        return write

    def reset(self, scope: str, name: str, *, who: str, message_id: str | None = None) -> Operation[bool]:
        """An operation that unsets a value, so that the wider scope holds again; True when there was one."""
        self._at_scope(scope, name)

        def write(connection: Connection) -> bool:
            self._changed_at = self._clock.now()
            old = _stored(connection, scope, name)
            if old is None:
                return False
            table = tables.settings
            connection.execute(delete(table).where(table.c.scope == scope, table.c.name == name))
            self._record(connection, scope, name, old, None, who, message_id)
            return True

        return write

    def _at_scope(self, scope: str, name: str) -> Setting[Any]:
        setting = self._settings.get(name)
        if setting is None:
            raise ValueError(f"there is no setting {name!r}")
        if level_of(scope) not in setting.levels:
            raise ValueError(f"{name!r} cannot be set for {scope!r}")
        return setting

    def _record(
        self, connection: Connection, scope: str, name: str, old: object, new: object, who: str, message_id: str | None
    ) -> None:
        audit.record(
            connection,
            at=self._clock.now(),
            who=who,
            scope=scope,
            what=f"settings.{name}",
            old=old,
            new=new,
            message_id=message_id,
        )


def _rows(scopes: Sequence[str]) -> Operation[dict[str, Mapping[str, Any]]]:
    def query(connection: Connection) -> dict[str, Mapping[str, Any]]:
        found: dict[str, dict[str, Any]] = {scope: {} for scope in scopes}
        for row in connection.execute(select(tables.settings).where(tables.settings.c.scope.in_(scopes))):
            found[row.scope][row.name] = row.value
        return dict(found)

    return query


def _stored(connection: Connection, scope: str, name: str) -> Any:
    table = tables.settings
    return connection.execute(select(table.c.value).where(table.c.scope == scope, table.c.name == name)).scalar()

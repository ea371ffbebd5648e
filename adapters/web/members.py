"""Who belongs to the web room: a name each, and a role. Reads and writes ``web_members``."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, select, update

from adapters.web.identity import DAY_S
from adapters.web.names import Name
from adapters.web.tables import web_links, web_members
from bot import audit
from bot.errors import MemberError
from bot.event import Member, Role
from bot.ports import Clock
from bot.store import Store, insert_once
from bot.texts import Text

PLATFORM = "web"
NAME_TAKEN = Text(zh="「{name}」已经有人用了，换一个名字吧。", en="“{name}” is taken: please choose another name.")
SEEN_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class WebMember:
    id: str
    name: str
    role: Role
    seen_at: float

    @property
    def member(self) -> Member:
        return Member(PLATFORM, self.id, self.name)


class Members:
    """A name belongs to the browser that took it first, until it was not seen for ``name_kept_days``."""

    def __init__(self, store: Store, clock: Clock, name_kept_days: float) -> None:
        self._store = store
        self._clock = clock
        self._kept_s = name_kept_days * DAY_S

    async def join(self, name: Name, member_id: str | None = None) -> WebMember:
        """Bind ``name`` to a new member, or give ``member_id`` another name.

        Raises ``MemberError`` when the name, or one that looks like it, is another's.
        """
        now = self._clock.now()
        return await self._store.write(lambda connection: _join(connection, name, member_id, now, now - self._kept_s))

    async def get(self, member_id: str | None) -> WebMember | None:
        """The member, while they have a name; None for one who is not known or lost the name."""
        if member_id is None:
            return None
        query = select(web_members).where(web_members.c.id == member_id, web_members.c.name_look.is_not(None))
        row = await self._store.read(lambda connection: connection.execute(query).one_or_none())
        return _member(row) if row is not None else None

    async def all(self) -> Sequence[WebMember]:
        query = select(web_members).where(web_members.c.name_look.is_not(None)).order_by(web_members.c.joined_at)
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        return [_member(row) for row in rows]

    async def seen(self, member: WebMember) -> None:
        """Keep the name fresh; written once an hour at most."""
        now = self._clock.now()
        if now - member.seen_at < SEEN_EVERY_S:
            return
        statement = update(web_members).where(web_members.c.id == member.id).values(seen_at=now)
        await self._store.write(lambda connection: connection.execute(statement))

    async def set_role(self, member_id: str, role: Role, *, who: str, scope: str) -> Role | None:
        """Returns the role before, None for a member who is not known; the change is audited. ``OPERATOR`` is kept
        as ``OWNER``: who the operators are is for the core to know."""
        kept = min(role, Role.OWNER)
        mine = web_members.c.id == member_id

        def change(connection: Connection) -> Role | None:
            old: int | None = connection.execute(select(web_members.c.role).where(mine)).scalar()
            if old is None or old == kept:
                return None if old is None else kept
            connection.execute(update(web_members).where(mine).values(role=int(kept)))
            audit.record(
                connection,
                at=self._clock.now(),
                who=who,
                scope=scope,
                what=f"role.{member_id}",
                old=Role(old).name.lower(),
                new=kept.name.lower(),
            )
            return Role(old)

        return await self._store.write(change)

    async def forget(self, member_id: str) -> None:
        """Erase the member; their cookie is worth nothing from then on."""
        statement = delete(web_members).where(web_members.c.id == member_id)
        await self._store.write(lambda connection: connection.execute(statement))

    async def spend_link(self, nonce: str) -> bool:
        """True the first time an operator's link is opened."""
        row = {"nonce": nonce, "used_at": self._clock.now()}
        spent = await self._store.write(
            lambda connection: insert_once(connection, web_links, row, returning=web_links.c.nonce)
        )
        return spent is not None


def _join(connection: Connection, name: Name, member_id: str | None, now: float, unseen_since: float) -> WebMember:
    holder = connection.execute(select(web_members).where(web_members.c.name_look == name.look)).one_or_none()
    if holder is not None and holder.id != member_id:
        if holder.seen_at > unseen_since:
            raise MemberError(NAME_TAKEN, name=name.shown)
        connection.execute(update(web_members).where(web_members.c.id == holder.id).values(name_look=None))
    values = {"name": name.shown, "name_look": name.look, "seen_at": now}
    if member_id is not None:
        changed = update(web_members).where(web_members.c.id == member_id).values(**values).returning(web_members)
        row = connection.execute(changed).one_or_none()
        if row is not None:
            return _member(row)
    new = insert(web_members).values(id=secrets.token_hex(8), joined_at=now, **values).returning(web_members)
    return _member(connection.execute(new).one())


def _member(row: Row[tuple[object, ...]]) -> WebMember:
    return WebMember(row.id, row.name, Role(row.role), row.seen_at)

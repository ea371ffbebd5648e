"""Settings by scope: the nearer wins, changes are audited, and other processes' changes are seen."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import audit
from bot.errors import MemberError, UsageError
from bot.event import Member, Role, Room, RoomKind
from bot.room_settings import (
    CORE_SETTINGS,
    KNOWLEDGE,
    LANGUAGE,
    NAMES,
    UNASKED,
    UNASKED_PER_HOUR,
    Eagerness,
    Language,
    Level,
    Setting,
)
from bot.scopes import GLOBAL, Scopes, member_scope, platform_scope, scope_of, scopes_of
from bot.store import Store, upsert
from bot.tables import settings
from bot.texts import Text
from tests.clock import ManualClock

ROOM = Room("web", "lobby", space="home")
THREAD = Room("web", "t1", RoomKind.THREAD, parent="lobby", space="home")
ANNA = Member("web", "anna")
BY_NAME = {setting.name: setting for setting in CORE_SETTINGS}
NO_STORE = cast(Store, None)  # for what is checked before anything is read or written


@pytest.fixture
def scopes(store: Store, clock: ManualClock) -> Scopes:
    return Scopes(store, clock)


async def set_to(scopes: Scopes, store: Store, scope: str, name: str, value: object) -> bool:
    return await store.write(scopes.change(scope, name, value, who="web:anna", message_id="m1"))


async def test_what_nobody_set_has_its_default(scopes: Scopes) -> None:
    values = await scopes.of(ROOM)
    assert values["unasked"] is Eagerness.OFF
    assert values[UNASKED_PER_HOUR] == 4
    assert values[KNOWLEDGE] == ("default",)
    assert values.origin("unasked") is None


async def test_the_nearer_scope_wins(scopes: Scopes, store: Store) -> None:
    chain = scopes_of(THREAD, ANNA)
    assert [scope.partition(":")[0] for scope in chain] == ["global", "platform", "space", "room", "thread", "member"]
    for number, scope in enumerate(chain[:-1], start=10):
        await set_to(scopes, store, scope, "unasked_per_hour", number)
        values = await scopes.of(THREAD, ANNA)
        assert values[UNASKED_PER_HOUR] == number
        assert values.origin("unasked_per_hour") == scope


async def test_a_thread_inherits_from_its_parent_and_its_space(scopes: Scopes, store: Store) -> None:
    await set_to(scopes, store, scope_of(ROOM), "unasked", "quiet")
    await set_to(scopes, store, "space:web:home", "unasked_per_hour", 7)
    values = await scopes.of(THREAD)
    assert (values[UNASKED], values[UNASKED_PER_HOUR]) == (Eagerness.QUIET, 7)


async def test_a_room_hears_nothing_of_its_threads_or_of_other_rooms(scopes: Scopes, store: Store) -> None:
    await set_to(scopes, store, scope_of(THREAD), "unasked", "helpful")
    await set_to(scopes, store, scope_of(Room("web", "other")), "unasked", "helpful")
    await set_to(scopes, store, scope_of(Room("discord", "lobby")), "unasked", "helpful")
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.OFF


async def test_a_members_own_setting_follows_them_and_nobody_else(scopes: Scopes, store: Store) -> None:
    await set_to(scopes, store, member_scope(ANNA), "language", "en")
    assert (await scopes.of(ROOM, ANNA))[LANGUAGE] is Language.EN
    assert (await scopes.of(ROOM, Member("web", "bob")))[LANGUAGE] is Language.AUTO
    assert (await scopes.of(ROOM))[LANGUAGE] is Language.AUTO


async def test_a_change_is_seen_at_once_by_who_made_it(scopes: Scopes, store: Store, clock: ManualClock) -> None:
    await scopes.of(ROOM)
    for value in ("quiet", "helpful", "off"):
        await set_to(scopes, store, scope_of(ROOM), "unasked", value)
        assert (await scopes.of(ROOM))["unasked"] == value
        await clock.advance(0.1)
        assert (await scopes.of(ROOM))["unasked"] == value


async def test_a_read_during_a_change_keeps_nothing_old(scopes: Scopes, store: Store, clock: ManualClock) -> None:
    await clock.advance(10)
    await scopes.of(ROOM)
    change = scopes.change(scope_of(ROOM), "unasked", "quiet", who="web:anna")

    def slow(connection: object) -> bool:
        changed = change(connection)  # type: ignore[arg-type]
        scopes._store.read_now(lambda each: None)
        return changed

    written = store.submit(slow)
    await scopes.of(ROOM)  # may see the old value, but must not remember it
    await written
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.QUIET


async def another_process_changes(store: Store, value: str) -> None:
    row = {"scope": scope_of(ROOM), "name": "unasked", "value": value}
    await store.write(lambda connection: upsert(connection, settings, row, conflict_on=("scope", "name")))


async def test_a_change_by_another_process_is_seen_within_two_seconds(
    scopes: Scopes, store: Store, clock: ManualClock
) -> None:
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.OFF
    await another_process_changes(store, "quiet")
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.OFF, "the cache is in use"
    await clock.advance(2)
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.QUIET


async def test_with_a_cache_that_does_not_end_it_would_never_be_seen(store: Store, clock: ManualClock) -> None:
    forever = Scopes(store, clock, cache_s=1e9)
    forever._changed_at = float("-inf")
    await forever.of(ROOM)
    await another_process_changes(store, "quiet")
    await clock.advance(3600)
    assert (await forever.of(ROOM))[UNASKED] is Eagerness.OFF


async def test_each_change_is_audited(scopes: Scopes, store: Store, clock: ManualClock) -> None:
    scope = scope_of(ROOM)
    assert await set_to(scopes, store, scope, "unasked", "quiet")
    await clock.advance(5)
    assert await set_to(scopes, store, scope, "unasked", "helpful")
    assert not await set_to(scopes, store, scope, "unasked", "helpful"), "nothing changed"
    assert await store.write(scopes.reset(scope, "unasked", who="web:bob"))
    assert not await store.write(scopes.reset(scope, "unasked", who="web:bob"))
    changes = await store.read(lambda connection: audit.history(connection, [scope]))
    assert [(each.who, each.old, each.new) for each in changes] == [
        ("web:bob", "helpful", None),
        ("web:anna", "quiet", "helpful"),
        ("web:anna", None, "quiet"),
    ]
    assert changes[-1].what == "settings.unasked"
    assert changes[-1].message_id == "m1"
    assert changes[-2].at - changes[-1].at == 5
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.OFF


async def test_a_change_that_is_rolled_back_leaves_neither_value_nor_audit(scopes: Scopes, store: Store) -> None:
    change = scopes.change(scope_of(ROOM), "unasked", "quiet", who="web:anna")

    def fails(connection: object) -> None:
        change(connection)  # type: ignore[arg-type]
        raise RuntimeError("the decision could not be written")

    with pytest.raises(RuntimeError):
        await store.write(fails)
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.OFF
    assert not await store.read(lambda connection: audit.history(connection, [scope_of(ROOM)]))


async def test_a_stored_value_that_no_longer_fits_counts_as_not_set(scopes: Scopes, store: Store) -> None:
    await another_process_changes(store, "shouting")
    values = await scopes.of(ROOM)
    assert values[UNASKED] is Eagerness.OFF
    assert values.origin("unasked") is None


@pytest.mark.parametrize(
    ("scope", "name", "value"),
    [
        (GLOBAL, "nonsense", "1"),
        (GLOBAL, "unasked", "shouting"),
        (GLOBAL, "unasked_per_hour", "-1"),
        ("member:web:anna", "unasked", "off"),
        ("nowhere:web", "unasked", "off"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_written(
    clock: ManualClock, scope: str, name: str, value: str
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Scopes(NO_STORE, clock).change(scope, name, value, who="web:anna")


async def test_the_configuration_takes_the_place_of_the_defaults(store: Store, clock: ManualClock) -> None:
    scopes = Scopes(store, clock, configured={"unasked": "quiet", "names": ["小豆"]})
    values = await scopes.of(ROOM)
    assert (values[UNASKED], values[NAMES]) == (Eagerness.QUIET, ("小豆",))
    await set_to(scopes, store, platform_scope("web"), "unasked", "off")
    assert (await scopes.of(ROOM))[UNASKED] is Eagerness.OFF


@pytest.mark.parametrize(("name", "value"), [("unaskd", "quiet"), ("unasked", "loud"), ("unasked_per_hour", "x")])
def test_a_wrong_configuration_names_what_is_allowed(clock: ManualClock, name: str, value: str) -> None:
    with pytest.raises(UsageError, match=r"there are|Allowed"):
        Scopes(NO_STORE, clock, configured={name: value})


def test_a_feature_adds_its_own_settings_but_no_second_of_a_name(store: Store, clock: ManualClock) -> None:
    digest = Setting("digest_at", "09:00", str, Text(zh="几点", en="when"))
    assert Scopes(store, clock, (*CORE_SETTINGS, digest)).setting("digest_at") is digest
    with pytest.raises(ValueError, match="two settings"):
        Scopes(store, clock, (digest, digest))


async def test_what_reaches_beyond_a_room_is_the_operators() -> None:
    assert UNASKED.role_at(Level.ROOM) is Role.MODERATOR
    assert UNASKED.role_at(Level.SPACE) is Role.OPERATOR
    assert UNASKED.role_at(Level.GLOBAL) is Role.OPERATOR
    assert LANGUAGE.role_at(Level.MEMBER) is Role.MEMBER
    assert KNOWLEDGE.role_at(Level.ROOM) is Role.OPERATOR


@pytest.mark.parametrize(
    ("setting", "typed", "value"),
    [
        ("unasked", " QUIET ", "quiet"),
        ("unasked_per_hour", "１２", 12),
        ("unasked_pause_s", "2.5", 2.5),
        ("names", "毛豆，豆豆、maodou", ("毛豆", "豆豆", "maodou")),
        ("names", "none", ()),
        ("knowledge", "a, b, a", ("a", "b")),
        ("greeting", "关", "off"),
    ],
)
def test_values_are_read_as_members_type_them(setting: str, typed: str, value: object) -> None:
    assert BY_NAME[setting].from_member(typed) == value


@pytest.mark.parametrize(
    ("setting", "typed"),
    [
        ("unasked", "loud"),
        ("unasked_per_hour", "61"),
        ("unasked_per_hour", "four"),
        ("unasked_pause_s", "nan"),
        ("unasked_pause_s", "inf"),
        ("knowledge", "../../etc"),
        ("names", "x" * 2000),
        ("names", ",".join(f"n{i}" for i in range(11))),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed_in_both_languages(setting: str, typed: str) -> None:
    with pytest.raises(MemberError) as refused:
        BY_NAME[setting].from_member(typed)
    for language in ("zh", "en"):
        told = refused.value.in_language(language)
        assert setting in told
        assert len(told) < 250


@given(st.sampled_from(CORE_SETTINGS), st.text(max_size=60))
def test_whatever_parses_comes_back_from_the_database_as_it_was(setting: Setting[object], typed: str) -> None:
    try:
        value = setting.parse(typed)
    except ValueError:
        return
    stored = list(value) if isinstance(value, tuple) else value
    assert setting.canonical(stored) == value

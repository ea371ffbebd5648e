"""A database becomes this version's, whole or not at all, and one from the future is left alone."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from bot.errors import StoreError, StoreTooNew
from bot.store import Store, StoreSettings
from maodou.database import revision, upgrade
from maodou.schema import all_tables


@pytest.fixture
def empty(store_settings: StoreSettings) -> Store:
    return Store.open(store_settings)


@pytest.fixture(autouse=True)
def closed_afterwards(empty: Store) -> object:
    yield
    empty.close()


def differences(connection: Connection) -> list[object]:
    """What a database lacks or has too much, compared with the tables as they are declared."""
    # SQLite gives a default back in another spelling than it got, so defaults are compared on PostgreSQL alone.
    opts = {"compare_type": True, "compare_server_default": connection.dialect.name != "sqlite"}
    context = MigrationContext.configure(connection, opts=opts)
    return list(compare_metadata(context, all_tables()))


def test_the_migrated_tables_are_the_declared_ones(empty: Store) -> None:
    assert revision(empty).current is None
    upgrade(empty)
    assert revision(empty).is_current
    assert empty.read_now(differences) == []


def test_a_difference_would_be_seen(empty: Store) -> None:
    upgrade(empty)
    empty.write_now(lambda connection: connection.execute(text("DROP TABLE feedback")))
    assert [difference[0] for difference in empty.read_now(differences)] == ["add_table"]  # type: ignore[index]


def test_a_second_upgrade_changes_nothing(empty: Store) -> None:
    upgrade(empty)
    empty.write_now(lambda connection: connection.execute(text("INSERT INTO web_links VALUES ('kept', 1)")))
    assert upgrade(empty).is_current
    assert empty.read_now(lambda connection: connection.execute(text("SELECT nonce FROM web_links")).scalar()) == "kept"


def test_a_newer_database_is_refused_and_left_as_it_is(empty: Store) -> None:
    upgrade(empty)
    empty.write_now(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    for attempt in (upgrade, revision):
        with pytest.raises(StoreTooNew, match="revision 9999, which this version does not know") as caught:
            attempt(empty)
        assert caught.value.revision == "9999"
    stands = empty.read_now(
        lambda connection: connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    )
    assert stands == "9999"


def test_an_upgrade_that_fails_leaves_nothing_behind(empty: Store) -> None:
    last = sorted(all_tables().tables)[-1]  # it is in the way of the last step
    empty.write_now(lambda connection: connection.execute(text(f"CREATE TABLE {last} (x int)")))
    with pytest.raises((StoreError, Exception), match="already exists"):
        upgrade(empty)
    assert empty.read_now(lambda connection: inspect(connection).get_table_names()) == [last]


def test_two_processes_that_start_at_once_upgrade_once(store_settings: StoreSettings, empty: Store) -> None:
    other = Store.open(store_settings)
    begin, failures = threading.Barrier(2), []

    def start(store: Store) -> None:
        begin.wait()
        try:
            upgrade(store)
        except Exception as error:  # noqa: BLE001 – shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=start, args=(store,)) for store in (empty, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert failures == []
    assert empty.read_now(differences) == []

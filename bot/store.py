"""The one place that writes: a thread with one connection and group commit.

Operations queue up; the thread runs whatever is waiting in one transaction and answers all of them after
its one commit. That keeps their order, costs one fsync for many messages, and leaves no second writer to
wait for. An operation is a plain function of a SQLAlchemy ``Connection`` that may be run twice: when one of
several fails, all are taken back and run again, each behind a SAVEPOINT, so that it takes only itself back. A
commit that fails fails its whole batch with ``StoreError``: nothing of it happened, nothing of it may be
acknowledged.

The same code serves SQLite (WAL) and PostgreSQL. Readers have connections of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy import Column, Connection, Engine, Executable, MetaData, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import StoreError
from bot.prepared import Prepared, as_sqlalchemys

T = TypeVar("T")
Operation = Callable[[Connection], T]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every feature's ``tables.py`` declares its tables here."""

DATABASE_FAILED = (OperationalError, InterfaceError, InternalError)
"""Locked, full, gone: not the operation's fault, and the whole transaction is in doubt. A statement that fails
so fails its batch, as a commit does."""

CLOSED = "the store is closed"

EARLIER_WRITES_WITHIN_S = 10
"""How long a start waits for the last writes of the process before it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """``durability``: ``full`` survives the death of the machine, ``normal`` that of the process.
    ``busy_timeout_s``: how long a write waits for another process's; less than a platform waits for us."""

    url: str
    durability: str = "full"
    busy_timeout_s: float = 1.5
    max_batch: int = 256
    readers: int = 4


@dataclass(slots=True)
class _Job:
    operation: Callable[[Connection], Any]
    future: Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None
    then: Callable[[Any], None] | None = None
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.then is not None and self.error is None:
            try:
                self.then(self.result)
            except Exception:  # a defect of ours; what is written is written, and whoever waits is told so
                log.exception("store.then_failed")
        future = self.future
        if future.cancelled():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)


class Store:
    """Open with :meth:`open`, close with :meth:`close`. Safe to use from any thread and any event loop."""

    def __init__(self, engine: Engine, settings: StoreSettings) -> None:
        self.engine = engine
        self.settings = settings
        self._jobs: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Job]] = {}  # in this turn of each loop
        self._readers = ThreadPoolExecutor(settings.readers, thread_name_prefix="store-read")
        self._closed = False
        self._writer = threading.Thread(target=self._write_forever, name="store-write", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, settings: StoreSettings) -> Store:
        return cls(make_engine(settings), settings)

    def close(self) -> None:
        """Finish what is queued, then let go of every connection."""
        if self._closed:
            return
        self._closed = True
        for loop in list(self._gathered):
            self._hand_over(loop)
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self.engine.dispose()

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────

    def submit(self, operation: Operation[T], then: Callable[[T], None] | None = None) -> asyncio.Future[T]:
        """Queue a write at once, in the order of the calls; the future is done after its commit.

        Whoever awaits it may be cancelled: what is queued is written all the same. ``then`` is called on this loop
        with the result after the commit, just before the future is done, and also when nobody waits any more; what
        it raises is logged.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed:
            raise StoreError(CLOSED)
        job = _Job(operation, future, loop, then)
        gathered = self._gathered.get(loop)
        if gathered is None:
            # Once for all that this turn of the loop writes: two threads that take turns at one interpreter pay for
            # each turn, and a batch of many for one commit.
            self._gathered[loop] = [job]
            loop.call_soon(self._hand_over, loop)
        else:
            gathered.append(job)
        return future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if gathered := self._gathered.pop(loop, None):  # nothing is left when the store was closed meanwhile
            self._jobs.put(gathered)

    async def write(self, operation: Operation[T]) -> T:
        """Run ``operation`` in the writer's next transaction; returns after the commit.

        Raises ``StoreError`` when that commit failed, or whatever the operation raised. A caller that is cancelled
        takes nothing back: what is queued is written.
        """
        return await self.submit(operation)

    def write_now(self, operation: Operation[T]) -> T:
        """:meth:`write` for plain threads and commands; never call it on an event loop."""
        future: Future[T] = Future()
        if self._closed:
            raise StoreError(CLOSED)
        self._jobs.put([_Job(operation, future, None)])
        return future.result()

    def _write_forever(self) -> None:
        connection: Connection | None = None
        while batch := self._next_batch():
            try:
                if connection is None:
                    connection = self.engine.connect()
                self._run(connection, batch)
            except Exception as error:  # noqa: BLE001 – any failure fails the batch: nothing of it was committed
                log.error("store.commit_failed", error=str(error), operations=len(batch))
                failure = StoreError(f"The database took no write: {_first_line(error)}")
                failure.__cause__ = error
                for job in batch:
                    job.error = failure
                if connection is not None:
                    self._discard(connection)
                    connection = None
            self._settle(batch)
        if connection is not None:
            connection.close()

    def _next_batch(self) -> list[_Job]:
        """Whatever is waiting, at least one; empty when the store closes."""
        first = self._jobs.get()
        if first is None:
            return []
        batch = first
        while len(batch) < self.settings.max_batch:
            try:
                more = self._jobs.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._jobs.put(None)  # close after this batch
                break
            batch += more
        return batch

    def _run(self, connection: Connection, batch: list[_Job]) -> None:
        """One transaction for all. Operations seldom fail, and savepoints cost more than most operations: when one
        fails, everything is taken back and run again, each behind a savepoint of its own."""
        with connection.begin() as transaction:
            try:
                for job in batch:
                    job.result = job.operation(connection)
            except DATABASE_FAILED:
                raise
            except Exception as error:  # noqa: BLE001 – it belongs to whoever asked for the operation
                transaction.rollback()
                if len(batch) == 1:
                    batch[0].error = error
                    return
                log.warning("store.run_again", operations=len(batch), why=type(error).__name__)
            else:
                return
        with connection.begin():
            for job in batch:
                self._run_apart(connection, job)

    @staticmethod
    def _run_apart(connection: Connection, job: _Job) -> None:
        connection.exec_driver_sql("SAVEPOINT job")
        try:
            job.result = job.operation(connection)
        except DATABASE_FAILED:
            raise
        except Exception as error:  # noqa: BLE001 – as above
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
            job.error = error
        connection.exec_driver_sql("RELEASE SAVEPOINT job")

    @staticmethod
    def _discard(connection: Connection) -> None:
        """Close it, and with it whatever it had begun: SQLAlchemy takes a commit that failed for the end of the
        transaction, so a rollback would do nothing and the next batch would commit this one along."""
        with contextlib.suppress(SQLAlchemyError):
            connection.invalidate()
        connection.close()

    @staticmethod
    def _settle(batch: list[_Job]) -> None:
        """Wake each waiting loop once for all its jobs, in their order."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in batch:
            if job.loop is None:
                job.settle()
            else:
                by_loop.setdefault(job.loop, []).append(job)
        for loop, jobs in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                loop.call_soon_threadsafe(_settle_all, jobs)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    async def read(self, query: Operation[T]) -> T:
        """Run ``query`` on a reader's connection, off the event loop; sees every commit before the call. Raises as
        :meth:`read_now`."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, query)

    def read_now(self, query: Operation[T]) -> T:
        """:meth:`read` for plain threads and commands. Raises ``StoreError`` where the database cannot be read."""
        try:
            with self.engine.connect() as connection:
                return query(connection)
        except (*DATABASE_FAILED, PoolTimeout) as error:
            raise StoreError(f"The database cannot be read: {_first_line(error)}") from error


def settle_earlier_writes(connection: Connection) -> None:
    """Returns when nothing that an earlier process began is still under way on the server.

    A server may be busy with a killed process's last commit while the next process starts; what recovery does
    not see would lie until the start after it. Fails when that takes longer than ``EARLIER_WRITES_WITHIN_S``.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{EARLIER_WRITES_WITHIN_S}s'")
        connection.exec_driver_sql("LOCK TABLE inbox, deliveries IN SHARE MODE")


def insert_once(connection: Connection, table: Table, row: Mapping[str, Any], *, returning: Column[T]) -> T | None:
    """Insert ``row`` unless a unique key of it is there; returns the new row's ``returning``, else None."""
    made: tuple[T] | None = _insert_once(table, returning).run(connection, row).fetchone()
    return None if made is None else made[0]


def upsert(connection: Connection, table: Table, row: Mapping[str, Any], *, conflict_on: Iterable[str]) -> None:
    """Insert ``row``, or change the row with the same ``conflict_on`` columns to it."""
    connection.execute(_upsert(connection.dialect.name, table, tuple(row), tuple(conflict_on)), dict(row))


# Building a statement costs several times what running it does: each is built once for its dialect and table.


@functools.cache
def _insert_once(table: Table, returning: Column[Any]) -> Prepared:
    return Prepared(lambda dialect: _insert(dialect, table).on_conflict_do_nothing().returning(returning))


@functools.cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...], keys: tuple[str, ...]) -> Executable:
    statement = _insert(dialect, table)
    changes = {name: statement.excluded[name] for name in columns if name not in keys}
    if not changes:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _settle_all(jobs: list[_Job]) -> None:
    for job in jobs:
        try:
            job.settle()
        except Exception:  # a defect behind one write must not leave the others waiting for ever
            log.exception("store.unsettled")


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or getattr(error, "orig", None) or error
    return str(cause).strip().split("\n")[0]


def make_engine(settings: StoreSettings) -> Engine:
    """An engine for SQLite or PostgreSQL with the pragmas and timeouts that the promises rest on."""
    url = make_url(settings.url)
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=settings.readers + 2,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text goes into the log, and members' words do not
            connect_args={"connect_timeout": 5},
        )
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=settings.readers + 2,
        connect_args={"timeout": settings.busy_timeout_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN below, not the driver
        cursor = connection.cursor()
        _to_wal(cursor, settings.busy_timeout_s)
        cursor.execute(f"PRAGMA synchronous={'FULL' if settings.durability == 'full' else 'NORMAL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten, not only let go
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The writer takes its lock at once: a deferred BEGIN that later wants to write fails without waiting.
        writing = threading.current_thread().name == "store-write"
        # By the driver itself: SQLAlchemy's own way costs as much as two of a message's statements.
        sql = "BEGIN IMMEDIATE" if writing else "BEGIN"
        try:
            connection.connection.cursor().execute(sql)
        except sqlite3.Error as error:
            raise as_sqlalchemys(error, sql, connection.dialect) from error

    return engine


def _to_wal(cursor: sqlite3.Cursor, within_s: float) -> None:
    """SQLite does not wait for another process's lock when it changes how a new database keeps its journal."""
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
        else:
            return

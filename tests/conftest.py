"""What every test may ask for: databases, a clock, a loop that must not be blocked, and honest counting.

A part this machine lacks (PostgreSQL, Chromium, llama.cpp) skips its tests, and each missing part is one
counted line at the end. With ``MAODOU_STRICT=1``, as ``.ci/run`` sets it, any skip fails the run.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.pool import NullPool

from bot.logs import merge_ids
from bot.store import Store, StoreSettings, make_engine
from maodou.schema import all_tables
from tests.blocking import forbid_blocking
from tests.clock import ManualClock

STRICT = os.environ.get("MAODOU_STRICT") == "1"

# A property is a property on a busy machine too, and the run that decides draws the same examples each time.
hypothesis.settings.register_profile("maodou", deadline=None, derandomize=STRICT)
hypothesis.settings.load_profile("maodou")


# ── what this machine has ────────────────────────────────────────────────────────────────────────────────


def postgres_url() -> str | None:
    return os.environ.get("MAODOU_TEST_DATABASE_URL") or None


@functools.cache
def chromium() -> str | None:
    """The system's Chromium, when Playwright is there to drive it."""
    if importlib.util.find_spec("playwright") is None:
        return None
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def llama_server() -> bool:
    """llama.cpp with its own HTTP server, and what a model file for it is made with."""
    return all(importlib.util.find_spec(name) for name in ("xllamacpp", "gguf"))


def transformers() -> bool:
    """transformers on torch, which the extra `funasr` brings."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers"))


ENVIRONMENTS = Path(__file__).parent.parent / ".venv" / "environments"
"""Where ``.ci/run`` makes the environments that tests need, beside the one that they run in."""


@functools.cache
def quantiser() -> object:
    """The environment in which LMDeploy quantises."""
    from llm.environments import find

    return find("lmdeploy-cpu", ENVIRONMENTS)


@functools.cache
def tuner() -> object:
    """The environment in which adapters are trained."""
    from llm.environments import find

    return find("finetune", ENVIRONMENTS)


def funasr() -> bool:
    """What recognises speech, with the torch that it runs on."""
    return all(importlib.util.find_spec(name) for name in ("funasr", "torch", "kaldi_native_fbank"))


PARTS: dict[str, tuple[str, str, Callable[[], object]]] = {
    "postgres": ("PostgreSQL", "name a server: MAODOU_TEST_DATABASE_URL=postgresql://user@host/db", postgres_url),
    "browser": ("Chromium", "install it: apt-get install chromium", chromium),
    "llama_server": ("llama.cpp", "install it: pip install xllamacpp gguf", llama_server),
    "torch": ("FunASR", "install it: make setup ALL=1", funasr),
    "espeak": ("espeak-ng", "install it: apt-get install espeak-ng", lambda: shutil.which("espeak-ng")),
    "transformers": ("transformers", "install it: make setup ALL=1", transformers),
    "quantiser": (
        "LMDeploy",
        "make it: .venv/bin/python -m llm.environments make lmdeploy-cpu .venv/environments",
        quantiser,
    ),
    "tuner": (
        "transformers with PEFT",
        "make it: .venv/bin/python -m llm.environments make finetune .venv/environments",
        tuner,
    ),
}
"""By marker: the part's name, how to get it, and whether it is here."""


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames and metafunc.definition.get_closest_marker("sqlite_alone"):
        metafunc.definition.add_marker(pytest.mark.parametrize("database_url", ["sqlite"], indirect=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (name, _, find) in PARTS.items():
            if item.get_closest_marker(marker) and not find():
                item.add_marker(pytest.mark.skip(reason=f"no {name}"))
                break


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = Counter(_skip_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    for marker, (name, advice, _) in PARTS.items():
        if count := missing.pop(f"no {name}", 0):
            terminalreporter.write_line(f"not run: {count} tests ({marker}): no {name} here; {advice}", yellow=True)
    for reason, count in missing.items():
        terminalreporter.write_line(f"not run: {count} tests: {reason}", yellow=True)


def _skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return reason.removeprefix("Skipped: ")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if STRICT and reporter is not None and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("\nMAODOU_STRICT=1: a skipped test fails this run", red=True)


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────


def pytest_configure() -> None:
    """Our log goes to pytest's, which shows it where a test fails; with plain tracebacks, which read no files."""
    structlog.configure(
        processors=[
            merge_ids,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture(autouse=True)
def log_stays() -> Iterator[None]:
    """How a test sets up the log ends with it: the next one's lines go to pytest again, and read no files."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


# ── the environment ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(autouse=True)
def environment_stays() -> Iterator[None]:
    """What a test reads into the environment, from a file of secrets for one, ends with it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


# ── the event loop ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(autouse=True)
def loop_must_not_block(request: pytest.FixtureRequest) -> Iterator[None]:
    """A call of our code that blocks the event loop raises ``blockbuster.BlockingError`` where it stands."""
    if request.node.get_closest_marker("may_block"):
        yield
        return
    with forbid_blocking():
        yield


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


# ── databases ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A database of this run's own on the named server. Making and dropping one costs the server a checkpoint,
    so it is done once; and what tests write may be lost with the machine."""
    server = make_url(postgres_url() or "").set(drivername="postgresql+psycopg")
    name = f"maodou_test_{os.getpid()}_{secrets.token_hex(4)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    try:
        yield server.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def _empty(database: URL) -> None:
    """Throw everything out, and whoever an earlier test left connected."""
    engine = create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of this test's own, empty, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/maodou.db"
    database: URL = request.getfixturevalue("postgres")
    _empty(database)
    return database.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def store_settings(database_url: str) -> StoreSettings:
    """``normal`` durability: a test may lose its data with the machine."""
    return StoreSettings(url=database_url, durability="normal")


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[Store]:
    """An open store with every table that the test has imported, on both databases."""
    engine = make_engine(store_settings)
    all_tables().create_all(engine, checkfirst=False)
    engine.dispose()
    opened = Store.open(store_settings)
    yield opened
    opened.close()

"""The tools that all other tests stand on keep their own promises."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockingError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bot.store import Store
from maodou.schema import FEATURES
from tests.blocking import OURS, ROOT, forbid_blocking
from tests.clock import ManualClock
from tests.conftest import PARTS

HEAVY = (
    "apscheduler",
    "av",
    "bm25s",
    "discord",
    "edge_tts",
    "faiss",
    "feedparser",
    "funasr",
    "gguf",
    "gradio",
    "httpcore",
    "lark_oapi",
    "llama_index",
    "openai",
    "peft",
    "re2",
    "sentencepiece",
    "sklearn",
    "torch",
    "transformers",
)


async def test_our_code_cannot_block_the_loop(store: Store) -> None:
    with pytest.raises((BlockingError, DBAPIError), match="Blocking call to"):
        store.read_now(lambda connection: connection.execute(text("SELECT 1")).scalar())


async def test_a_tests_own_code_and_libraries_may(tmp_path: Path) -> None:
    time.sleep(0.001)  # noqa: ASYNC251
    (tmp_path / "a").write_text("1")


@pytest.mark.may_block
async def test_a_test_can_say_that_it_may_block(store: Store) -> None:
    assert store.read_now(lambda connection: connection.execute(text("SELECT 1")).scalar()) == 1


@pytest.mark.may_block  # or it would stand inside the watch of its own fixture
def test_the_watch_is_lifted_afterwards() -> None:
    before = time.sleep
    with forbid_blocking():
        pass
    assert time.sleep is before


async def test_each_test_gets_an_empty_database(store: Store) -> None:
    count = await store.read(lambda connection: connection.execute(text("SELECT count(*) FROM inbox")).scalar())
    assert count == 0
    await store.write(
        lambda connection: connection.execute(
            text("INSERT INTO inbox (key, room, kind, at, received_at) VALUES ('k', 'r', 'said', 0, 0)")
        )
    )


test_and_the_next_one_does_too = test_each_test_gets_an_empty_database


async def test_the_clock_wakes_sleepers_in_order_at_their_times(clock: ManualClock) -> None:
    start, woken = clock.now(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now() - start))
        if seconds == 1:
            await clock.sleep(1)
            woken.append((1, clock.now() - start))

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3, 1, 2.5):
            tasks.create_task(sleeper(seconds))
        await clock.advance(2)
        assert woken == [(1, 1), (1, 2)]
        assert clock.sleeping == 2
        await clock.advance(60)
    assert woken == [(1, 1), (1, 2), (2.5, 2.5), (3, 3)]
    assert clock.now() == start + 62


def _pytest(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest over ``folder`` with our conftest, as a machine without PostgreSQL would."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"),
         "--rootdir", str(ROOT), "-p", "tests.conftest", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip


def test_a_missing_part_is_one_counted_line_and_strictness_makes_it_fail(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(
        "import pytest\n"
        "@pytest.mark.postgres\ndef test_one(): pass\n"
        "@pytest.mark.postgres\ndef test_two(): pass\n"
        "def test_three(): pass\n"
    )
    relaxed = _pytest(tmp_path)
    assert relaxed.returncode == 0, relaxed.stdout + relaxed.stderr
    assert relaxed.stdout.count("not run: 2 tests (postgres): no PostgreSQL here") == 1
    strict = _pytest(tmp_path, MAODOU_STRICT="1")
    assert strict.returncode == 1
    assert "a skipped test fails this run" in strict.stdout


def test_every_feature_with_tables_is_named() -> None:
    found = {path.parent.relative_to(ROOT) for path in ROOT.glob("*/**/tables.py") if ".venv" not in path.parts}
    assert {".".join(folder.parts) for folder in found} == set(FEATURES)


@pytest.mark.parametrize("module", ["bot", "bot.ports", "bot.store"])
def test_the_core_imports_nothing_heavy(module: str) -> None:
    check = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ── the check ────────────────────────────────────────────────────────────────────────────────────────────

STUBS = """
set -euo pipefail
as_root() { "$@"; }
chown() { :; }
ls() { echo /server/bin; }
port_open() { return 1; }
runuser() { shift 3; echo "$1 ${*: -1}" >>"$LOG"; }
sudo() { runuser "$@"; }
mktemp() { mkdir "$FOLDER" && echo "$FOLDER"; }
"""


def test_a_server_that_the_check_started_ends_with_it(tmp_path: Path) -> None:
    """``.ci/run``'s own cluster, with commands that only note what they were asked for."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    function = script[script.index("own_cluster() {") :].split("\n}\n")[0] + "\n}\n"
    log, folder = tmp_path / "log", tmp_path / "cluster"
    ended = subprocess.run(
        ["bash", "-c", STUBS + function + "false || own_cluster"],
        env={"PATH": "/usr/bin:/bin", "LOG": str(log), "FOLDER": str(folder)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    told = [line.rsplit("/", 1)[-1] for line in log.read_text().splitlines()]
    assert [line.split()[-1] for line in told] == ["--username=postgres", "start", "stop"]
    assert not folder.exists()


# ── nothing is forgotten when something is added ─────────────────────────────────────────────────────────


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_folder_is_typed_packed_contracted_and_watched() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    tools = _project()["tool"]
    packages = re.search(r"^PACKAGES := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert packages is not None
    assert folders <= set(packages[1].split())
    assert folders <= {name.rstrip("*") for name in tools["setuptools"]["packages"]["find"]["include"]}
    assert folders == set(tools["importlinter"]["root_packages"])
    assert folders - {"benchmarks"} <= set(OURS)


def test_the_lock_holds_every_pin_and_names_no_host() -> None:
    lock = (ROOT / "constraints.txt").read_text("utf-8")
    locked = {line.split(";")[0].strip().lower() for line in lock.splitlines() if line}
    project = _project()
    given = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    given += [pin for pins in project["project"]["optional-dependencies"].values() for pin in pins]
    pins = {re.sub(r"\[.*?\]", "", pin).split(";")[0].strip().lower() for pin in given if not pin.startswith("maodou[")}
    assert len(pins) > 30
    assert {pin for pin in pins if "==" not in pin} == set()
    assert {_plain(pin) for pin in pins} - {_plain(line) for line in locked} == set()
    assert "//" not in lock


def _plain(pin: str) -> str:
    """Names are spelled in several ways: ``discord.py``, ``discord-py``."""
    name, _, version = pin.partition("==")
    return re.sub(r"[-_.]+", "-", name) + "==" + version


def _sources(folders: Iterable[str]) -> str:
    return "\n".join(path.read_text("utf-8") for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


def test_every_package_that_is_installed_is_used() -> None:
    tools = _project()
    pins = {_plain(pin).partition("==")[0].lower() for pin in tools["project"]["dependencies"]}
    modules: dict[str, set[str]] = {}
    for module, names in packages_distributions().items():
        for name in names:
            modules.setdefault(re.sub(r"[-_.]+", "-", name.lower()), set()).add(module)
    source = _sources(tools["tool"]["importlinter"]["root_packages"])
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE))
    asked_for_by_others = {"python-multipart"}  # FastAPI reads forms and uploads with it
    assert {pin for pin in pins if not modules.get(pin, set()) & imported} == asked_for_by_others


def test_every_part_that_may_be_missing_has_tests() -> None:
    source = _sources(["tests"])
    assert [marker for marker in PARTS if f"mark.{marker}" not in source] == []


def test_all_extras_are_in_all() -> None:
    extras = _project()["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.findall(r"[\w-]+", everything)) - {"maodou"} == set(extras) - {"all", "dev"}

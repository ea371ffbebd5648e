"""The whole of it, as a newcomer meets it: rooms, documents, a start, an end, and a second start."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import psutil
import pytest
from sqlalchemy import insert, select

from bot.core import Core
from bot.errors import UsageError
from bot.ports import Clock, Platform
from bot.retention import Retention
from bot.store import Store
from maodou import documents, housekeeping
from maodou.app import App
from maodou.config import Settings, load
from maodou.config_file import PROJECT
from maodou.documents import add_sample
from maodou.housekeeping import Housekeeping
from maodou.platforms import configured_platforms
from maodou.running import STOPPING
from maodou.terminal import Terminal
from rag.library import Library
from rag.tables import vectors
from tests.blocking import ROOT
from tests.maodou.conftest import Child, Maodou

GUIDE = """# Sunrise kettle

## Descaling

To descale the kettle, boil one litre of water with two spoons of citric acid and rinse it twice.

## Warranty

The warranty of the kettle lasts thirty months from the day of purchase.
"""


@pytest.fixture
def base(maodou: Maodou, home: Path) -> Path:
    """A configuration, and a base of its own."""
    folder = home / "kettle"
    folder.mkdir()
    (folder / "guide.md").write_text(GUIDE)
    (home / "config.yaml").write_text("web:\n  port: 0\nrooms:\n  unasked: helpful\n  greeting: off\n  language: en\n")
    assert maodou("kb", "add", folder).code == 0
    return folder


# ── the terminal ─────────────────────────────────────────────────────────────────────────────────────────


def chat(child: Child, *lines: str, **environment: str) -> str:
    process = child("chat", **environment)
    out, err = process.communicate("\n".join(lines) + "\n", timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out


def test_the_terminal_is_a_room(base: Path, child: Child) -> None:
    out = chat(child, "@maodou How do I descale the kettle?", "hahaha", "@maodou what is the capital of Peru?")
    said = out.split("毛豆\n")[1:]
    assert len(said) == 2, out
    assert "citric acid" in said[0]
    assert "guide.md" in said[0]
    assert "citric" not in said[1]


def test_what_is_asked_of_nobody_is_answered_when_the_documents_can(base: Path, child: Child) -> None:
    out = chat(child, "How long does the warranty of the kettle last?")
    assert "thirty months" in out


def test_every_room_has_its_commands(base: Path, child: Child) -> None:
    out = chat(child, "/help", "/kb list", "@maodou How do I descale the kettle?", "/why")
    assert "/kb <list" in out
    assert "`default`: 1 documents" in out
    assert "answered(from_documents)" in out


def test_whoever_types_there_is_the_operator(base: Path, child: Child, home: Path) -> None:
    (home / "more.md").write_text("# More\n\nThe kettle is blue.\n")
    assert "`more`: 1 added" in chat(child, f"/kb add {home / 'more.md'} more")


def test_what_was_said_stays_decided_over_a_restart(base: Path, child: Child, maodou: Maodou, home: Path) -> None:
    chat(child, "@maodou How do I descale the kettle?")
    chat(child, "@maodou How long is the warranty of the kettle?")
    connection = sqlite3.connect(home / "data" / "maodou.db")
    rows = connection.execute("SELECT outcome, count(*) FROM inbox WHERE kind = 'said' GROUP BY 1").fetchall()
    connection.close()
    assert rows == [("answered", 2)]


# ── kb ask is the room's own judgement ───────────────────────────────────────────────────────────────────


def asked(maodou: Maodou, *arguments: str) -> dict[str, object]:
    ended = maodou("kb", "ask", *arguments, "--json")
    assert ended.code == 0
    assert ended.out.count("\n") == 1
    answer: dict[str, object] = json.loads(ended.out)
    return answer


def test_kb_ask_tells_the_decision_the_answer_and_its_citations(base: Path, maodou: Maodou) -> None:
    told = asked(maodou, "How do I descale the kettle?")
    assert (told["decision"], told["reason"]) == ("answer", "from_documents")
    assert "citric acid" in str(told["answer"])
    citations = told["citations"]
    assert isinstance(citations, list)
    assert 1 <= len(citations) <= 5
    assert set(citations[0]) == {"source", "heading", "text"}
    assert citations[0]["source"] == "guide.md"
    assert 0 < float(str(told["score"])) <= 1


def test_kb_ask_is_silent_about_other_things_and_cites_all_the_same(base: Path, maodou: Maodou) -> None:
    told = asked(maodou, "Shall we have lunch at the kettle place today, friends?")
    assert (told["decision"], told["answer"]) == ("silent", "")
    assert told["citations"] != []


def test_kb_ask_as_if_addressed_never_ends_in_silence(base: Path, maodou: Maodou) -> None:
    decisions = {asked(maodou, text, "--addressed")["decision"] for text in ("what is the capital of Peru?", "hm", " ")}
    assert decisions <= {"ask_back", "nothing_found"}
    assert asked(maodou, "How do I descale the kettle?", "--addressed")["decision"] == "answer"


def test_kb_ask_reads_well_for_people(base: Path, maodou: Maodou) -> None:
    out = maodou("kb", "ask", "How do I descale the kettle?").out
    assert out.startswith("answer (")
    answer, _, sources = out.rpartition("\n\n")
    assert sources == "[1] guide.md › Sunrise kettle › Descaling\n", "what the answer cites, and no more"
    assert "[1]" in answer
    silent = maodou("kb", "ask", "Shall we have lunch at the kettle place today, friends?").out
    assert "What comes closest in the documents:\n\n- guide.md" in silent
    assert "[1]" not in silent


# ── up ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def running(base: Path, child: Child) -> tuple[str, subprocess.Popen[str]]:
    process = child("up")
    assert process.stdout is not None
    address = link = ""
    for line in process.stdout:
        address = address or "".join(re.findall(r"毛豆 Maodou +(http://\S+)", line))
        link = link or "".join(re.findall(r"operator +(http://\S+)", line))
        if link:
            break
    assert address, process.stderr.read() if process.stderr else ""
    return address, process


def test_up_serves_the_room_tells_its_health_and_ends_in_order(
    running: tuple[str, subprocess.Popen[str]], child: Child, maodou: Maodou
) -> None:
    address, process = running
    with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
        health = json.load(answer)
    assert health["status"] == "green"
    assert {"lanes", "database", "knowledge", "web"} <= set(health["parts"])

    second = maodou("up")
    assert second.code == 2
    assert "Another Maodou is running with the data in" in second.err
    beside = maodou("chat")
    assert beside.code == 2
    assert beside.err.startswith("Another Maodou is running"), "who cannot come in is not greeted"
    assert "Maodou is running" in maodou("doctor").out

    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert time.monotonic() - began < 10
    assert maodou("db", "upgrade").code == 0  # and nothing of it holds the database


def test_a_stop_is_said_at_once_and_little_work_follows(running: tuple[str, subprocess.Popen[str]]) -> None:
    """Measured as work, not as waiting: a machine that runs tests may be busy."""
    _, process = running
    assert process.stderr is not None
    before = psutil.Process(process.pid).cpu_times()
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    process.send_signal(signal.SIGINT)
    said = next(line for line in process.stderr if "Ctrl-C" in line)
    assert said.split() == STOPPING.split()
    assert process.wait(20) == 0
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime - others.ru_utime + ended.ru_stime - others.ru_stime
    assert total - before.user - before.system < 0.5


def test_the_end_of_the_input_is_no_stop(base: Path, child: Child) -> None:
    process = child("chat")
    _, told = process.communicate("hello\n", timeout=60)
    assert "Ctrl-D ends" in told
    assert "Ctrl-C" not in told


HEAVY = {"bm25s", "discord", "lark_oapi", "llama_index", "llvmlite", "numba", "openai", "scipy", "sklearn", "torch"}

UP = """
import os, signal, sys
from maodou import running
from maodou.config import begin

def told(text, err=False):
    if "operator" in text:
        print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

running.typer.echo = told
running.run_up(begin(None, quiet=True))
"""


def test_a_room_is_served_before_anything_is_loaded_that_it_does_not_need(base: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(base), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", UP]
    up = subprocess.run(
        command, cwd=base.parent, env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    loaded = set(up.stdout.split())
    assert {"loaded", "gradio", "faiss"} <= loaded
    assert loaded & HEAVY == set()


# ── its parts ────────────────────────────────────────────────────────────────────────────────────────────


def no_platforms(settings: Settings, store: Store, clock: Clock) -> Sequence[Platform]:
    return []


def test_a_stop_is_heeded_while_the_last_lines_are_still_being_answered(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()

    async def idle(core: Core) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async def run(app: App) -> None:
        running = asyncio.create_task(app.run())
        await waiting.wait()
        app.stop()
        await asyncio.wait_for(running, timeout=10)

    monkeypatch.setattr(Core, "idle", idle)
    with App.open(load(), lambda settings, store, clock: [Terminal(clock, StringIO(), StringIO())]) as app:
        asyncio.run(run(app))


def test_the_sweep_drops_vectors_of_documents_that_were_taken_out(base: Path) -> None:
    with App.open(load(), no_platforms) as app:
        row = {"model": "m", "hash": "of no text", "vector": b""}
        app.store.write_now(lambda connection: connection.execute(insert(vectors), row))
        asyncio.run(app.core.retention.sweep())
        assert app.store.read_now(lambda connection: connection.execute(select(vectors)).all()) == []


def test_a_second_one_on_the_same_database_is_refused_wherever_its_folder_is(
    database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_url.startswith("sqlite"):
        folders = (home / "a", home / "a")
    else:
        monkeypatch.setenv("MAODOU_DATABASE", database_url)
        folders = (home / "a", home / "b")
    monkeypatch.setenv("MAODOU_SAMPLE", "false")
    opened = []
    for folder in folders:
        monkeypatch.setenv("MAODOU_DATA_DIR", str(folder))
        opened.append(load())
    with (
        App.open(opened[0], no_platforms),
        pytest.raises(UsageError, match="Another Maodou is running"),
        App.open(opened[1], no_platforms),
    ):
        pass
    with App.open(opened[1], no_platforms):
        pass


def test_a_platform_without_its_secret_is_refused(home: Path, store: Store, clock: Clock) -> None:
    for section, variable in (
        ("discord: {}", "MAODOU_DISCORD_TOKEN"),
        ("feishu: {app_id: x}", "MAODOU_FEISHU_APP_SECRET"),
    ):
        (home / "config.yaml").write_text(section)
        with pytest.raises(UsageError, match=variable):
            configured_platforms(load(), store, clock)


def test_the_doctor_asks_for_each_platforms_secret(home: Path, maodou: Maodou) -> None:
    (home / "config.yaml").write_text("discord:\nfeishu: {app_id: x}\n")
    results = {result["label"]: result for result in json.loads(maodou("doctor", "--json").out)}
    assert results["discord"]["resolution"] == "Put MAODOU_DISCORD_TOKEN=… into .env."
    assert results["feishu"]["resolution"] == "Put MAODOU_FEISHU_APP_SECRET=… into .env."
    assert "web room" not in results  # other platforms are configured, and it is not


# ── the sample ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def project(home: Path) -> Path:
    folder = home / "project"
    (folder / "docs" / "guide").mkdir(parents=True)
    (folder / "README.md").write_text("# Maodou\n\nIt answers from documents.\n")
    (folder / "docs" / "guide" / "start.md").write_text("# Guide\n\nRun make run.\n")
    return folder


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store, load().knowledge)


def test_a_new_installation_gets_the_sample_and_keeps_it_in_step(library: Library, project: Path) -> None:
    assert add_sample(library, project) is None
    assert {document.source for document in library.list("default")} == {"README.md", "start.md"}
    (project / "docs" / "guide" / "start.md").unlink()
    add_sample(library, project)
    assert {document.source for document in library.list("default")} == {"README.md"}


def test_an_installation_with_documents_of_its_own_gets_no_sample(library: Library, project: Path, home: Path) -> None:
    (home / "own.md").write_text("# Own\n\nOurs.\n")
    for base in ("default", "other"):
        library.add(home / "own.md", base)
        add_sample(library, project)
        assert [document.source for each in library.bases() for document in library.list(each.name)] == ["own.md"]
        library.remove(base)


def test_a_sample_that_cannot_be_read_is_told_and_stops_nothing(
    library: Library, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise UsageError("There is no file.")

    monkeypatch.setattr(library, "add", broken)
    assert add_sample(library, project) == "The sample documents could not be read: There is no file."


def test_the_sample_is_this_projects_documentation() -> None:
    assert all((PROJECT / name).exists() for name in documents.SAMPLE)


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────


async def trouble(keeping: Housekeeping) -> str | None:
    await keeping.feel_pulse()
    return keeping.trouble


async def test_a_database_that_takes_no_write_is_trouble_until_it_does(store: Store, clock: Clock, home: Path) -> None:
    keeping = Housekeeping(store, Retention(store, clock), clock, home)
    assert await trouble(keeping) is None
    if store.engine.dialect.name != "sqlite":
        return
    other = sqlite3.connect(str(store.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await trouble(keeping) == "The database took no write: database is locked"
    other.execute("ROLLBACK")
    other.close()
    assert await trouble(keeping) is None


async def test_a_disk_that_is_nearly_full_is_trouble(
    store: Store, clock: Clock, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "LEAST_FREE_BYTES", 1 << 60)
    keeping = Housekeeping(store, Retention(store, clock), clock, home)
    assert str(await trouble(keeping)).startswith("Only ")


async def test_a_data_folder_that_is_away_is_trouble_until_it_is_back(store: Store, clock: Clock, home: Path) -> None:
    folder = home / "plugged"
    keeping = Housekeeping(store, Retention(store, clock), clock, folder)
    assert await trouble(keeping) == f"{folder} cannot be reached: No such file or directory."
    await asyncio.to_thread(folder.mkdir)
    assert await trouble(keeping) is None

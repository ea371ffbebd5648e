"""The command line as a whole: it answers at once, and every error is a sentence and an exit code."""

from __future__ import annotations

import json
import resource
import socket
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from maodou import cli
from tests.blocking import ROOT
from tests.maodou.conftest import Ended, Maodou
from tests.maodou.test_workshop import HEAVY


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


# ── at once ──────────────────────────────────────────────────────────────────────────────────────────────


def test_help_answers_in_half_a_second() -> None:
    """Measured as work, not as waiting: a machine that runs tests may be busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "kb" in python("import sys; sys.argv = ['maodou', '--help']; from maodou.cli import main; main()")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 0.5


@pytest.mark.parametrize("command", ["--help", "kb --help", "up --help", "doctor --help"])
def test_help_imports_nothing_heavy(command: str) -> None:
    heavier = (*HEAVY, "sqlalchemy", "pydantic_settings", "alembic", "numpy")
    loaded = python(
        f"import sys; sys.argv = ['maodou', *{command.split()!r}]\n"
        "from maodou.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('loaded', [name for name in {heavier!r} if name in sys.modules])"
    )
    assert loaded.splitlines()[-1] == "loaded []"


def test_a_heavy_import_would_be_seen() -> None:
    loaded = python(f"import sys, bm25s; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert loaded.strip() == "['bm25s']"


# ── the database ─────────────────────────────────────────────────────────────────────────────────────────


def test_db_upgrade_says_where_it_was(maodou: Maodou) -> None:
    first = json.loads(maodou("db", "upgrade", "--json").out)
    assert first["before"] is None
    assert maodou("db", "upgrade").out == f"The database is at revision {first['now']} already.\n"


def _from_the_future(home: Path) -> None:
    with sqlite3.connect(home / "data" / "maodou.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '2042'")
    connection.close()


def test_a_newer_database_is_refused_by_every_command(maodou: Maodou, home: Path) -> None:
    maodou("db", "upgrade")
    _from_the_future(home)
    for command in (("db", "upgrade"), ("kb", "list"), ("up",), ("chat",)):
        ended = maodou(*command)
        assert ended.code == 1
        assert "The database is at revision 2042, which this version does not know: install the newer" in ended.err


def test_a_server_that_does_not_answer_is_said_without_its_password(
    maodou: Maodou, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("MAODOU_DATABASE", f"postgresql://bot:hunter22@127.0.0.1:{port}/maodou")
    for command in (("kb", "list"), ("db", "upgrade")):
        ended = maodou(*command)
        assert ended.code == 1
        assert "Connection refused" in ended.err
    doctor = maodou("doctor")
    assert f"postgresql://bot:***@127.0.0.1:{port}/maodou does not answer" in doctor.out
    assert "hunter22" not in doctor.out + doctor.err + ended.err


def test_a_missing_driver_names_its_extra(maodou: Maodou, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_DATABASE", "postgresql://bot@127.0.0.1/maodou")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "psycopg" else name)
    ended = maodou("kb", "list")
    assert ended.code == 2
    assert "pip install -e '.[postgres]'" in ended.err


# ── used wrongly ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_broken_configuration_stops_every_command(maodou: Maodou, home: Path) -> None:
    (home / "config.yaml").write_text("web:\n  port: high\n")
    for command in (("up",), ("chat",), ("kb", "list"), ("db", "upgrade")):
        ended = maodou(*command)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "config.yaml, line 2: web.port is 'high'; it must be a whole number from 0 to 65535.\n"
    assert not (home / "data").exists()


def test_a_port_in_use_is_said(maodou: Maodou, taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_WEB_PORT", str(taken_port))
    ended = maodou("up")
    assert ended.code == 2
    assert f"Port {taken_port} on 127.0.0.1 is in use" in ended.err


def test_a_data_folder_that_cannot_be_is_said(maodou: Maodou, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("MAODOU_DATA_DIR", str(home / "file" / "data"))
    ended = maodou("kb", "list")
    assert ended.code == 2
    assert "cannot be made: Not a directory. Set MAODOU_DATA_DIR." in ended.err


def test_an_open_room_without_a_password_is_refused(maodou: Maodou, home: Path) -> None:
    (home / "config.yaml").write_text("web:\n  host: 0.0.0.0\n")
    ended = maodou("up")
    assert ended.code == 2
    assert "set MAODOU_WEB_PASSWORD in .env" in ended.err


def test_it_tells_its_version(maodou: Maodou) -> None:
    ended = maodou("--version")
    assert (ended.code, ended.out) == (0, f"maodou {version('maodou')}\n")


def test_a_word_that_is_no_command_is_said(maodou: Maodou) -> None:
    ended = maodou("feed")
    assert ended.code == 2
    assert "No such command 'feed'" in ended.err


def test_a_disk_that_fills_up_anywhere_is_a_sentence(maodou: Maodou, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device", "/data/index/1.npz")

    monkeypatch.setattr(cli, "app", full)
    assert maodou() == Ended(1, "", "No space left on device: /data/index/1.npz. What was written before is kept.\n")


def test_a_defect_of_ours_is_not_dressed_up(maodou: Maodou, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ZeroDivisionError):
        maodou()


# ── the doctor ───────────────────────────────────────────────────────────────────────────────────────────


def checked(maodou: Maodou) -> tuple[int, dict[str, dict[str, object]]]:
    ended = maodou("doctor", "--json")
    return ended.code, {result["label"]: result for result in json.loads(ended.out)}


def test_the_doctor_finds_a_new_installation_well_and_leaves_it_untouched(
    maodou: Maodou, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAODOU_WEB_PORT", "0")
    code, results = checked(maodou)
    assert code == 0
    assert {"Python", "configuration", "data folder", "disk space", "database", "web room", "embedding"} <= set(results)
    assert list(home.iterdir()) == []


def test_the_doctor_names_what_is_wrong_and_what_to_do(
    maodou: Maodou, home: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "docs").mkdir()
    (home / "docs" / "a.md").write_text("# A\n\nText.\n")
    maodou("kb", "add", home / "docs", "--kb", "other")
    _from_the_future(home)
    (home / ".env").write_text("MAODOU_NOTHING=1\n")
    (home / ".env").chmod(0o644)
    monkeypatch.setenv("MAODOU_WEB_PORT", str(taken_port))
    monkeypatch.delenv("MAODOU_NOTHING", raising=False)
    code, results = checked(maodou)
    assert code == 1
    assert "revision 2042" in str(results["database"]["details"])
    assert "is in use" in str(results["web room"]["details"])
    assert results["secrets"]["resolution"] == "chmod 600 .env"


def test_the_doctor_looks_for_the_secrets_beside_the_file_that_was_named(maodou: Maodou, home: Path) -> None:
    (home / "etc").mkdir()
    (home / "etc" / "bot.yaml").write_text("web:\n  port: 0\n")
    (home / "etc" / ".env").touch(0o644)
    told = [json.loads(line) for line in maodou("--config", "etc/bot.yaml", "doctor", "--json").out.splitlines()]
    assert "chmod 600 etc/.env" in [result["resolution"] for result in told[0]]


def test_the_doctor_counts_what_was_decided_and_what_did_not_arrive(maodou: Maodou, home: Path) -> None:
    maodou("db", "upgrade")
    with sqlite3.connect(home / "data" / "maodou.db") as connection:
        for number, outcome in enumerate(["answered", "silent", "silent", None]):
            connection.execute(
                "INSERT INTO inbox (key, room, kind, at, received_at, outcome) VALUES (?, 'r', 'said', 0, 0, ?)",
                (number, outcome),
            )
        connection.execute(
            "INSERT INTO deliveries (key, room, act, state, planned_at) VALUES ('d', 'r', 'send', 'uncertain', 0)"
        )
    connection.close()
    code, results = checked(maodou)
    assert code == 1
    assert results["messages"]["details"] == "1 answered, 2 silent, 1 waiting"
    assert str(results["deliveries"]["details"]).startswith("1 uncertain: uncertain whether sent")
    assert "default" not in str(results.get("knowledge base default", {}).get("details"))


def test_the_doctor_tells_of_a_broken_configuration_as_a_finding(maodou: Maodou, home: Path) -> None:
    (home / "config.yaml").write_text("prot: 1\n")
    code, results = checked(maodou)
    assert code == 1
    assert "config.yaml, line 1: there is no setting 'prot'" in str(results["configuration"]["details"])
    assert set(results) == {"Python", "configuration"}


def test_the_doctor_says_when_a_base_that_rooms_read_is_missing(maodou: Maodou, home: Path) -> None:
    (home / "config.yaml").write_text("rooms:\n  knowledge: [manuals]\nweb:\n  port: 0\n")
    maodou("db", "upgrade")
    code, results = checked(maodou)
    assert code == 1
    assert results["knowledge base manuals"]["resolution"] == "maodou kb add FOLDER --kb manuals"

"""Setting up a platform: one command, one token or one scan, and nothing by hand."""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from maodou.config import load
from maodou.config_file import configure_section, keep_secret
from maodou.feishu_app import CALLBACKS, EVENTS, SCOPES
from tests.blocking import ROOT
from tests.emulators.discord import DiscordEmulator
from tests.emulators.feishu import Feishu
from tests.emulators.feishu.registration import asks_for
from tests.maodou.conftest import Maodou
from tests.maodou.local_discord import LocalDiscord

COMMENTED = (ROOT / "config.yaml").read_text("utf-8")


@pytest.fixture
def discord(home: Path) -> Iterator[DiscordEmulator]:
    running = LocalDiscord()
    api = running.emulator.api_url
    (home / "config.yaml").write_text(f"# ours\ndata_dir: data  # here\n\n# a room\ndiscord:\n  api_base: {api}\n")
    yield running.emulator
    running.close()


@pytest.fixture
def feishu() -> Iterator[Feishu]:
    with Feishu() as running:
        yield running


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


# ── Discord ──────────────────────────────────────────────────────────────────────────────────────────────


def test_one_token_sets_discord_up(
    maodou: Maodou, home: Path, discord: DiscordEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{discord.token}\n"))
    before = (home / "config.yaml").read_text()
    done = maodou("connect", "discord")
    assert done.code == 0, done.err
    assert f"client_id={discord.world.bot.id}" in done.out
    assert re.search(r"permissions=\d+", done.out)
    assert "READ_MESSAGE_HISTORY" in done.out
    assert discord.token not in done.out + done.err
    assert dotenv_values(home / ".env") == {"MAODOU_DISCORD_TOKEN": discord.token}
    assert mode_of(home / ".env") == 0o600
    assert (home / "config.yaml").read_text() == before
    settings = load()
    assert settings.discord is not None
    assert settings.discord.token.get_secret_value() == discord.token


def test_a_token_in_the_environment_is_not_asked_for(
    maodou: Maodou, home: Path, discord: DiscordEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.setenv("MAODOU_DISCORD_TOKEN", discord.token)
    assert maodou("connect", "discord").code == 0
    missing = maodou("connect", "discord", "--new-token")
    assert missing.code == 2
    assert "No token was given" in missing.err


def test_a_wrong_token_is_not_kept(maodou: Maodou, home: Path, discord: DiscordEmulator) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO("nonsense\n"))
        done = maodou("connect", "discord")
    assert done.code == 2
    assert "refuses this token" in done.err
    assert not (home / ".env").exists()


def test_a_missing_intent_is_named_with_the_two_ways_out(
    maodou: Maodou, home: Path, discord: DiscordEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    discord.allowed_intents = 0
    monkeypatch.setenv("MAODOU_DISCORD_TOKEN", discord.token)
    done = maodou("connect", "discord")
    assert done.code == 2
    assert "Message Content Intent" in done.err
    assert maodou("connect", "discord", "--mentions-only").code == 0
    settings = load()
    assert settings.discord is not None
    assert not settings.discord.message_content
    assert maodou("connect", "discord").code == 0, "what was chosen holds the next time"


# ── Feishu ───────────────────────────────────────────────────────────────────────────────────────────────


def link_in(shown: str) -> str:
    found = re.search(r"Or open: (\S+)", shown)
    assert found is not None, shown
    return found[1]


def configure_feishu(home: Path, feishu: Feishu) -> None:
    (home / "config.yaml").write_text(f"# ours\nfeishu:  # the group\n  app_id: cli_before\n  domain: {feishu.url}\n")


def test_one_scan_makes_the_app(maodou: Maodou, home: Path, feishu: Feishu) -> None:
    configure_feishu(home, feishu)
    done = maodou("connect", "feishu", "--accounts", feishu.url)
    assert done.code == 0, done.err
    assert "▀" in done.out or "█" in done.out, "a code to scan"
    assert max(map(len, done.out.split("Or open")[0].splitlines())) <= 80, "it fits a terminal"
    wanted, query = asks_for(link_in(done.out))
    assert wanted["scopes"] == {"tenant": list(SCOPES)}
    assert wanted["events"] == {"items": {"tenant": list(EVENTS)}}
    assert wanted["callbacks"] == {"items": list(CALLBACKS)}
    assert query["clientID"] == "cli_before"
    assert dotenv_values(home / ".env") == {"MAODOU_FEISHU_APP_SECRET": feishu.secret}
    assert mode_of(home / ".env") == 0o600
    assert feishu.secret not in done.out + done.err
    text = (home / "config.yaml").read_text()
    assert f"app_id: {feishu.app_id}" in text
    assert "# the group" in text
    assert "feishu:ou_owner" in done.out
    assert "every permission" in done.out


def test_a_new_app_is_made_where_there_is_none(home: Path, feishu: Feishu) -> None:
    from maodou.feishu_app import register

    links: list[str] = []
    made = register(lambda url, seconds: links.append(url), domain="feishu", accounts=feishu.url)
    assert (made.id, made.secret, made.owner, made.domain) == (feishu.app_id, feishu.secret, "ou_owner", "feishu")
    _, query = asks_for(links[0])
    assert query["createOnly"] == "true"
    assert "clientID" not in query


def test_whoever_scans_with_lark_is_configured_for_lark(home: Path, feishu: Feishu) -> None:
    from maodou.feishu_app import register

    feishu.registration.brand = "lark"
    assert register(lambda url, seconds: None, domain="feishu", accounts=feishu.url).domain == "lark"


@pytest.mark.parametrize(("ending", "sentence"), [("access_denied", "turned down"), ("expired_token", "in time")])
def test_a_scan_that_fails_changes_nothing(
    maodou: Maodou, home: Path, feishu: Feishu, ending: str, sentence: str
) -> None:
    feishu.registration.ending = ending  # type: ignore[assignment]
    done = maodou("connect", "feishu", "--accounts", feishu.url)
    assert done.code == 2
    assert sentence in done.err
    assert not (home / ".env").exists()
    assert not (home / "config.yaml").exists()


def test_an_account_service_that_is_not_there_is_a_sentence(maodou: Maodou, home: Path) -> None:
    done = maodou("connect", "feishu", "--accounts", "http://127.0.0.1:9")
    assert done.code == 2
    assert "cannot be reached" in done.err


def test_a_configured_app_is_checked_and_what_it_lacks_is_named(
    maodou: Maodou, home: Path, feishu: Feishu, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.yaml").write_text(f"feishu: {{app_id: {feishu.app_id}, domain: '{feishu.url}'}}\n")
    monkeypatch.setenv("MAODOU_FEISHU_APP_SECRET", feishu.secret)
    feishu.faults.missing_scopes.add("im:message.group_msg")
    done = maodou("connect", "feishu")
    assert done.code == 2
    assert "im:message.group_msg: to hear everything" in done.err
    assert "im:resource" not in done.err
    monkeypatch.setenv("MAODOU_FEISHU_APP_SECRET", "wrong")
    assert "refuses the secret" in maodou("connect", "feishu").err
    assert feishu.registration.asked == []


# ── the files ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_shipped_configuration_keeps_every_line(home: Path) -> None:
    config = home / "config.yaml"
    config.write_text(COMMENTED)
    assert configure_section(config, "discord", {})
    assert configure_section(config, "feishu", {"app_id": "cli_1"})
    assert not configure_section(config, "feishu", {"app_id": "cli_1"})
    lines = config.read_text().splitlines()
    assert [line for line in lines if line not in ("discord:", "feishu:", "  app_id: cli_1")] == COMMENTED.splitlines()
    assert load(config).platforms == ("discord", "feishu")


def test_a_file_of_comments_alone_keeps_them(home: Path) -> None:
    config = home / "config.yaml"
    config.write_text("# nothing yet")
    configure_section(config, "feishu", {"app_id": "cli_1"})
    assert config.read_text() == "# nothing yet\nfeishu:\n  app_id: cli_1\n"


def test_a_secret_replaces_its_line_and_shuts_the_file(home: Path) -> None:
    file = home / ".env"
    file.write_text("# ours\nMAODOU_DISCORD_TOKEN=old\nOTHER=1\n")
    file.chmod(0o644)
    keep_secret(home / "config.yaml", "MAODOU_DISCORD_TOKEN", "a$b'c #d")
    assert mode_of(file) == 0o600
    assert file.read_text().startswith("# ours\n")
    assert dotenv_values(file) == {"MAODOU_DISCORD_TOKEN": "a$b'c #d", "OTHER": "1"}

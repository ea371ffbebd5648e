"""Names, cookies and links: who may be who."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from adapters.web.identity import Signatures, load_secret
from adapters.web.members import Members
from adapters.web.names import Name, look_of, read_name
from adapters.web.site import wanted_language
from bot.errors import MemberError, UsageError
from bot.store import Store
from tests.clock import ManualClock

BOT = ("毛豆", "maodou")
SECRET = "a secret that is long enough for it"


@pytest.mark.parametrize(("typed", "shown"), [("  小  林 ", "小 林"), ("An\u200bna", "Anna"), ("Ａｎｎａ", "Anna")])
def test_a_name_is_tidied(typed: str, shown: str) -> None:
    assert read_name(typed, bot_names=BOT, max_chars=24).shown == shown


@pytest.mark.parametrize("other", ["anna", "ANNA", "Аnnа", "An.na", "Ａnna", "Änna"])
def test_names_that_look_alike_are_one(other: str) -> None:
    assert look_of(other) == look_of("Anna")


@pytest.mark.parametrize("other", ["Hanna", "安娜", "Anne"])
def test_names_that_do_not_are_not(other: str) -> None:
    assert look_of(other) != look_of("Anna")


@pytest.mark.parametrize("typed", ["毛豆", "Мaodоu", "ma0dou", "毛 豆", "真毛豆", "", " ", "\u200b", "@you", "a\x07b"])
def test_these_are_no_names(typed: str) -> None:
    with pytest.raises(MemberError):
        read_name(typed, bot_names=BOT, max_chars=24)


async def test_a_name_that_was_long_not_seen_may_be_taken(store: Store, clock: ManualClock) -> None:
    members = Members(store, clock, name_kept_days=30)
    name = Name("Anna", look_of("Anna"))
    first = await members.join(name)
    await clock.advance(29 * 86400)
    with pytest.raises(MemberError):
        await members.join(name)
    await members.seen(first)
    await clock.advance(29 * 86400)
    with pytest.raises(MemberError):
        await members.join(name)
    await clock.advance(2 * 86400)
    second = await members.join(name)
    assert second.id != first.id
    assert await members.get(first.id) is None, "whoever had the name before has to choose another"


async def test_a_link_is_spent_once(store: Store, clock: ManualClock) -> None:
    members = Members(store, clock, name_kept_days=30)
    assert await members.spend_link("nonce")
    assert not await members.spend_link("nonce")
    assert await members.spend_link("another")


def test_each_signature_stands_for_its_own_kind_alone() -> None:
    signatures = Signatures(SECRET)
    assert signatures.read_member(signatures.sign_member("m1"), max_age_s=60) == "m1"
    assert not signatures.is_operator(signatures.sign_member("m1"), max_age_s=60)
    assert not signatures.is_operator(signatures.sign_link(), max_age_s=60)
    assert signatures.read_link(signatures.sign_operator(), max_age_s=60) is None
    assert Signatures(SECRET + "!").read_member(signatures.sign_member("m1"), max_age_s=60) is None


def test_a_signature_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    signatures = Signatures(SECRET)
    link = signatures.sign_link()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: 4_000_000_000.0)
    assert signatures.read_link(link, max_age_s=3600) is None


def test_the_secret_is_kept_and_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "web" / "secret"
    secret = load_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert load_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    with pytest.raises(UsageError, match=re.escape(str(path))):
        load_secret(path)


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "zh"), ("de", "zh"), ("en-GB", "en"), ("de,en;q=0.8,zh;q=0.9", "zh"), ("en;q=0", "zh"), ("en;q=x", "zh")],
)
def test_the_language_is_what_the_browser_wants_first_of_what_there_is(header: str, language: str) -> None:
    assert wanted_language(header, "zh") == language

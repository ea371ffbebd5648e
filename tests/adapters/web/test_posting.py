"""From a browser to the inbox: kept, committed, shown – and what happens where that breaks off."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from adapters.web.adapter import WebPlatform
from adapters.web.messages import Draft
from adapters.web.posting import Post, Posting
from adapters.web.settings import WebSettings
from bot.delivery import Button
from bot.errors import MemberError, StoreError
from bot.event import Addressed, AttachmentKind, Said
from tests.adapters.web.rooms import Inbox, delivery, join, say


def shown(platform: WebPlatform) -> list[str]:
    """What every page shows, as HTML."""
    return [message["html"] for message in platform.room.transcript.shown.values()]


async def test_a_message_is_committed_and_then_shown(platform: WebPlatform, posting: Posting, inbox: Inbox) -> None:
    anna = await join(platform, "Anna")
    await say(posting, anna, "hello")
    [said] = inbox.of("said")
    assert (said.message.text, said.message.author.name, said.message.addressed) == ("hello", "Anna", Addressed.NONE)
    assert shown(platform) == ["<p>hello</p>\n"]


@pytest.mark.parametrize(
    ("typed", "text"),
    [("@毛豆 怎么装", "怎么装"), ("how, ＠MAODOU, do I?", "how, do I?"), ("装不上@毛豆", "装不上")],
)
async def test_a_mention_addresses_us_and_is_taken_out_of_the_text(
    platform: WebPlatform, posting: Posting, inbox: Inbox, typed: str, text: str
) -> None:
    await say(posting, await join(platform, "Anna"), typed)
    message = inbox.of("said")[0].message
    assert message.addressed is Addressed.MENTION
    assert message.text == text


async def test_a_reply_to_us_addresses_us_and_one_to_a_member_does_not(
    platform: WebPlatform, posting: Posting, inbox: Inbox
) -> None:
    anna = await join(platform, "Anna")
    ours = int(await platform.send(delivery(platform.room.room, "an answer")))
    await say(posting, anna, "and then?", reply_to=ours)
    await say(posting, anna, "never mind", reply_to=ours + 1)
    first, second = (said.message for said in inbox.of("said"))
    assert (first.addressed, first.reply_to) == (Addressed.REPLY, str(ours))
    assert (second.addressed, second.reply_to) == (Addressed.NONE, str(ours + 1))


async def test_what_the_inbox_cannot_take_is_not_shown_and_the_same_draft_is_one_message(
    platform: WebPlatform, posting: Posting, inbox: Inbox
) -> None:
    anna = await join(platform, "Anna")
    inbox.broken = True
    for _ in range(2):
        with pytest.raises(StoreError):
            await say(posting, anna, "is anyone there?", draft="d1")
    assert shown(platform) == []
    inbox.broken = False
    await say(posting, anna, "is anyone there?", draft="d1")
    await say(posting, anna, "is anyone there?", draft="d1")
    assert len(inbox.of("said")) == 1
    assert len(shown(platform)) == 1


class Died(BaseException):
    """The process ended here."""


async def test_a_death_before_the_commit_loses_nothing(platform: WebPlatform, posting: Posting, inbox: Inbox) -> None:
    async def dies(event: object) -> bool:
        raise Died

    anna = await join(platform, "Anna")
    with pytest.raises(Died):
        await say(Posting(platform.room, dies), anna, "do not lose me", draft="d1")
    assert await posting.take_untaken() == 1  # the next life
    assert [said.message.text for said in inbox.of("said")] == ["do not lose me"]
    assert len(shown(platform)) == 1
    await say(posting, anna, "do not lose me", draft="d1")  # the browser, which heard nothing, sends it again
    assert len(inbox.of("said")) == 1


async def test_called_taken_too_early_it_would_be_lost(
    platform: WebPlatform, posting: Posting, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above: it is the mark, set after the commit alone, that the next life goes by."""
    anna = await join(platform, "Anna")
    monkeypatch.setattr("adapters.web.posting.Draft", partial(Draft, taken=True))
    await say(posting, anna, "lost", draft="d1")
    assert await posting.take_untaken() == 0
    assert inbox.of("said") == []


async def test_a_death_after_the_commit_says_nothing_twice(
    platform: WebPlatform, posting: Posting, inbox: Inbox
) -> None:
    async def takes_and_dies(event: Said) -> bool:
        await inbox.accept(event)
        raise Died

    anna = await join(platform, "Anna")
    with pytest.raises(Died):
        await say(Posting(platform.room, takes_and_dies), anna, "once only", draft="d1")  # type: ignore[arg-type]
    assert await posting.take_untaken() == 1
    assert len(inbox.of("said")) == 1
    assert await posting.take_untaken() == 0


async def test_an_id_is_never_used_again(platform: WebPlatform, posting: Posting, inbox: Inbox) -> None:
    """The inbox knows a message by its id: after an erasure a reused one would be taken for a redelivery."""
    anna = await join(platform, "Anna")
    await say(posting, anna, "first")
    eraser = platform.eraser()
    assert eraser.of_member is not None
    erase = eraser.of_member
    await platform.room.store.write(lambda connection: erase(connection, f"web:{anna.id}"))
    await say(posting, await join(platform, "Ben"), "second")
    assert len(inbox.of("said")) == 2


async def test_an_edit_and_a_recall_reach_the_inbox_and_the_pages(
    platform: WebPlatform, posting: Posting, inbox: Inbox
) -> None:
    anna = await join(platform, "Anna")
    await say(posting, anna, "helo")
    message = int(inbox.of("said")[0].message.id)
    await posting.edit(anna, message, "hello")
    assert inbox.of("edited")[0].message.text == "hello"
    assert shown(platform) == ["<p>hello</p>\n"]
    await posting.recall(anna, message)
    assert inbox.of("recalled")[0].message_id == str(message)
    assert shown(platform) == [""]


async def test_only_ones_own_messages_can_be_changed(platform: WebPlatform, posting: Posting, inbox: Inbox) -> None:
    anna, ben = await join(platform, "Anna"), await join(platform, "Ben")
    await say(posting, anna, "mine")
    message = int(inbox.of("said")[0].message.id)
    ours = int(await platform.send(delivery(platform.room.room, "ours")))
    for target in (message, ours):
        with pytest.raises(MemberError):
            await posting.recall(ben, target)
        with pytest.raises(MemberError):
            await posting.edit(ben, target, "changed")
        with pytest.raises(MemberError):
            await posting.source(ben, target)
    assert not inbox.of("edited")
    assert not inbox.of("recalled")


async def test_a_reaction_is_the_members_whole_set(platform: WebPlatform, posting: Posting, inbox: Inbox) -> None:
    anna = await join(platform, "Anna")
    ours = await platform.send(delivery(platform.room.room, "an answer"))
    for emoji in ("👍", "👎", None):
        await posting.react(anna, int(ours), emoji)
    assert [reacted.emoji for reacted in inbox.of("reacted")] == [("👍",), ("👎",), ()]
    assert platform.room.transcript.shown[ours]["reactions"] == {}


async def test_files_are_kept_and_fetched(
    platform: WebPlatform, posting: Posting, inbox: Inbox, tmp_path: Path
) -> None:
    log = tmp_path / "up" / "error.log"
    log.parent.mkdir()
    log.write_text("boom")
    anna = await join(platform, "Anna")
    await say(posting, anna, "see the log", uploads=(("error.log", log),))
    [attachment] = inbox.of("said")[0].message.attachments
    assert (attachment.kind, attachment.name, attachment.size_bytes) == (AttachmentKind.FILE, "error.log", 4)
    fetched = await platform.fetch(attachment, tmp_path / "down", max_bytes=100)
    assert await asyncio.to_thread(fetched.read_text) == "boom"
    await posting.recall(anna, int(inbox.of("said")[0].message.id))
    assert await asyncio.to_thread(platform.room.files.path, attachment.ref) is None


async def test_a_file_that_is_too_big_is_refused_with_a_sentence(
    platform: WebPlatform, posting: Posting, tmp_path: Path
) -> None:
    big = tmp_path / "big.bin"
    with big.open("wb") as file:
        file.truncate(platform.settings.max_file_bytes + 1)
    anna = await join(platform, "Anna")
    with pytest.raises(MemberError, match=r"big\.bin"):
        await say(posting, anna, "look", uploads=(("big.bin", big),))


@pytest.mark.parametrize("settings", [WebSettings(posts_per_minute=2, max_message_chars=10)])
async def test_too_long_and_too_fast_are_refused_with_a_sentence(platform: WebPlatform, posting: Posting) -> None:
    anna = await join(platform, "Anna")
    with pytest.raises(MemberError, match="at most 10"):
        await say(posting, anna, "x" * 11)
    await say(posting, anna, "one")
    await say(posting, anna, "two")
    with pytest.raises(MemberError, match="wait"):
        await say(posting, anna, "three")
    await posting.post(await join(platform, "Ben"), Post("hello", "d"))


@pytest.mark.parametrize("settings", [WebSettings(posts_per_minute=2)])
@pytest.mark.parametrize("act", ["edit", "react", "press"])
async def test_other_acts_are_counted_like_messages_and_a_recall_never_waits(
    platform: WebPlatform, posting: Posting, inbox: Inbox, act: str
) -> None:
    anna, ben = await join(platform, "Anna"), await join(platform, "Ben")
    ours = await platform.send(delivery(platform.room.room, "press", buttons=(Button("why", "/why"),)))
    await say(posting, anna, "hello")
    own = int(inbox.of("said")[0].message.id)
    acts = {
        "edit": lambda member, count: posting.edit(member, own, f"hello {count}"),
        "react": lambda member, count: posting.react(member, int(ours), "👍"),
        "press": lambda member, count: posting.press(member, int(ours), 0),
    }
    await acts[act](anna, 1)
    with pytest.raises(MemberError, match="wait"):
        await acts[act](anna, 2)
    assert len(inbox.events) == 2
    if act != "edit":
        await acts[act](ben, 1)
    await posting.recall(anna, own)

"""Every situation on every platform: the real clients and adapters, the real core, and the same outcome."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Row

from bot.event import Said, load_event
from maodou.capabilities import Lack, lacks
from tests.scenarios.on_discord import DiscordStage
from tests.scenarios.on_feishu import FeishuStage
from tests.scenarios.on_web import WebStage
from tests.scenarios.situation import Situation, Understood
from tests.scenarios.situations import SITUATIONS
from tests.scenarios.stage import Stage

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

STAGES: tuple[type[DiscordStage | FeishuStage | WebStage], ...] = (DiscordStage, FeishuStage, WebStage)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STAGES, ids=lambda stage: stage.name)
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One platform and one bot for all situations."""
    kind = request.param
    folder: Path = tmp_path_factory.mktemp(kind.name)
    running: contextlib.AbstractAsyncContextManager[Stage] = kind.running(folder, SITUATIONS)
    async with running as playing:
        yield playing


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name.replace(" ", "_"))
async def test_the_outcome_is_the_same_everywhere(stage: Stage, situation: Situation) -> None:
    if any(lacks(stage.name, need) for need in situation.needs):
        return  # docs/platforms.md says so; the last test below counts how often
    await stage.play(situation)
    await outcome_is(stage, situation)


async def outcome_is(stage: Stage, situation: Situation) -> None:
    rows = await stage.rows()
    assert tuple(_decided(rows)) == situation.decided
    texts = [ours.text for ours in await stage.shown()]
    if situation.split:
        whole = "\n".join(texts)
        places = [whole.find(part) for part in situation.shown]
        assert -1 not in places, situation.shown[places.index(-1)]
        assert places == sorted(places)
        assert all(whole.count(part) == 1 for part in situation.shown[:10])
    else:
        assert len(texts) == len(situation.shown), texts
        for text, part in zip(texts, situation.shown, strict=True):
            assert part in text
    for label, understood in situation.understood.items():
        messages = [row for row in rows if row.kind == "said" and row.message_id == stage.labels[label]]
        event = load_event(messages[0].payload)
        assert isinstance(event, Said)
        _is_understood(event, understood)
        if understood.quoted is not None:
            question = next(each for each in stage.knowledge.asked if each.text == event.message.text)
            quoted = (await question.earlier())[-1]
            assert quoted.quoted
            assert understood.quoted in quoted.text
    assert tuple(await stage.feedback()) == situation.feedback
    if situation.deliveries is not None:
        assert tuple(await stage.delivered()) == situation.deliveries


def _decided(rows: Sequence[Row[Any]]) -> Iterator[str]:
    """What became of each event. A reaction that is exchanged for another is one change or two, as it happens."""
    before = ""
    for row in rows:
        decided = f"{row.kind}:{row.outcome}({row.reason})"
        if decided != before or row.kind != "reacted":
            yield decided
        before = decided


def _is_understood(said: Said, expected: Understood) -> None:
    message = said.message
    found = Understood(
        text=" ".join(message.text.split()),
        addressed=message.addressed.value,
        attachments=tuple(attachment.kind.value for attachment in message.attachments),
        kind=message.room.kind.value,
    )
    known = {
        name: value
        for name in ("text", "addressed", "attachments", "kind")
        if (value := getattr(expected, name)) is not None
    }
    assert replace(found, **known) == found


# ── the table itself ─────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_left_out_is_left_out_for_a_reason_that_the_page_tells() -> None:
    for situation in SITUATIONS:
        played = [stage.name for stage in STAGES if not any(lacks(stage.name, need) for need in situation.needs)]
        alone = situation.needs & {Lack.SLASH_COMMANDS}
        assert len(played) >= (1 if alone else 2), situation.name
    assert len(SITUATIONS) >= 40
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)


async def test_a_wrong_outcome_is_seen(stage: Stage) -> None:
    """The twin: the same play held against another expectation fails."""
    situation = SITUATIONS[1]
    await stage.play(situation)
    await outcome_is(stage, situation)
    for wrong in (
        replace(situation, shown=()),
        replace(situation, shown=situation.shown[::-1]),
        replace(situation, decided=("said:silent(muted)",)),
        replace(situation, understood={"a": Understood(addressed="none")}),
        replace(situation, feedback=(1,)),
        replace(situation, deliveries=("undeliverable",)),
    ):
        with pytest.raises(AssertionError):
            await outcome_is(stage, wrong)

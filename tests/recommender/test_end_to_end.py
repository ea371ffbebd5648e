"""Reading from end to end, the same on every platform: the whole app behind the real clients, a feed on a local server.

The stories are told once, in words of :class:`tests.recommender.town.Town`; each platform has its own town.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.recommender.shelves import SUBJECTS
from tests.recommender.town import TITLE, ZONE, Town
from tests.recommender.town_on_discord import DiscordTown
from tests.recommender.town_on_feishu import FeishuTown
from tests.recommender.town_on_web import WebTown

EXPLICIT = ("Hardcore porn videos, uncensored xxx", "Free hardcore porn: naked girls, blowjob and anal sex clips.")
BUTTONS = ("1 👍", "1 👎", "1 less like this", "2 👍", "2 👎", "2 less like this")


IN_BROWSERS = (pytest.mark.browser, pytest.mark.may_block, pytest.mark.timeout(240))  # Gradio reads files as it answers
TOWNS = (
    pytest.param(FeishuTown, id="feishu"),
    pytest.param(DiscordTown, id="discord"),
    pytest.param(WebTown, id="web", marks=IN_BROWSERS),
)


@pytest.fixture(params=TOWNS)
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    async with request.param.running(tmp_path) as town:
        yield town


async def test_a_member_subscribes_and_the_room_reads_what_it_likes(town: Town) -> None:
    old, *new = SUBJECTS["bread"]
    town.publish("bread", [old])
    added = await town.says(town.ann, f"/feed add {town.feed}")
    assert TITLE in added.text
    assert old[0] in added.text  # the preview

    await town.read_feeds()
    assert await town.morning() is None  # nothing old is sent

    town.publish("bread", new[:1])
    town.publish("football", SUBJECTS["football"][:1])
    await town.read_feeds()
    today = await town.morning()
    assert today is not None
    assert new[0][0] in today.text
    assert old[0] not in today.text
    assert today.text.count(f"— {TITLE} · new") == 2  # where each is from, and why it was chosen
    assert today.labels == BUTTONS
    assert datetime.fromtimestamp(town.clock.now(), ZoneInfo(ZONE)).hour == 9

    number = next(line[2] for line in today.text.splitlines() if new[0][0] in line)
    noted = await town.presses(town.ann, today, f"{number} 👎")
    assert "was not to your taste" in noted.text

    town.publish("bread", new[1:3])
    town.publish("football", SUBJECTS["football"][1:3])
    await town.read_feeds()
    tomorrow = await town.morning()
    assert tomorrow is not None
    for title, _ in SUBJECTS["football"][1:3]:
        assert title in tomorrow.text
    for title, _ in new[1:3]:
        assert title not in tomorrow.text
    why = await town.says(town.ann, f"/why-not {town.link(new[1][0])}")
    assert "✗ rank – others were nearer" in why.text


async def test_the_switch_hides_and_releases_an_entry_and_is_not_everybodys(town: Town) -> None:
    town.publish("bread", SUBJECTS["bread"][:1])
    await town.says(town.ann, f"/feed add {town.feed}")
    await town.read_feeds()
    town.publish("night", [EXPLICIT])
    await town.read_feeds()
    assert await town.morning() is None
    why = await town.says(town.ann, f"/why-not {town.link(EXPLICIT[0])}")
    assert "✗ filter" in why.text
    assert EXPLICIT[0] not in why.text

    refused = await town.says(town.ann, "/filter nsfw off")
    assert town.switcher in refused.text
    assert "Your role here: member" in refused.text
    assert await town.morning() is None

    asked = await town.says(town.owner, "/filter nsfw off")
    await town.presses(town.owner, asked, asked.labels[-1])
    released = await town.morning()
    assert released is not None
    assert EXPLICIT[0] in released.text

    await town.says(town.owner, "/filter nsfw on")
    town.publish("night", [(f"More: {EXPLICIT[0]}", EXPLICIT[1])])
    await town.read_feeds()
    assert await town.morning() is None

"""What is written, as Discord shows it."""

from __future__ import annotations

import io
from pathlib import Path

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord import render
from bot.delivery import Audio, Content, Delivery, DeliveryAct, DeliveryState
from bot.errors import Undeliverable
from bot.event import Room
from tests.adapters.discord.conftest import Bot, Place
from tests.emulators.discord import DiscordEmulator


def test_a_table_is_aligned_text() -> None:
    text = "Before\n\n| name | 数量 |\n|---|:-:|\n| bean | 12 |\n| 毛豆 | 3 |\n\nAfter"
    assert render.markdown(text) == ("Before\n\n```\nname  数量\n────  ────\nbean  12\n毛豆  3\n```\n\nAfter")


def test_what_is_in_a_fence_stays() -> None:
    text = "```md\n| a | b |\n|---|---|\n#### x\n![p](u)\n```"
    assert render.markdown(text) == text


def test_deep_headings_rules_and_pictures_have_a_form() -> None:
    text = "# A\n#### B\n---\n![a leaf](https://x.org/leaf.png)\n![](https://x.org/l.png)"
    assert render.markdown(text) == (
        "# A\n**B**\n───\n[a leaf](https://x.org/leaf.png)\n[https://x.org/l.png](https://x.org/l.png)"
    )


def test_what_would_grow_too_long_stays_as_it_is() -> None:
    table = (
        "| a | b |\n|---|---|\n"
        + "| x | yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy |\n" * 5
    )
    wide = table + "\n" + "| " + "w" * 900 + " | b |\n|---|---|\n| c | d |\n| e | f |"
    assert len(wide) < render.MAX_CHARS
    assert render.markdown(wide) == wide


@given(st.text(alphabet="|-:`~#*_ \n![](ab毛", max_size=200))
def test_nothing_written_breaks_it_or_loses_letters(text: str) -> None:
    shown = render.markdown(text)
    assert len(shown) <= max(render.MAX_CHARS, len(text))
    for letter in "ab毛":
        assert shown.count(letter) >= text.count(letter)


async def test_speech_is_sent_as_a_voice_message(
    platform: DiscordEmulator, place: Place, bot: Bot, tmp_path: Path
) -> None:
    path = tmp_path / "speech.ogg"
    path.write_bytes(b"OggS" * 10)
    audio = Audio(str(path), 1.25, (0, 128, 255))

    def delivery(key: str, text: str) -> Delivery:
        room = Room("discord", str(place.room.id), space=str(place.guild.id))
        content = Content(text, audio=audio)
        return Delivery(1, key, room, DeliveryAct.SEND, content, DeliveryState.PLANNED, 0.0)

    first = await bot.platform.send(delivery("voice-1", ""))
    assert await bot.platform.send(delivery("voice-1", "")) == first
    (message,) = platform.said(place.room)
    (file,) = message.files
    assert message.flags & render.VOICE_MESSAGE
    assert (file.media_type, file.duration_s, file.waveform) == ("audio/ogg", 1.25, "AID/")
    assert file.body == path.read_bytes()
    await bot.platform.send(delivery("voice-2", "and in words"))
    spoken = platform.said(place.room)[1]
    assert spoken.content == "and in words"
    assert not spoken.flags & render.VOICE_MESSAGE


@pytest.mark.parametrize(
    ("duration_s", "points", "text", "code"),
    [(1.0, 256, "", 0), (1.0, 257, "", 50035), (0.0, 9, "", 50161), (1.0, 0, "", 50161), (1.0, 9, "words", 50159)],
)
async def test_discord_takes_a_voice_message_only_as_it_must_be(
    place: Place, bot: Bot, duration_s: float, points: int, text: str, code: int
) -> None:
    client = bot.platform.client
    assert client is not None
    file = render.VoiceFile(io.BytesIO(b"OggS"), "voice-message.ogg")
    file.duration_s, file.waveform = duration_s, bytes([7]) * points
    flags = discord.MessageFlags._from_value(render.VOICE_MESSAGE)
    with discord.http.handle_message_parameters(content=text or None, file=file, flags=flags) as params:
        for part in params.multipart or ():
            if part["name"].startswith("files["):
                part["content_type"] = "audio/ogg"
        if not code:
            await client.http.send_message(place.room.id, params=params)
            return
        with pytest.raises(discord.HTTPException) as refused:
            await client.http.send_message(place.room.id, params=params)
    assert refused.value.code == code


async def test_one_whose_sound_is_gone_is_not_tried_for_ever(place: Place, bot: Bot) -> None:
    room = Room("discord", str(place.room.id), space=str(place.guild.id))
    content = Content("", audio=Audio("/nowhere/gone.ogg", 1.0))
    with pytest.raises(Undeliverable):
        await bot.platform.send(Delivery(1, "gone", room, DeliveryAct.SPEAK, content, DeliveryState.PLANNED, 0.0))

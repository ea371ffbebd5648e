"""What is written, as Discord shows it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from adapters.discord import render
from bot.delivery import Audio, Content, Delivery, DeliveryAct, DeliveryState
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

"""Who is meant by name: “毛豆，怎么安装？” speaks to us although nobody was mentioned."""

from __future__ import annotations

from dataclasses import replace

from bot.event import Addressed, Message

AFTER_A_NAME = " \t\n,，:：、。.!！?？~"


def by_name(message: Message, names: tuple[str, ...]) -> Message:
    """“毛豆，…” speaks to us as much as a mention does; a word about us in the middle of a sentence does not."""
    if message.is_addressed:
        return message
    text = message.text.lstrip(" @＠")
    for name in names:
        rest = text[len(name) :]
        if text[: len(name)].casefold() == name.casefold() and (not rest or rest[0] in AFTER_A_NAME):
            return replace(message, addressed=Addressed.NAME, text=rest.lstrip(AFTER_A_NAME))
    return message

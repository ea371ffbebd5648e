"""Picks as a message: a numbered list with source and reason, and buttons for each.

What a feed wrote is shown and can do nothing (:mod:`recommender.quoting`): it loses its marks, its line ends and what
nobody sees, and its address must be one of the web.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.delivery import Button, Content
from bot.texts import Text
from recommender.choosing import Pick, Why
from recommender.opinions import Kind
from recommender.quoting import harmless, web_address

MAX_TITLE_CHARS = 100
MAX_BECAUSE_CHARS = 60
MAX_SOURCE_CHARS = 40

HEAD = Text(zh="**今天值得一看的**", en="**Worth a look today**")
ASKED_HEAD = Text(zh="**给你们挑的**", en="**Picked for you**")
TOPIC_HEAD = Text(zh="**关于“{topic}”**", en="**About “{topic}”**")
LIKED = Text(zh="因为有人喜欢《{title}》", en="because “{title}” was liked here")
SHARED = Text(zh="因为有人分享过《{title}》", en="because “{title}” was shared here")
RULE = Text(zh="因为这里订阅了“{title}”", en="because this room reads about “{title}”")
TOPIC = Text(zh="和“{title}”有关", en="it is about “{title}”")
NEW = Text(zh="新到", en="new")
OTHER = Text(zh="换换口味", en="something else, for once")
ALSO = Text(zh="{sources} 也有", en="also in {sources}")
LESS = Text(zh="少些这类", en="less like this")
SUBSCRIBE = Text(zh="订阅", en="subscribe")
UNTITLED = Text(zh="（无题）", en="(untitled)")
PICTURE = Text(zh="图片", en="picture")

REASONS = {Why.LIKED: LIKED, Why.SHARED: SHARED, Why.RULE: RULE, Why.TOPIC: TOPIC, Why.NEW: NEW, Why.OTHER: OTHER}


@dataclass(frozen=True, slots=True)
class Told:
    """A pick with what is said of it; ``picture``: whether its picture may be named."""

    pick: Pick
    summary: str
    picture: bool = False


def card(told: Sequence[Told], head: str, language: str) -> Content:
    """The message. ``told``: at most eight, which Discord's 25 buttons allow."""
    blocks, buttons = [head], list[Button]()
    for number, each in enumerate(told, start=1):
        blocks.append(_block(number, each, language))
        buttons += _buttons(number, each.pick, language)
    return Content("\n\n".join(blocks), tuple(buttons))


def heading(language: str, topic: str = "", *, asked: bool = False) -> str:
    if topic:
        return TOPIC_HEAD.in_language(language, topic=harmless(topic, MAX_SOURCE_CHARS))
    return (ASKED_HEAD if asked else HEAD).in_language(language)


def reason(pick: Pick, language: str) -> str:
    """Why this one, as a part of a sentence."""
    said = REASONS[pick.why].in_language(language, title=harmless(pick.because, MAX_BECAUSE_CHARS))
    if pick.also:
        sources = ("、" if language == "zh" else ", ").join(harmless(each, MAX_SOURCE_CHARS) for each in pick.also[:3])
        said += ("；" if language == "zh" else "; ") + ALSO.in_language(language, sources=sources)
    return said


def tells_of(block: str, title: str, link: str) -> bool:
    """Whether a block of :func:`card` tells of the entry with this title and link."""
    address = web_address(link)
    return f"]({address})" in block if address else harmless(title, MAX_TITLE_CHARS) in block


def commands_of(entry_id: int | None, feed: str) -> tuple[str, ...]:
    """What the buttons of a pick do: opinions of an entry, or for a suggestion a subscription to its ``feed``."""
    if entry_id is None:
        return (f"/feed add {feed}",) if web_address(feed) else ()
    return tuple(f"/rate {entry_id} {kind}" for kind in (Kind.LIKE, Kind.DISLIKE, Kind.LESS))


def _block(number: int, told: Told, language: str) -> str:
    candidate = told.pick.candidate
    title = harmless(candidate.item.title, MAX_TITLE_CHARS) or UNTITLED.in_language(language)
    link = web_address(candidate.link)
    named = f"[{title}]({link})" if link else title
    lines = [f"**{number}.** {named}"]
    if told.summary:
        lines.append(harmless(told.summary, len(told.summary)))
    about = f"{harmless(candidate.source, MAX_SOURCE_CHARS)} · {reason(told.pick, language)}"
    picture = web_address(candidate.picture) if told.picture else ""
    if picture:
        about += f" · [{PICTURE.in_language(language)}]({picture})"
    return "\n".join((*lines, f"— {about}"))


def _buttons(number: int, pick: Pick, language: str) -> list[Button]:
    candidate = pick.candidate
    subscribe = SUBSCRIBE.in_language(language)
    labels = [subscribe] if candidate.id is None else ["👍", "👎", LESS.in_language(language)]
    commands = commands_of(candidate.id, candidate.feed)
    return [Button(f"{number} {label}", command) for label, command in zip(labels, commands, strict=False)]

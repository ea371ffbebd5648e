"""``/recommend``, ``/why-not``, and what the buttons under a digest do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection, select

from bot.commands import Argument, BadArguments, Call, Command, Done
from bot.decision import OTHERS_WORDS
from bot.ports import Screen
from bot.store import Store
from bot.tables import inbox
from bot.texts import Text
from recommender.candidates import read_shelf
from recommender.choosing import Wanted
from recommender.editor import Edition, Editor, mark_looked_at, mark_sent
from recommender.features import Item
from recommender.opinions import Kind, rate, title_here
from recommender.quoting import harmless, web_address
from recommender.taste_settings import PICKS
from recommender.why_not import NO_LINK, why_not

MAX_TITLE_CHARS = 40

RECOMMEND_ABOUT = Text(
    zh="现在就推荐几条；可以说一个话题或一个网址", en="recommend something now; about a topic or a link, if you like"
)
TOPIC_ABOUT = Text(zh="话题，或者一个网址", en="a topic, or a link")
WHY_NOT_ABOUT = Text(zh="一篇文章为什么没有推送到这里", en="why an article was not sent here")
LINK_ABOUT = Text(zh="文章的网址", en="the article's address")
RATE_ABOUT = Text(zh="对一条推荐的看法", en="what you think of a pick")
ENTRY_ABOUT = Text(zh="条目的编号", en="the entry's number")
OPINION_ABOUT = Text(zh="喜欢、不喜欢、少些这类", en="like, dislike or less")

NOTHING_NEW = Text(
    zh="这里订阅的来源暂时没有新的。`/feed list` 看有哪些来源。",
    en="There is nothing new in the feeds of this room. `/feed list` shows them.",
)
NOTHING_ABOUT = Text(
    zh="没有找到和“{topic}”有关的新内容。可以用 `/feed add <网址>` 订阅一个讲它的来源。",
    en="Nothing new is about “{topic}”. `/feed add <address>` subscribes to a source that is.",
)
ALL_HIDDEN = Text(zh="有新内容，但都被过滤器挡下了。", en="There is something new, and the filter hides all of it.")
UNREAD_LINK = Text(zh="这个网址读不出来，没法推荐类似的。", en="I cannot read that address, so I know nothing like it.")
NOT_HERE = Text(zh="这里没有这条推荐（也许太久了）。", en="There is no such pick here (any more).")
NOTED = {
    Kind.LIKE: Text(zh="记下了：《{title}》这样的多来些。", en="Noted: more like “{title}”."),
    Kind.DISLIKE: Text(zh="记下了：《{title}》不合口味。", en="Noted: “{title}” was not to your taste."),
    Kind.LESS: Text(zh="记下了：少些《{title}》这类的。", en="Noted: less like “{title}”."),
}

LookAt = Callable[[str], Awaitable[Item | None]]
"""A page's words by its address; None when it cannot be read."""


class RecommendCommands:
    """``commands`` are for the registry. ``look_at``: without it links are topics like any other words."""

    def __init__(self, store: Store, editor: Editor, screen: Screen, look_at: LookAt | None = None) -> None:
        self._store = store
        self._editor = editor
        self._screen = screen
        self._look_at = look_at
        topic = Argument("topic", TOPIC_ABOUT, required=False, rest=True)
        opinion = Argument("opinion", OPINION_ABOUT, choices=(Kind.LIKE.value, Kind.DISLIKE.value, Kind.LESS.value))
        self.commands = (
            Command(
                "recommend", RECOMMEND_ABOUT, self.recommend, arguments=(topic,), aliases=("推荐",), overtakes=False
            ),
            Command(
                "why-not",
                WHY_NOT_ABOUT,
                self.why_not,
                arguments=(Argument("link", LINK_ABOUT),),
                aliases=("为什么没推",),
            ),
            Command(
                "rate",
                RATE_ABOUT,
                self.rate,
                arguments=(Argument("entry", ENTRY_ABOUT), opinion),
                slash=False,
                visible=False,
            ),
        )

    async def recommend(self, call: Call) -> Done:
        said = call.arguments.get("topic", "").strip()
        topic = await self._topic(said) if said else None
        shelf = await self._store.read(partial(read_shelf, room_key=call.room.key, now=call.at, asked=True))
        wanted = Wanted(call.values[PICKS], call.at, seed=str(call.event_id), topic=topic, explore=False)
        edition = await self._editor.edition(call.room, shelf, wanted, call.language)
        if edition is None or (not edition.told and not edition.stopped):
            nothing = NOTHING_ABOUT if said else NOTHING_NEW
            return Done(nothing.in_language(call.language, topic=harmless(said, MAX_TITLE_CHARS)))
        origin = await self._store.read(partial(_key_of, event_id=call.event_id))
        if not edition.told:
            seen = partial(mark_looked_at, room_key=call.room.key, edition=edition, now=call.at)
            return Done(ALL_HIDDEN.in_language(call.language), write=seen)
        write = partial(mark_sent, room_key=call.room.key, edition=edition, origin=origin, now=call.at)
        return Done(edition.content.text, edition.content.buttons, write, details=_figures(edition))

    async def why_not(self, call: Call) -> Done:
        link = call.arguments["link"].strip().strip("<>")
        if not web_address(link):
            raise BadArguments(NO_LINK)
        told = await self._store.read(partial(why_not, room_key=call.room.key, link=link, language=call.language))
        shown = await self._screen.show(call.room, told.title)
        lines = told.lines(call.language) if shown.text is not None else told.lines(call.language)[bool(told.title) :]
        return Done("\n".join(lines), details={"stopped": told.stopped})

    async def rate(self, call: Call) -> Done:
        number, kind = call.arguments["entry"], Kind(call.arguments["opinion"])
        entry_id = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
        title = await self._store.read(title_here(call.room, entry_id))
        if title is None:
            raise BadArguments(NOT_HERE)
        shown = await self._screen.show(call.room, title)
        named = harmless(shown.text or "…", MAX_TITLE_CHARS)
        write = rate(call.room, call.member, entry_id, kind, call.at)
        return Done(NOTED[kind].in_language(call.language, title=named), write=write, details={"opinion": kind})

    async def _topic(self, said: str) -> Item:
        """Raises ``BadArguments`` for a link that cannot be read."""
        if self._look_at is None or not web_address(said):
            return Item(said)
        page = await self._look_at(said)
        if page is None:
            raise BadArguments(UNREAD_LINK)
        return page


def _key_of(connection: Connection, event_id: int) -> str:
    """The key of the event that calls: the origin of what answers it."""
    return str(connection.execute(select(inbox.c.key).where(inbox.c.id == event_id)).scalar_one())


def _figures(edition: Edition) -> dict[str, str | int | float | bool | None]:
    return {"picks": len(edition.told), "hidden": len(edition.stopped), OTHERS_WORDS: True}

"""What the group reads, joined: fetching, parsing, schedules and digests in one part, with ``/feed`` to steer it and
``/recommend`` to ask it."""

from __future__ import annotations

from bot.core import Core
from bot.ports import ChatModel
from maodou.config import Settings
from moderation.screen import FilterScreen
from recommender import sharing
from recommender.commands import FeedCommands
from recommender.editor import Editor
from recommender.opinions import ERASER
from recommender.pages import Pages
from recommender.reading import Reading
from recommender.recommend_commands import RecommendCommands
from recommender.sharing import Sharing
from recommender.subscriptions import SUBSCRIBERS
from recommender.summary import Summaries
from recommender.taking_out import taken_out


def make_reading(settings: Settings, core: Core, screen: FilterScreen, model: ChatModel | None = None) -> Reading:
    """The part that ``App`` runs; its commands are in the registry afterwards, and its eraser in the retention.
    ``model``: sums entries up; without one they are told in their own words."""

    editor = Editor(core.store, core.scopes, screen, Summaries(model), screen.shows_labelled)
    reading = Reading(core.store, core.clock, core.outbox, core.scopes, editor, settings.feeds, core.platforms)
    pages = Pages(reading.fetcher, reading.parser)
    reading.add_job("links", Sharing(core.store, core.clock, core.scopes, pages).tick, sharing.EVERY_S)
    core.retention.add(ERASER, SUBSCRIBERS)
    core.outbox.when_taken_out(taken_out)
    core.commands.add(FeedCommands(core.store, reading, screen, core.platforms).command)
    for command in RecommendCommands(core.store, editor, screen, pages.words).commands:
        core.commands.add(command)
    return reading

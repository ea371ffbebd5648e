"""The bounds of reading (``feeds:`` in ``config.yaml``), and what each room can set about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.event import Role
from bot.room_settings import Setting, one_of, show_names
from bot.texts import Text
from bot.values import Values
from net.settings import MIB, FetchSettings
from recommender.times import LIVE, MACHINE, Rhythm, parse_quiet, parse_times, parse_zone

HOUR_S = 3_600.0
DAY_S = 86_400.0


class ParseSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    processes: int = Field(2, gt=0, le=16, description="Side by side: while one chews, the other reads on.")
    timeout_s: float = Field(5, gt=0, description="What one document may take; then its process is ended.")
    start_timeout_s: float = Field(60, gt=0, description="What the start of such a process may take.")
    memory_bytes: int = Field(512 * MIB, gt=64 * MIB, description="Of addresses, for one process.")
    documents_per_process: int = Field(2_000, gt=0, description="Then it is replaced, with whatever it leaked.")
    max_entries: int = Field(500, gt=0, description="Of one feed; what stands after them is not read.")


class FeedSettings(BaseModel):
    """``feeds:``; ``fetch`` and ``parse`` are the bounds of those two steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fetch: FetchSettings = FetchSettings()
    parse: ParseSettings = ParseSettings()

    rsshub: str = Field("", description="The base address of an RSSHub; rsshub://route is read from there.")
    interval_s: float = Field(HOUR_S, ge=60, description="How often a feed is asked, where nobody says otherwise.")
    least_interval_s: float = Field(600, ge=60, description="What a room may ask for at most.")
    most_interval_s: float = Field(DAY_S, gt=0, description="The longest pause, after failures or by a server's wish.")
    import_within_s: float = Field(600, ge=0, description="Over this time new feeds are asked for the first time.")

    sweep_every_s: float = Field(5, gt=0, description="How often due feeds are looked for.")
    digest_every_s: float = Field(30, gt=0, description="How often due digests are looked for.")
    housekeeping_every_s: float = Field(HOUR_S, gt=0, description="How often what is old is erased.")
    live_every_s: float = Field(600, ge=60, description="In rooms that want entries at once, they come together so.")
    at_once: int = Field(128, gt=0, description="Feeds in work at the same time.")
    lease_s: float = Field(300, gt=0, description="A feed whose fetcher died is taken up again after this.")
    leader_s: float = Field(30, gt=0, description="A process that died is followed by another after this.")

    failures_before_notice: int = Field(5, gt=0, description="In a row; then the rooms that read the feed are told.")
    notice_every_s: float = Field(6 * HOUR_S, ge=0, description="A room is told of failing feeds no more often.")
    max_age_days: float = Field(14, gt=0, description="An entry that was published before is not told.")
    wait_days: float = Field(7, gt=0, description="For so long an entry waits to be chosen.")
    keep_days: float = Field(90, gt=0, description="For so long an entry is known that its feed no longer lists.")
    left_room_days: float = Field(30, gt=0, description="For so long a room that the bot has left keeps its feeds.")
    max_entries_per_feed: int = Field(
        5_000, ge=1_000, description="Entries known of one feed; beyond, what it dropped goes."
    )

    feeds_per_room: int = Field(300, gt=0, description="Subscriptions of one room.")
    rules_per_feed: int = Field(20, gt=0, description="Rules of one subscription, of each kind.")
    max_opml_bytes: int = Field(1 * MIB, gt=0, description="Of a list of feeds to import.")


TIME_ZONE = Setting(
    "time_zone",
    MACHINE,
    parse_zone,
    Text(zh="推送时间按哪个时区算", en="the time zone of the digest's times"),
    allowed=Text(
        zh="时区名，如 Asia/Shanghai；local 表示机器自己的时区",
        en="a zone's name such as Europe/Berlin; local for the machine's own",
    ),
)
DIGEST_AT = Setting[tuple[str, ...]](
    "digest_at",
    ("09:00",),
    parse_times,
    Text(zh="每天什么时候推送；live 表示有新内容就推送", en="when the digest comes each day; live: as entries appear"),
    allowed=Text(
        zh=f"最多 6 个时间，如 09:00, 18:30；{LIVE} 表示随时；none 表示不推送",
        en=f"up to 6 times such as 09:00, 18:30; {LIVE} for as they appear; none for never",
    ),
    show=show_names,
)
QUIET_HOURS = Setting(
    "quiet_hours",
    "none",
    parse_quiet,
    Text(zh="安静时段，这段时间不推送", en="hours in which no digest comes"),
    allowed=Text(zh="如 23:00-08:00；none 表示没有", en="such as 23:00-08:00; none for none"),
)


class Adders(StrEnum):
    """Who may subscribe in a room; whoever did may end it again."""

    MEMBERS = "members"
    MODERATORS = "moderators"
    ADMINS = "admins"

    @property
    def role(self) -> Role:
        return {"members": Role.MEMBER, "moderators": Role.MODERATOR, "admins": Role.ADMIN}[self.value]


FEEDS_BY = Setting(
    "feeds_by",
    Adders.MEMBERS,
    one_of(Adders),
    Text(zh="谁能在这里订阅", en="who may subscribe to feeds here"),
    role=Role.ADMIN,
    choices=tuple(Adders),
)

TIMES: tuple[Setting[Any], ...] = (TIME_ZONE, DIGEST_AT, QUIET_HOURS)
FEED_ROOM_SETTINGS: tuple[Setting[Any], ...] = (*TIMES, FEEDS_BY)


def rhythm_of(values: Values, settings: FeedSettings) -> Rhythm:
    """What a room has set, as its clock."""
    return Rhythm(values[DIGEST_AT], values[TIME_ZONE], values[QUIET_HOURS], settings.live_every_s)

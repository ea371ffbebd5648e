"""A room's clock: which moment is its next digest, in its own time zone, on days with a change of clocks too.

A digest is a slot: a local day and a local time. Each slot comes exactly once: a time that a day skips comes when the
clock has jumped, and one that a day has twice comes the first time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as TimeOfDay
from functools import lru_cache
from zoneinfo import ZoneInfo

MACHINE = "local"
LIVE = "live"
NEVER = "none"
MAX_TIMES = 6

_TIME = re.compile(r"([01]?\d|2[0-4])[:：时点]([0-5]\d)?分?")


def parse_zone(typed: str) -> str:
    """Raises ``ValueError`` for what is no zone's name."""
    name = typed.strip()
    if name.casefold() == MACHINE:
        return MACHINE
    zone(name)
    return name


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """Raises ``ValueError``."""
    if name == MACHINE:
        from tzlocal import get_localzone

        return get_localzone()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", name):
        raise ValueError(f"{name!r} is no time zone")
    try:
        return ZoneInfo(name)
    except (OSError, KeyError) as error:  # a folder's name is one too
        raise ValueError(f"{name!r} is no time zone") from error


def parse_times(typed: str) -> tuple[str, ...]:
    """``09:00, 18:30`` in their order; ``("live",)``; ``()`` for never. Raises ``ValueError``."""
    said = typed.strip().casefold()
    if said in (LIVE, "实时", "随时"):
        return (LIVE,)
    if said in ("", NEVER, "无"):
        return ()
    found = sorted({_time(part.strip()) for part in re.split(r"[,，、;；\s]+", said) if part.strip()})
    if not 0 < len(found) <= MAX_TIMES:
        raise ValueError("too many times")
    return tuple(found)


def parse_quiet(typed: str) -> str:
    """``23:00-08:00``, or ``none``. Raises ``ValueError``."""
    said = typed.strip().casefold()
    if said in ("", NEVER, "无"):
        return NEVER
    begin, mark, end = re.sub(r"\s*[-–—~～至到]\s*", "-", said).partition("-")
    if not mark or _time(begin) == _time(end):
        raise ValueError("no span of hours")
    return f"{_time(begin)}-{_time(end)}"


def _time(typed: str) -> str:
    found = _TIME.fullmatch(typed)
    if not found or (hour := int(found[1])) == 24:
        raise ValueError(f"{typed!r} is no time of day")
    return f"{hour:02}:{found[2] or '00'}"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a room is sent digests, from its three settings. ``live_every_s``: the pace of ``live``."""

    times: tuple[str, ...]
    zone: str
    quiet: str
    live_every_s: float

    def __str__(self) -> str:
        return f"{','.join(self.times)} {self.zone} {self.quiet}"

    def next_slot(self, after: float) -> float | None:
        """The first slot later than ``after``, Unix seconds; moved to the end of the quiet hours where it falls
        into them. None for never."""
        if not self.times:
            return None
        if self.times == (LIVE,):
            slot = (after // self.live_every_s + 1) * self.live_every_s
            return self.awake_at(slot)
        day = datetime.fromtimestamp(after, zone(self.zone)).date() - timedelta(days=1)
        slots = (
            self.awake_at(
                moment(datetime.combine(day + timedelta(days=more), TimeOfDay.fromisoformat(each)), self.zone)
            )
            for more in range(4)
            for each in self.times
        )
        return min(slot for slot in slots if slot > after)

    def is_quiet(self, at: float) -> bool:
        return self.awake_at(at) > at

    def awake_at(self, at: float) -> float:
        """``at`` itself, or the end of the quiet hours that it falls into. Their begin and end are moments like a
        digest's: an hour that a night has twice makes the quiet longer by nothing but itself."""
        if self.quiet == NEVER:
            return at
        begin, _, end = self.quiet.partition("-")
        first, last = TimeOfDay.fromisoformat(begin), TimeOfDay.fromisoformat(end)
        today = datetime.fromtimestamp(at, zone(self.zone)).date()
        for more in (-2, -1, 0, 1):
            day = today + timedelta(days=more)
            begins = moment(datetime.combine(day, first), self.zone)
            ends = moment(datetime.combine(day + timedelta(days=last <= first), last), self.zone)
            if begins <= at < ends:
                return ends
        return at


def moment(local: datetime, zone_name: str) -> float:
    """Unix seconds of a local time. One that is skipped counts from the offset before the jump, so it comes just
    after it (PEP 495); one that comes twice is the first."""
    return local.replace(tzinfo=zone(zone_name), fold=0).astimezone(UTC).timestamp()


def shown(at: float, zone_name: str) -> str:
    """``2026-11-22 09:00`` in the zone."""
    return datetime.fromtimestamp(at, zone(zone_name)).strftime("%Y-%m-%d %H:%M")

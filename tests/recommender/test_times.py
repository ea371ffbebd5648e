"""A room's digests come once a day by its own clock, on days with a change of clocks too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from recommender.pacing import after_failure, next_check, phase
from recommender.settings import FeedSettings
from recommender.times import MACHINE, Rhythm, parse_quiet, parse_times, parse_zone, shown, zone

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Shanghai",
    "Pacific/Apia",
    "Africa/Casablanca",
)
DAY_S = 86_400.0


def rhythm(*times: str, zone: str = "UTC", quiet: str = "none") -> Rhythm:
    return Rhythm(times, zone, quiet, 600)


def slots(of: Rhythm, begin: str, count: int) -> list[float]:
    at = datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp()
    found = []
    for _ in range(count):
        following = of.next_slot(at)
        assert following is not None
        assert following > at
        found.append(at := following)
    return found


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("time", ["00:00", "00:30", "01:30", "02:00", "02:30", "03:00", "09:00", "23:59"])
def test_each_local_day_of_two_years_has_exactly_one_digest(name: str, time: str) -> None:
    found = slots(rhythm(time, zone=name), "2026-01-01", 730)
    days = [datetime.fromtimestamp(at, zone(name)).date() for at in found]
    assert len(set(days)) == 730, "no day has two"
    assert (days[-1] - days[0]).days == 729, "and none has none"


def test_a_time_that_is_skipped_comes_after_the_jump_and_one_that_comes_twice_comes_first() -> None:
    spring = slots(rhythm("02:30", zone="Europe/Berlin"), "2026-03-28T12:00", 1)[0]
    assert shown(spring, "Europe/Berlin") == "2026-03-29 03:30"
    autumn = slots(rhythm("02:30", zone="Europe/Berlin"), "2026-10-24T12:00", 2)
    assert [shown(at, "UTC") for at in autumn] == ["2026-10-25 00:30", "2026-10-26 01:30"]


def test_two_times_that_a_jump_makes_one_are_one_digest() -> None:
    found = slots(rhythm("02:30", "03:30", zone="Europe/Berlin"), "2026-03-28T12:00", 3)
    assert [shown(at, "Europe/Berlin") for at in found] == [
        "2026-03-29 03:30", "2026-03-30 02:30", "2026-03-30 03:30"]  # fmt: skip


def test_quiet_hours_move_a_digest_to_their_end() -> None:
    night = rhythm("23:30", "09:00", quiet="22:00-08:00")
    assert [shown(at, "UTC") for at in slots(night, "2026-06-01T12:00", 3)] == [
        "2026-06-02 08:00", "2026-06-02 09:00", "2026-06-03 08:00"]  # fmt: skip
    noon = rhythm("live", quiet="12:00-14:00")
    at = datetime(2026, 6, 1, 12, 5, tzinfo=UTC).timestamp()
    assert noon.next_slot(at) == datetime(2026, 6, 1, 14, 0, tzinfo=UTC).timestamp()


def test_live_comes_together_every_ten_minutes() -> None:
    assert [shown(at, "UTC") for at in slots(rhythm("live"), "2026-06-01T12:01", 2)] == [
        "2026-06-01 12:10", "2026-06-01 12:20"]  # fmt: skip
    assert rhythm().next_slot(0.0) is None


def test_times_are_read_as_people_write_them() -> None:
    assert parse_times("18:30，9：00") == ("09:00", "18:30")
    assert parse_times("9点, 21点30分") == ("09:00", "21:30")
    assert parse_times("实时") == ("live",)
    assert parse_times("none") == ()
    assert parse_quiet("23:00 至 8:00") == "23:00-08:00"
    assert parse_zone("Asia/Shanghai") == "Asia/Shanghai"
    assert parse_zone("LOCAL") == MACHINE
    for parse, wrong in (
        (parse_times, "25:00"), (parse_times, "9:61"), (parse_times, "1:00,2:00,3:00,4:00,5:00,6:00,7:00"),
        (parse_quiet, "23:00"), (parse_quiet, "8:00-8:00"), (parse_zone, "Mars/Base"), (parse_zone, "../etc/passwd"),
        (parse_zone, "Europe"), (parse_zone, ""),
    ):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011 – whose words nobody reads
            parse(wrong)


def test_feeds_that_came_together_spread_over_the_cycle() -> None:
    settings = FeedSettings()
    now = 1_800_000_123.0
    due = [next_check(now, f"https://f{number}.example/feed", 3600, settings) for number in range(2_000)]
    assert all(1_800 <= at - now <= 5_400 for at in due)
    tenths = [sum(tenth <= phase(f"https://f{number}.example/feed") * 10 < tenth + 1 for number in range(2_000))
              for tenth in range(10)]  # fmt: skip
    assert min(tenths) > 130
    later = [next_check(at, f"https://f{number}.example/feed", 3600, settings) for number, at in enumerate(due)]
    assert all(abs(second - first - 3600) < 1 for first, second in zip(due, later, strict=True)), (
        "and stay where they are"
    )


def test_failures_are_asked_less_and_less_and_never_not_at_all() -> None:
    settings = FeedSettings()
    pauses = [after_failure(0, 3600, failures, settings) for failures in range(1, 100)]
    assert pauses[:5] == [3600, 7200, 14_400, 28_800, 57_600]
    assert set(pauses[5:]) == {DAY_S}
    assert after_failure(0, 3600, 1, settings, after_s=7200) == 7200
    assert after_failure(0, 3600, 1, settings, after_s=1e9) == 2 * DAY_S, "a server cannot end a subscription"
    assert next_check(0, "https://x.example/", 3600, settings, asked_s=1e9) <= 1.5 * DAY_S


def test_the_night_that_has_an_hour_twice_is_quiet_once() -> None:
    late = rhythm("live", zone="America/New_York", quiet="23:00-01:30")
    again = datetime(2026, 11, 1, 6, 10, tzinfo=UTC).timestamp()  # 01:10 for the second time
    assert shown(again, "America/New_York") == "2026-11-01 01:10"
    assert not late.is_quiet(again)
    assert late.next_slot(again) == again + 600
    assert late.is_quiet(again - 3_600), "01:10 for the first time"

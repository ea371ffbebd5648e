"""The breaker, with the time in hand."""

from __future__ import annotations

from net.breaker import Breaker


def failing(breaker: Breaker, times: int, now: float) -> None:
    for _ in range(times):
        assert breaker.allows(now)
        breaker.failed(now)


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(3, 10, 60)
    failing(breaker, 2, 0)
    breaker.succeeded()
    failing(breaker, 3, 0)
    assert not breaker.allows(9.9)
    assert breaker.rests_until(9.9) == 10


def test_then_one_call_tries_and_the_others_wait_for_it() -> None:
    breaker = Breaker(1, 10, 60)
    failing(breaker, 1, 0)
    assert breaker.allows(10)
    assert not breaker.allows(10)
    breaker.succeeded()
    assert breaker.allows(10)
    assert breaker.allows(10)


def test_each_failed_try_doubles_the_rest_up_to_a_limit() -> None:
    breaker, now, rests = Breaker(1, 10, 60), 0.0, []
    for _ in range(5):
        failing(breaker, 1, now)
        until = breaker.rests_until(now)
        assert until is not None
        rests.append(until - now)
        now = until
    assert rests == [10, 20, 40, 60, 60]


def test_a_try_that_told_nothing_leaves_the_place_to_the_next() -> None:
    breaker = Breaker(1, 10, 60)
    failing(breaker, 1, 0)
    assert breaker.allows(10)
    breaker.released()
    assert breaker.allows(10)


def test_the_servers_own_wish_is_kept_within_the_limit() -> None:
    breaker = Breaker(3, 10, 60)
    assert breaker.allows(0)
    breaker.failed(0, rest_s=5)
    assert breaker.rests_until(4) == 5
    assert breaker.allows(5)
    breaker.failed(5, rest_s=100_000)
    assert breaker.rests_until(6) == 65

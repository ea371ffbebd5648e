"""While libraries load no garbage is looked for, and afterwards it is again, but not among what they made."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from bot.loading import nothing_collected


class Node:
    """Part of a circle: only the collector finds that it is garbage."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_while_it_lasts_and_everything_new_afterwards() -> None:
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gone = weakref.ref(Node())
    gc.collect()
    assert gone() is None


def test_what_was_made_inside_is_not_looked_through_again() -> None:
    with nothing_collected():
        made = [Node() for _ in range(10)]
    assert not any(each is made[0] for each in gc.get_objects())
    assert gc.get_freeze_count() > 10


def test_an_import_that_fails_switches_it_on_again() -> None:
    with pytest.raises(ImportError), nothing_collected():
        raise ImportError
    assert gc.isenabled()


def test_whoever_does_without_a_collector_keeps_to_that() -> None:
    gc.disable()
    with nothing_collected():
        pass
    assert not gc.isenabled()

"""Every reason, outcome and state can be said in both languages, and so can the greeting."""

from __future__ import annotations

import pytest

from bot.decision import Outcome, Reason
from bot.delivery import DeliveryState
from bot.greeting import UNASKED_TEXTS, greeting
from bot.reasons import OUTCOMES, REASONS, STATES, headline
from bot.room_settings import CORE_SETTINGS, Eagerness, Language
from bot.texts import LANGUAGES
from bot.values import Values


def test_the_tables_are_complete() -> None:
    assert set(REASONS) == set(Reason)
    assert set(OUTCOMES) == set(Outcome)
    assert set(STATES) == set(DeliveryState)
    assert set(UNASKED_TEXTS) == set(Eagerness)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_a_sentence_of_its_own_in_each_language(reason: Reason) -> None:
    for language, stop in (("zh", "。"), ("en", ".")):
        said = headline(Outcome.SILENT, reason, language)
        assert said.endswith(stop)
        assert "{" not in said
        others = {REASONS[other].in_language(language) for other in Reason if other is not reason}
        assert REASONS[reason].in_language(language) not in others


def values(**changed: object) -> Values:
    return Values({setting.name: setting.default for setting in CORE_SETTINGS} | changed, {})


def test_the_greeting_says_what_is_done_kept_and_how_to_ask_for_less() -> None:
    text = greeting(values(language=Language.EN), retention_days=30).text
    for told in ("mention me", "maodou", "30 days", "/forget me", "/mute 2h", "/settings unasked off", "/why", "/help"):
        assert told in text
    assert "毛豆" not in text


def test_the_greeting_speaks_both_languages_where_nobody_has_spoken_yet() -> None:
    both = greeting(values(), retention_days=30).text
    for language in LANGUAGES:
        assert greeting(values(), retention_days=30, language=language).text in both
    assert (
        greeting(values(language=Language.ZH), retention_days=30).text
        == greeting(values(), retention_days=30, language="zh").text
    )


def test_the_greeting_tells_the_room_s_own_settings() -> None:
    told = greeting(values(unasked=Eagerness.QUIET, unasked_per_hour=9, names=()), retention_days=7, language="en").text
    assert "9 times" in told
    assert "7 days" in told
    assert "say “" not in told

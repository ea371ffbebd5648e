"""Commands are parsed by code: what is one, what is none, and what is told about a wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import Argument, BadArguments, Call, Command, Commands, Done, Invocation, UnknownCommand, usage
from bot.durations import parse_duration, say_duration
from bot.errors import MemberError, NotAllowed
from bot.event import Member, Role, Room
from bot.texts import Text
from bot.values import Values

SOME = Text(zh="某事", en="something")


async def echo(call: Call) -> Done:
    return Done(repr(dict(call.arguments)))


COMMANDS = Commands(
    (
        Command("help", SOME, echo, arguments=(Argument("command", SOME, required=False),), aliases=("帮助",)),
        Command(
            "mute", SOME, echo, role=Role.MODERATOR, arguments=(Argument("for", SOME, rest=True),), aliases=("静音",)
        ),
        Command("light", SOME, echo, arguments=(Argument("to", SOME, choices=("on", "off")),)),
        Command(
            "kb",
            SOME,
            subcommands=(
                Command("list", SOME, echo),
                Command(
                    "ask",
                    SOME,
                    echo,
                    arguments=(Argument("base", SOME), Argument("question", SOME, rest=True)),
                    overtakes=False,
                ),
                Command("remove", SOME, echo, role=Role.ADMIN, aliases=("删除",)),
            ),
        ),
    )
)


def parsed(text: str, *, addressed: bool = True) -> Invocation:
    invocation = COMMANDS.parse(text, addressed=addressed)
    assert invocation is not None
    return invocation


def call(role: Role = Role.MEMBER) -> Call:
    return Call(1, Room("web", "lobby"), Member("web", "anna"), role, "en", Values({}, {}), 0.0)


@pytest.mark.parametrize(
    "text", ["/help", "／help", "/HELP", " /help ", "\u200b/help", "/ｈｅｌｐ", "/help?", "/帮助", "/help\n"]
)
def test_a_command_is_recognised_however_it_is_typed(text: str) -> None:
    assert parsed(text, addressed=False).path == ("help",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "／",
        "/ help",
        "//help",
        "/usr/bin",
        "/etc/hosts 是什么",
        "/help/me",
        "help",
        "see /help",
        "/.env",
        "/2",
        "/~",
    ],
)
def test_a_path_or_a_slash_in_passing_is_no_command_even_to_us(text: str) -> None:
    assert COMMANDS.parse(text, addressed=True) is None


def test_an_unknown_word_is_a_command_only_when_said_to_us() -> None:
    assert COMMANDS.parse("/roll 2d6", addressed=False) is None
    with pytest.raises(UnknownCommand) as unknown:
        COMMANDS.parse("/hlep")
    assert "`/help`" in unknown.value.in_language("zh")
    assert "Did you mean `/help`?" in unknown.value.in_language("en")


def test_an_unknown_word_far_from_all_names_suggests_none() -> None:
    with pytest.raises(UnknownCommand) as unknown:
        COMMANDS.parse("/xyzzy")
    assert "Did you mean" not in unknown.value.in_language("en")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('/kb ask "my base" how?', {"base": "my base", "question": "how?"}),
        ("/kb ask “我的 库” 怎么装", {"base": "我的 库", "question": "怎么装"}),
        ("/kb ask「我的 库」怎么装", None),
        ("/kb ask 「我的 库」怎么装", {"base": "我的 库", "question": "怎么装"}),
        ('/kb ask b how\'s "that" done', {"base": "b", "question": 'how\'s "that" done'}),
        ('/kb ask b "all of it"', {"base": "b", "question": "all of it"}),
        ('/kb ask b "one" and "two"', {"base": "b", "question": '"one" and "two"'}),
        ("/kb ask b line one\n  line two", {"base": "b", "question": "line one\n  line two"}),
        ("/kb\u3000ask b\u3000q", {"base": "b", "question": "q"}),
    ],
)
def test_arguments_are_words_quotations_and_the_rest(text: str, arguments: dict[str, str] | None) -> None:
    if arguments is None:
        assert parsed(text).unknown == "ask「我的"
    else:
        assert parsed(text).arguments == arguments


def test_a_choice_is_taken_in_any_case() -> None:
    assert parsed("/light ON").arguments == {"to": "on"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/kb list now", "“now”"),
        ("/kb ask", "Usage: `/kb ask <base> <question>`"),
        ("/kb ask base", "something"),
        ('/kb ask "base', "not closed"),
        ("/light red", "`on`, `off`"),
        ("/light onn", "Did you mean `on`?"),
        ("/mute", "Usage: `/mute <for>`"),
        ("/help a b", "“b”"),
    ],
)
def test_a_wrong_line_is_told_what_is_wrong_and_how_it_goes(text: str, told: str) -> None:
    with pytest.raises(MemberError) as wrong:
        COMMANDS.parse(text)
    assert told in wrong.value.in_language("en")
    assert "用法：`/" in wrong.value.in_language("zh")


def test_a_known_command_with_a_wrong_line_is_answered_even_unaddressed() -> None:
    with pytest.raises(BadArguments):
        COMMANDS.parse("/light red", addressed=False)


@pytest.mark.parametrize("typed", ["{0}", "{name}", "`x`", "a" * 5000, "@everyone\n# big"])
async def test_what_is_quoted_back_is_short_flat_and_no_template(typed: str) -> None:
    with pytest.raises(BadArguments) as wrong:
        COMMANDS.parse(f"/light {typed}")
    assert_short_and_flat(wrong.value.in_language("en"))
    with pytest.raises(BadArguments) as unknown:
        await COMMANDS.run(parsed(f"/kb {typed}"), call())
    assert_short_and_flat(unknown.value.in_language("en"))


def assert_short_and_flat(told: str) -> None:
    assert len(told) < 200
    assert "\n" not in told
    assert told.count("`") % 2 == 0


def test_chinese_needs_no_space_after_its_command() -> None:
    assert parsed("/静音2小时").arguments == {"for": "2小时"}
    assert COMMANDS.parse("/静音模式怎么开", addressed=False) is None


async def test_a_call_reaches_its_handler_with_its_arguments() -> None:
    assert (await COMMANDS.run(parsed("/light off"), call())).text == "{'to': 'off'}"


async def test_who_may_not_is_told_who_may() -> None:
    with pytest.raises(NotAllowed) as refused:
        await COMMANDS.run(parsed("/mute 2h"), call())
    assert "moderator, admin, owner or operator" in refused.value.in_language("en")
    assert "协管员、管理员、群主或运营者" in refused.value.in_language("zh")
    assert (await COMMANDS.run(parsed("/mute 2h"), call(Role.MODERATOR))).text


async def test_a_subcommand_has_a_role_of_its_own() -> None:
    with pytest.raises(NotAllowed):
        await COMMANDS.run(parsed("/kb remove"), call(Role.MODERATOR))
    assert await COMMANDS.run(parsed("/kb 删除"), call(Role.ADMIN))
    assert await COMMANDS.run(parsed("/kb list"), call())


@pytest.mark.parametrize(
    ("text", "role", "told"),
    [
        ("/kb", Role.MEMBER, "needs one more word. Usage: `/kb <list|ask>`"),
        ("/kb", Role.ADMIN, "needs one more word. Usage: `/kb <list|ask|remove>`"),
        ("/kb lst", Role.MEMBER, "no “lst”. Did you mean `/kb list`? Usage: `/kb <list|ask>`"),
        ("/kb remov", Role.ADMIN, "no “remov”. Did you mean `/kb remove`? Usage: `/kb <list|ask|remove>`"),
        ("/kb remov", Role.MEMBER, "no “remov”. Usage: `/kb <list|ask>`"),
    ],
)
async def test_a_family_says_what_there_is_for_whoever_asks(text: str, role: Role, told: str) -> None:
    with pytest.raises(BadArguments) as wrong:
        await COMMANDS.run(parsed(text), call(role))
    assert told in wrong.value.in_language("en")
    assert "用法：`/kb <list|ask" in wrong.value.in_language("zh")


async def test_a_family_that_has_nothing_for_a_member_says_for_whom_it_is() -> None:
    commands = Commands((Command("kb", SOME, subcommands=(Command("list", SOME, echo, role=Role.ADMIN),)),))
    for text in ("/kb", "/kb lst"):
        invocation = commands.parse(text)
        assert invocation is not None
        with pytest.raises(NotAllowed) as refused:
            await commands.run(invocation, call())
        assert "admin, owner or operator" in refused.value.in_language("en")


async def test_a_family_that_asks_for_more_holds_for_its_children() -> None:
    commands = Commands((Command("kb", SOME, role=Role.ADMIN, subcommands=(Command("list", SOME, echo),)),))
    invocation = commands.parse("/kb list")
    assert invocation is not None
    with pytest.raises(NotAllowed):
        await commands.run(invocation, call(Role.MODERATOR))


def test_slow_commands_wait_their_turn() -> None:
    assert parsed("/kb list").overtakes
    assert not parsed("/kb ask b q").overtakes


def test_names_and_aliases_are_unique() -> None:
    with pytest.raises(ValueError, match="/help"):
        Commands((Command("help", SOME, echo), Command("assist", SOME, echo, aliases=("help",))))


LONG = Text(zh="某", en="x" * 101)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Command("Help", SOME, echo),
        lambda: Command("帮助", SOME, echo),
        lambda: Command("x" * 33, SOME, echo),
        lambda: Command("x", SOME),
        lambda: Command("x", SOME, echo, subcommands=(Command("y", SOME, echo),)),
        lambda: Command("x", SOME, subcommands=(Command("y", SOME, subcommands=(Command("z", SOME, echo),)),)),
        lambda: Command("x", LONG, echo),
        lambda: Command("x", SOME, echo, arguments=(Argument("a", SOME, required=False), Argument("b", SOME))),
        lambda: Command("x", SOME, echo, arguments=(Argument("a", SOME, rest=True), Argument("b", SOME))),
        lambda: Command("x", SOME, echo, arguments=(Argument("a", SOME, choices=tuple(map(str, range(26)))),)),
    ],
)
def test_what_a_platform_cannot_show_is_refused_when_it_is_defined(make: object) -> None:
    with pytest.raises(ValueError, match=r"/|name"):
        make()  # type: ignore[operator]


def test_usage_marks_what_may_be_left_out() -> None:
    command = COMMANDS.get("help")
    assert command is not None
    assert usage(command, ("help",)) == "/help [command]"


@given(st.text(max_size=80), st.booleans())
def test_no_text_breaks_the_parser(text: str, addressed: bool) -> None:
    for line in (text, f"/{text}", f"/kb {text}", f"/kb ask {text}", f"/help{text}"):
        try:
            COMMANDS.parse(line, addressed=addressed)
        except MemberError as error:
            told = error.in_language("zh"), error.in_language("en")
        else:
            continue
        assert all(told)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("2h", 7200), ("30m", 1800), ("1d", 86400), ("90s", 90), ("1h30m", 5400), ("1 h 30 min", 5400),
        ("1.5h", 5400), ("2小时", 7200), ("２小时", 7200), ("半小时", 1800), ("两天", 172800), ("1周", 604800),
        ("3个小时", 10800), ("2 Hours", 7200), ("1小时30分钟", 5400),
    ],
)  # fmt: skip
def test_lengths_of_time_are_read_in_both_languages(typed: str, seconds: float) -> None:
    assert parse_duration(typed) == seconds


@pytest.mark.parametrize("typed", ["", " ", "2", "h", "soon", "2x", "-2h", "2h later", "1e9h", "二十小时", "9999999h"])
def test_what_is_no_length_of_time_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        parse_duration(typed)


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "0 秒", "0 s"), (59.6, "1 分钟", "1 min"), (5400, "1 小时 30 分钟", "1 h 30 min"),
        (86403, "1 天", "1 day"), (2592000, "30 天", "30 days"),
        (97200, "1 天 3 小时", "1 day 3 h"), (-5, "0 秒", "0 s"),
    ],
)  # fmt: skip
def test_lengths_of_time_are_said_in_two_units_at_most(seconds: float, zh: str, en: str) -> None:
    assert (say_duration(seconds, "zh"), say_duration(seconds, "en")) == (zh, en)

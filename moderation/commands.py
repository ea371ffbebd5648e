"""``/filter``: switch it, ask it about a text, and give it the room's own words and exceptions."""

from __future__ import annotations

from typing import Any

from bot.commands import Argument, BadArguments, Call, Command, Done, both, not_allowed
from bot.delivery import Button
from bot.event import Role
from bot.room_settings import Setting, Switch, one_line
from bot.scopes import Scopes, scope_of
from bot.store import Operation
from moderation import wording
from moderation.scoring import Finding
from moderation.screen import FilterScreen
from moderation.settings import EXCEPTIONS, MAX_WORDS, NSFW, WORDS, is_switched_off, policy_of

CONFIRM = "confirm"
STATUS = "status"


class FilterCommands:
    """``command`` goes into the registry; the words are kept in the room's settings."""

    def __init__(self, scopes: Scopes, screen: FilterScreen) -> None:
        self._scopes = scopes
        self._screen = screen
        word = Argument("word", wording.WORD, rest=True)
        state = Argument(
            "state",
            wording.STATE,
            required=False,
            choices=("on", "off", STATUS),
            synonyms={"开": "on", "打开": "on", "关": "off", "关闭": "off", "状态": STATUS},
        )
        confirm = Argument("confirm", wording.CONFIRM, required=False, choices=(CONFIRM,), synonyms={"确认": CONFIRM})
        moderator = Role.MODERATOR
        # What changes a list waits its turn, so that two changes at once do not lose one of them.
        self.command = Command(
            "filter",
            wording.ABOUT,
            subcommands=(
                Command("nsfw", wording.NSFW_ABOUT, self.nsfw, arguments=(state, confirm)),
                Command("test", wording.TEST_ABOUT, self.test, moderator, (Argument("text", wording.TEXT, rest=True),)),
                Command("add", wording.ADD_ABOUT, self.add, moderator, (word,), overtakes=False),
                Command("allow", wording.ALLOW_ABOUT, self.allow, moderator, (word,), overtakes=False),
                Command("remove", wording.REMOVE_ABOUT, self.remove, moderator, (word,), overtakes=False),
                Command("words", wording.WORDS_ABOUT, self.words, moderator),
            ),
            aliases=("过滤",),
        )

    # ── the switch ───────────────────────────────────────────────────────────────────────────────────

    async def nsfw(self, call: Call) -> Done:
        state = call.arguments.get("state", STATUS)
        if state == STATUS:
            return Done(await self._status(call))
        return await self._off(call) if state == "off" else self._on(call)

    async def _status(self, call: Call) -> str:
        if not is_switched_off(call.values):
            return wording.IS_ON.in_language(call.language)
        if await self._screen.may_be_off(call.room, fresh=True):
            return wording.IS_OFF.in_language(call.language)
        why = wording.WHY_NOT_OFF.get(call.room.platform, wording.NOT_KNOWN)
        return f"{wording.OFF_WITHOUT_EFFECT.in_language(call.language)} {why.in_language(call.language)}"

    def _on(self, call: Call) -> Done:
        if call.role < Role.ADMIN:
            raise not_allowed(("filter", "nsfw", "on"), Role.ADMIN, call.role)
        if not is_switched_off(call.values):
            return Done(wording.IS_ON.in_language(call.language))
        said = wording.SWITCHED_ON.in_language(call.language, who=_name(call))
        return Done(said, write=self._change(call, NSFW, Switch.ON), screen_again=True)

    async def _off(self, call: Call) -> Done:
        policy = policy_of(call.room)
        if call.role < policy.role:
            raise not_allowed(("filter", "nsfw", "off"), policy.role, call.role)
        if not await self._screen.may_be_off(call.room, fresh=True):
            why = wording.WHY_NOT_OFF.get(call.room.platform, wording.NOT_KNOWN)
            return Done(f"{wording.CANNOT_BE_OFF.in_language(call.language)} {why.in_language(call.language)}")
        if is_switched_off(call.values):
            return Done(wording.IS_OFF.in_language(call.language))
        if call.arguments.get("confirm") != CONFIRM:
            button = Button(wording.SWITCH_OFF.in_language(call.language), f"/filter nsfw off {CONFIRM}")
            return Done(wording.REALLY.in_language(call.language), (button,))
        said = wording.SWITCHED_OFF.in_language(call.language, who=_name(call))
        return Done(said, write=self._change(call, NSFW, Switch.OFF), screen_again=True)

    # ── why ──────────────────────────────────────────────────────────────────────────────────────────

    async def test(self, call: Call) -> Done:
        finding = await self._screen.judge(call.room, call.arguments["text"], call.values)
        lines = wording.explained(finding, call.language)
        if not await self._screen.is_on(call.room, call.values):
            lines.append(wording.IS_OFF.in_language(call.language))
        return Done("\n".join(lines), details=_figures(finding))

    # ── the room's own words ─────────────────────────────────────────────────────────────────────────

    async def add(self, call: Call) -> Done:
        word = _word(call)
        known = call.values[WORDS]
        if word in known:
            return Done(wording.KNOWN.in_language(call.language, word=one_line(word)))
        said = wording.ADDED.in_language(call.language, word=one_line(word))
        return Done(said, write=self._change(call, WORDS, (*known, word)), screen_again=True)

    async def allow(self, call: Call) -> Done:
        word = _word(call)
        known = call.values[EXCEPTIONS]
        if word in known:
            return Done(wording.KNOWN.in_language(call.language, word=one_line(word)))
        if not self._screen.may_except(word):
            return Done(wording.NO_EXCEPTION.in_language(call.language, word=one_line(word)))
        said = wording.ALLOWED.in_language(call.language, word=one_line(word))
        return Done(said, write=self._change(call, EXCEPTIONS, (*known, word)), screen_again=True)

    async def remove(self, call: Call) -> Done:
        word = call.arguments["word"].strip()
        for setting in (WORDS, EXCEPTIONS):
            known = call.values[setting]
            if word in known:
                left = tuple(each for each in known if each != word)
                said = wording.REMOVED.in_language(call.language, word=one_line(word))
                return Done(said, write=self._change(call, setting, left), screen_again=True)
        return Done(wording.UNKNOWN.in_language(call.language, word=one_line(word)))

    async def words(self, call: Call) -> Done:
        lists = {"words": WORDS.show(call.values[WORDS]), "exceptions": EXCEPTIONS.show(call.values[EXCEPTIONS])}
        return Done(wording.LISTED.in_language(call.language, **lists))

    def _change(self, call: Call, setting: Setting[Any], value: object) -> Operation[bool]:
        scope = scope_of(call.room)
        return self._scopes.change(scope, setting.name, value, who=call.member.key, message_id=call.message_id)


def _word(call: Call) -> str:
    """The word of an ``add`` or ``allow``, if the list takes it. Raises ``BadArguments``."""
    word = call.arguments["word"].strip()
    try:
        fits = WORDS.canonical((word,)) == (word,) and len(word) > 1
    except ValueError:
        fits = False
    if not fits:
        raise BadArguments(both(wording.BAD_WORD, word=one_line(word)))
    longest = max(len(call.values[WORDS]), len(call.values[EXCEPTIONS]))
    if longest >= MAX_WORDS:
        raise BadArguments(both(wording.FULL, most=str(MAX_WORDS)))
    return word


def _name(call: Call) -> str:
    return one_line(call.member.name or call.member.id)


def _figures(finding: Finding) -> dict[str, str | int | float | bool | None]:
    category = str(finding.category) if finding.category is not None else None
    return {"score": finding.score, "category": category, "hides": finding.hides}

"""``/model``: what writes the answers here, whether it is well, and – for those who run the place – what it cost."""

from __future__ import annotations

from typing import Protocol

from bot.commands import Call, Command, Done
from bot.event import Role
from bot.room_settings import one_line
from bot.texts import Text
from llm.meter import Tally
from llm.settings import ModelSettings

ABOUT = Text(zh="这里的回答由什么模型来写", en="which model writes the answers here")
NONE = Text(
    zh="这里没有接大模型：回答是从文档里摘出的原句。",
    en="No model is connected: answers are the documents' own words.",
)
WRITES = Text(
    zh="回答由 {name} 来写，每一句都核对过出处才显示。",
    en="Answers are written by {name}; each sentence is checked against its source before it is shown.",
)
THEN = Text(zh="它不行的时候，换 {names}。", en="When that fails: {names}.")
WELL = Text(zh="现在一切正常。", en="It is well.")
ILL = Text(
    zh="它出了问题，正在歇一会儿；现在的回答是从文档里摘出的原句。",
    en="It failed and is left alone for a moment; answers are the documents' own words for now.",
)
COUNTS = Text(
    zh="{endpoint}：启动以来 {calls} 次，失败 {failed} 次，读 {prompt} 写 {answer} 个词元{cost}。",
    en="{endpoint}: {calls} calls since the start, {failed} failed; {prompt} tokens read, {answer} written{cost}.",
)
COST = Text(zh="，{cost} {currency}", en="; {cost} {currency}")
UNKNOWN_COST = Text(zh="，其中 {count} 次没有告知用量", en="; {count} calls told no tokens")


class Served(Protocol):
    """What is asked of the client: :class:`llm.client.ModelClient`."""

    def health(self) -> str | None: ...

    def tallies(self) -> tuple[Tally, ...]: ...


class ModelCommands:
    """``command`` goes into the registry. ``model``: the client, where one is configured."""

    def __init__(self, settings: ModelSettings | None, model: Served | None) -> None:
        self._settings = settings
        self._model = model
        self.command = Command("model", ABOUT, self.show, aliases=("模型",))

    async def show(self, call: Call) -> Done:
        """Everybody sees the names; addresses, counts and cost are the operators'."""
        language = call.language
        if self._settings is None or self._model is None:
            return Done(NONE.in_language(language))
        names = list(dict.fromkeys(one_line(endpoint.model) for endpoint in self._settings.endpoints))
        lines = [WRITES.in_language(language, name=names[0])]
        if names[1:]:
            joint = "、" if language == "zh" else ", "
            lines.append(THEN.in_language(language, names=joint.join(names[1:])))
        lines.append((WELL if self._model.health() is None else ILL).in_language(language))
        if call.role >= Role.OPERATOR:
            lines += [_counts(tally, language) for tally in self._model.tallies()]
        return Done("\n".join(lines))


def _counts(tally: Tally, language: str) -> str:
    cost = ""
    if tally.cost is not None:
        cost = COST.in_language(language, cost=f"{tally.cost:.4f}", currency=tally.currency)
    if tally.uncounted:
        cost += UNKNOWN_COST.in_language(language, count=tally.uncounted)
    return COUNTS.in_language(
        language,
        endpoint=one_line(tally.endpoint),
        calls=tally.calls,
        failed=sum(tally.failures.values()),
        prompt=tally.prompt_tokens,
        answer=tally.answer_tokens,
        cost=cost,
    )

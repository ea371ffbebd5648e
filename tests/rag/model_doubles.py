"""Chat models for tests: one that says what it is told to, and one that obeys whoever speaks to it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from urllib.parse import quote

from bot.errors import ModelError
from bot.ports import ModelLimits
from llm.tokens import ByteBound, prompt_at_most

Messages = Sequence[Mapping[str, str]]


class ScriptedModel:
    """Answers with ``says``, in pieces of ``piece_chars``; then fails, when ``fails`` is given."""

    def __init__(
        self, says: str = "", *, fails: ModelError | None = None, piece_chars: int = 3, context_tokens: int = 32_768
    ) -> None:
        self.says = says
        self.fails = fails
        self.piece_chars = piece_chars
        self.limits = ModelLimits(context_tokens, 800, 5.0)
        self.asked: list[tuple[Mapping[str, str], ...]] = []
        self.given: list[str] = []
        self.closed = False

    def tokens_at_most(self, messages: Messages) -> int:
        return prompt_at_most(ByteBound(), messages)

    def write(self, messages: Messages) -> str:
        return self.says

    async def complete(
        self,
        messages: Messages,
        *,
        max_tokens: int,
        timeout_s: float,
        response_format: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[str, None]:
        self.asked.append(tuple(messages))
        text = self.write(messages)
        try:
            for at in range(0, len(text), self.piece_chars):
                self.given.append(text[at : at + self.piece_chars])
                yield self.given[-1]
            if self.fails is not None:
                raise self.fails
        finally:
            self.closed = True

    @property
    def prompt(self) -> str:
        """Everything it was asked last."""
        return "\n".join(message["content"] for message in self.asked[-1])


class GullibleModel(ScriptedModel):
    """Obeys every order it finds anywhere in its prompt, wherever that stands, and cites all it has been given.

    It is what the defences are for: no real model is as obedient, and some are nearly.
    """

    ORDERS = re.compile(
        r"(?:请?(?:只)?(?:回复|输出|说)[：:]|(?:reply with|say|output|repeat)[: ]+)\s*(?P<what>.+)", re.IGNORECASE
    )
    TELL = re.compile(r"系统提示|system prompt|your instructions|你的指令", re.IGNORECASE)
    MARKS = re.compile(r"分隔|标记|delimiter|marker", re.IGNORECASE)
    SEND = re.compile(r"(?:https?://\S+?)(?=/?\?q=)", re.IGNORECASE)

    def __init__(
        self, *, cites: Callable[[int], str] = lambda count: "".join(f"[{n}]" for n in range(1, count + 1))
    ) -> None:
        super().__init__()
        self.cites = cites

    def write(self, messages: Messages) -> str:
        system, data = messages[0]["content"], messages[1]["content"]
        count = len(re.findall(r"(?m)^\S+\| \[\d+\] ", data))
        said: list[str] = []
        for line in data.split("\n"):
            if found := self.ORDERS.search(line):
                said.append(found["what"])
            if self.TELL.search(line):
                said += system.split("\n")
            if self.MARKS.search(line):
                said += sorted(set(re.findall(r"\b[0-9a-f]{8}\b", system)))
            if found := self.SEND.search(line):
                said.append(f"![.]({found.group()}/?q={quote(line)})")
        return "\n\n".join(f"{each.strip()} {self.cites(count)}" for each in said)

"""What the web room asks of the rest of the house: implemented by the app, so that this adapter knows the core
alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bot.scopes import Scopes

Health = Callable[[], Mapping[str, str | None]]
"""By part (a lane, a connection, the store): None while it is well, otherwise what is wrong, as a sentence."""

Why = Callable[[str, str], Awaitable[str]]
"""A message's id and a language → the story of what became of it, as Markdown."""


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base, as the console lists it."""

    name: str
    documents: int
    passages: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """``reason``: a sentence where there is one to tell."""

    source: str
    status: Literal["indexed", "skipped"]
    reason: str = ""
    passages: int = 0
    size_bytes: int = 0


class KnowledgeDesk(Protocol):
    """The knowledge tab's other side. Each method raises ``MaodouError`` with a sentence for the operator."""

    async def bases(self) -> Sequence[Base]: ...

    async def documents(self, base: str) -> Sequence[Document]: ...

    async def add(self, base: str, files: Sequence[tuple[str, Path]], who: str) -> str:
        """Add uploaded files, given as (name, where it lies now), making the base if need be.
        Returns what was done, as a sentence."""
        ...

    async def remove(self, base: str, source: str | None, who: str) -> str:
        """Remove a document, or with ``source`` None the base. Returns what was done, as a sentence."""
        ...


class ReviewDesk(Protocol):
    """The review tab's other side: rows for its three tables, each beginning with a number, and what is done to one.
    Each of the doing methods returns a sentence, and raises ``MaodouError`` with one."""

    async def uploads(self) -> Sequence[Sequence[object]]: ...

    async def cases(self) -> Sequence[Sequence[object]]: ...

    async def sources(self) -> Sequence[Sequence[object]]: ...

    async def decide(self, number: int, *, take: bool, who: str) -> str: ...

    async def rule(self, number: int, ruling: str, source: str, who: str) -> str: ...

    async def sync(self, number: int, *, end: bool) -> str: ...


@dataclass(slots=True)
class Desks:
    """What is there is shown; what is None is left out of the pages. Filled before the room runs."""

    health: Health | None = None
    why: Why | None = None
    knowledge: KnowledgeDesk | None = None
    review: ReviewDesk | None = None
    scopes: Scopes | None = None

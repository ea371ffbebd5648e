"""What the model was asked and what that cost. Tokens are the server's own counts; what it does not tell is unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from llm.errors import Failure
from llm.settings import Price


@dataclass(frozen=True, slots=True)
class Usage:
    """One call's tokens, as the server counted them."""

    prompt_tokens: int
    answer_tokens: int

    def cost(self, price: Price) -> float:
        """In ``price.currency``."""
        return (self.prompt_tokens * price.input_per_million + self.answer_tokens * price.output_per_million) / 1e6


@dataclass(frozen=True, slots=True)
class Tally:
    """Since the start, of one endpoint. ``uncounted``: calls whose tokens nobody knows; their cost is not in ``cost``,
    which is None where no price is set. ``failures``: by kind."""

    endpoint: str
    calls: int
    uncounted: int
    prompt_tokens: int
    answer_tokens: int
    cost: float | None
    currency: str
    failures: Mapping[Failure, int]


class Meter:
    """Counts the calls of one endpoint."""

    def __init__(self, endpoint: str, price: Price | None) -> None:
        self._endpoint = endpoint
        self._price = price
        self._calls = self._uncounted = self._prompt_tokens = self._answer_tokens = 0
        self._cost = 0.0
        self._failures: Counter[Failure] = Counter()

    def count(self, usage: Usage | None, failure: Failure | None = None) -> None:
        """A call that reached the server, answered or not."""
        self._calls += 1
        if failure is not None:
            self._failures[failure] += 1
        if usage is None:
            self._uncounted += 1
            return
        self._prompt_tokens += usage.prompt_tokens
        self._answer_tokens += usage.answer_tokens
        if self._price is not None:
            self._cost += usage.cost(self._price)

    def tally(self) -> Tally:
        return Tally(
            self._endpoint,
            self._calls,
            self._uncounted,
            self._prompt_tokens,
            self._answer_tokens,
            self._cost if self._price is not None else None,
            self._price.currency if self._price is not None else "",
            dict(self._failures),
        )

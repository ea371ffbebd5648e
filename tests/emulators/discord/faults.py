"""What can go wrong on the REST side, as switches. The gateway's own faults are verbs of ``Gateway``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MISSING_ACCESS = 50001
MISSING_PERMISSIONS = 50013


@dataclass(slots=True)
class RestFault:
    """The next ``times`` requests that match fail with ``status``.

    ``performed``: the request is carried out and only its answer is lost – the case that a nonce is for.
    ``via``: a 429 without that header is one of the wall before Discord, which discord.py does not retry.
    ``abort``: the connection is cut instead of answered.
    """

    status: int = 500
    method: str = ""
    path: str = ""
    times: int = 1
    performed: bool = False
    via: bool = True
    retry_after_s: float = 0.2
    whole_bot: bool = False
    delay_s: float = 0.0
    abort: bool = False
    code: int = 0

    def matches(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method) and re.search(self.path, path) is not None


@dataclass(slots=True)
class Faults:
    """``denied``: channel id → the code of the 403 that every request there meets."""

    rest: list[RestFault] = field(default_factory=list)
    denied: dict[int, int] = field(default_factory=dict)
    cdn: list[RestFault] = field(default_factory=list)

    def add(self, fault: RestFault) -> RestFault:
        self.rest.append(fault)
        return fault

    def next(self, method: str, path: str) -> RestFault | None:
        """The fault that this request meets, counted down."""
        return self._take(self.rest, method, path)

    def next_cdn(self, path: str) -> RestFault | None:
        return self._take(self.cdn, "GET", path)

    @staticmethod
    def _take(faults: list[RestFault], method: str, path: str) -> RestFault | None:
        for fault in faults:
            if fault.matches(method, path):
                fault.times -= 1
                return fault
        return None

    def clear(self) -> None:
        self.rest.clear()
        self.cdn.clear()
        self.denied.clear()

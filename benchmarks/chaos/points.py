"""The named points at which a bot dies, and the fuse that kills it there.

The points lie at the ports and at the engine's own commit event; production code has no hook for them.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from enum import StrEnum


class Point(StrEnum):
    BEFORE_COMMIT = "before_commit"
    BETWEEN_COMMIT_AND_ACK = "between_commit_and_ack"
    WHILE_ANSWERING = "while_answering"
    BETWEEN_COMMIT_AND_SEND = "between_commit_and_send"
    BETWEEN_SEND_AND_MARK = "between_send_and_mark"
    MID_STREAM = "mid_stream"
    BETWEEN_PARTS = "between_parts"


@dataclass(slots=True)
class Fuse:
    """Kills this process, as ``kill -9`` does, when ``point`` is reached for the ``nth`` time."""

    point: Point | None = None
    nth: int = 1

    def reached(self, point: Point) -> None:
        if point is not self.point:
            return
        self.nth -= 1
        if self.nth <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

"""Sound that is kept, and goes with its words: members' notes (``voice.keep_audio``), and answers that were spoken."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, select

from bot.delivery import DeliveryAct, load_content
from bot.retention import Eraser
from bot.tables import deliveries, inbox
from bot.texts import Text

WHAT = Text(zh="语音录音", en="voice recordings")
MAX_IDS = 500
"""In one query."""


def kept_notes(folder: Path) -> Eraser:
    """Erases recordings whose words are erased: at once when somebody asks for it, else with the next sweep. Whoever
    asked, the core has erased the words before it calls. ``folder``: ``HearingLimits.keep_dir``."""

    def erase(connection: Connection, most: int | None = None) -> int:
        if not folder.is_dir():
            return 0
        kept = {int(path.stem): path for path in folder.iterdir() if path.stem.isdigit()}
        for some in batched(sorted(kept), MAX_IDS):
            has_words = inbox.c.id.in_(some) & inbox.c.payload.is_not(None)
            for event_id in connection.execute(select(inbox.c.id).where(has_words)).scalars():
                del kept[event_id]
        gone = sorted(kept)[:most]
        for event_id in gone:
            kept[event_id].unlink(missing_ok=True)
        return len(gone)

    return Eraser(
        WHAT,
        of_member=lambda connection, member: erase(connection),
        of_message=lambda connection, room, message_id: erase(connection),
        older_than=lambda connection, before, most: erase(connection, most),
    )


def batched(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


ANSWERS = Text(zh="念过的回答", en="spoken answers")
YOUNG_S = 3600.0
"""A spoken answer so young may still be on its way."""


def spoken_answers(folder: Path) -> Eraser:
    """Erases, with each sweep, the sound of answers whose words are erased. ``folder``: the mouth's."""

    def with_their_words(connection: Connection, before: float, most: int) -> int:
        if not folder.is_dir():
            return 0
        oldest = time.time() - YOUNG_S
        old = {path.name for path in folder.glob("*.ogg") if _used_at(path) < oldest}
        if not old:
            return 0
        is_spoken = (deliveries.c.act == DeliveryAct.SPEAK.value) & deliveries.c.content.is_not(None)
        for content in connection.execute(select(deliveries.c.content).where(is_spoken)).scalars():
            audio = load_content(content).audio
            if audio is not None:
                old.discard(Path(audio.path).name)
        gone = sorted(old)[:most]
        for name in gone:
            (folder / name).with_suffix(".json").unlink(missing_ok=True)
            (folder / name).unlink(missing_ok=True)
        return len(gone)

    return Eraser(ANSWERS, older_than=with_their_words)


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # the mouth dropped it meanwhile
        return math.inf

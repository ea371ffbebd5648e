"""``python -m benchmarks voice [--model DIR] [--notes N] [--meanwhile-s S]``: what hearing and speaking cost.

The whole app over the sample documents, with a platform on paper, the real ear (FunASR in its own process, by default
with the tests' small model) and the real mouth with espeak-ng, so that nothing leaves the machine. A note of thirty
seconds is spoken by espeak-ng and encoded as a telephone would (ogg/opus, 24 kbit/s).

``overhead_30s_note_s``: from the note's arrival to its answer on the screen, less what the recogniser itself took:
fetching, decoding, the checks, the gate, the answer, the outbox; median over the notes. ``text_p99_ms_meanwhile`` and
``command_p99_ms_meanwhile``: questions in other rooms and ``/help`` in the notes' own rooms, at a steady rate while
three rooms send one note after the other. ``real_time_factor``: the recogniser's time over the note's length.
``first_sound_ms``, ``last_sound_ms``: from the note's arrival to the voice message that answers it – the median, and
the latest of all notes; an answer has one voice message. ``rss_mib``: of this process and the ear's together.
``pyav_floor_s``: the note decoded by bare PyAV.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np

from asr_tts.ear import LocalEar, resident_mib
from asr_tts.settings import EarSettings, MouthSettings, VoiceSettings
from benchmarks._memory import rss_mib
from bot.delivery import Delivery
from bot.event import Addressed, Attachment, AttachmentKind, Member, Message, Room, RoomKind, Said
from bot.logs import LogSettings, Secrets, configure
from bot.ports import Heard
from bot.testing import PaperPlatform
from maodou.app import App
from maodou.config import Settings

MODEL = Path(__file__).parent.parent / "tests" / "speech" / "model"
NOTE_S = 30.0
PAUSE_S = 0.5
ROOMS_WITH_NOTES, OTHER_ROOMS = 3, 20
PER_SECOND = 5
"""Questions, and commands, while notes are heard."""

TEXT_QUESTIONS = (
    "怎么添加文档",
    "怎么让毛豆停下",
    "支持哪些文件格式",
    "how do I install maodou",
    "how do I add documents",
)


@dataclass(slots=True)
class Watched(PaperPlatform):
    """Notes when each message was first answered in text, and when by voice. Seconds of ``perf_counter``."""

    shown_at: dict[str, float] = field(default_factory=dict)
    spoken_at: dict[str, float] = field(default_factory=dict)
    answered: dict[str, asyncio.Event] = field(default_factory=dict)

    async def send(self, delivery: Delivery) -> str:
        sent = await PaperPlatform.send(self, delivery)
        if delivery.reply_to is not None:
            by = self.shown_at if delivery.content.audio is None else self.spoken_at
            by.setdefault(delivery.reply_to, time.perf_counter())
            if delivery.content.audio is None and delivery.reply_to in self.answered:
                self.answered[delivery.reply_to].set()
        return sent


@dataclass(slots=True)
class Stage:
    app: App
    platform: Watched
    note: bytes
    note_s: float
    sent_at: dict[str, float] = field(default_factory=dict)
    model_s: list[float] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def say(self, room: str, text: str = "", *, with_note: bool = False) -> str:
        """Say something in a direct room; returns the message's id when it is accepted."""
        number = next(self._numbers)
        message_id = f"m{number}"
        attachments: tuple[Attachment, ...] = ()
        if with_note:
            self.platform.files[message_id] = self.note
            attachments = (
                Attachment(AttachmentKind.VOICE, message_id, "note.ogg", "audio/ogg", len(self.note), self.note_s),
            )
        message = Message(
            message_id, Room("paper", room, RoomKind.DIRECT), Member("paper", f"member-{room}", "Anna"), text,
            Addressed.DIRECT, attachments=attachments, sent_at=time.time(),
        )  # fmt: skip
        self.platform.answered[message_id] = asyncio.Event()
        self.sent_at[message_id] = time.perf_counter()
        await self.app.core.inbox.accept(Said(message))
        return message_id

    async def answered(self, message_id: str) -> None:
        await asyncio.wait_for(self.platform.answered[message_id].wait(), 60)

    def took_ms(self, message_ids: Sequence[str]) -> list[float]:
        shown = self.platform.shown_at
        return [1000 * (shown[each] - self.sent_at[each]) for each in message_ids]


def main(argv: Sequence[str]) -> int:
    configure(LogSettings(level="error"), Secrets(()))
    parser = argparse.ArgumentParser(prog="python -m benchmarks voice")
    parser.add_argument("--model", type=Path, default=MODEL, help="a FunASR model's folder")
    parser.add_argument("--notes", type=int, default=10)
    parser.add_argument("--meanwhile-s", type=float, default=20.0)
    arguments = parser.parse_args(argv)
    note, note_s = thirty_seconds()
    floor_s = median(timed(lambda: decoded_by_pyav(note)) for _ in range(5))
    with tempfile.TemporaryDirectory(prefix="maodou-bench-") as folder:
        voice = VoiceSettings(
            ear=EarSettings(model=str(arguments.model)), mouth=MouthSettings(engine="espeak", stand_in="none")
        )
        settings = Settings(data_dir=Path(folder), voice=voice)
        platform = Watched()
        with App.open(settings, lambda *_: [platform]) as app:
            result = asyncio.run(measured(Stage(app, platform, note, note_s), arguments.notes, arguments.meanwhile_s))
    result["pyav_floor_s"] = round(floor_s, 4)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


async def measured(stage: Stage, notes: int, meanwhile_s: float) -> dict[str, float]:
    app = stage.app
    if not isinstance(app.ear, LocalEar):
        raise TypeError("the benchmark's ear is a local one")
    hear = app.ear.hear

    async def noted(note: Path, **told: Any) -> Heard:
        heard = await hear(note, **told)
        stage.model_s.append(heard.model_s or 0.0)
        return heard

    running = asyncio.create_task(app.run())
    try:
        with patch.object(app.ear, "hear", noted):
            await app.ear.start()
            await stage.answered(await stage.say("warm-up", with_note=True))
            alone = await notes_alone(stage, notes)
            await app.core.idle()
            texts, commands = await meanwhile(stage, meanwhile_s)
            await app.core.idle()
        pid = app.ear.pid
        worker_mib = resident_mib(pid) if pid is not None else None
        rss = rss_mib() + (worker_mib or 0.0)
    finally:
        app.stop()
        await running
    _log(f"{len(texts)} questions and {len(commands)} commands beside {len(stage.model_s) - notes - 1} notes")
    return {
        **alone,
        "text_p99_ms_meanwhile": p99(texts),
        "command_p99_ms_meanwhile": p99(commands),
        "rss_mib": round(rss),
    }


async def notes_alone(stage: Stage, notes: int) -> dict[str, float]:
    """One after the other, each answered aloud before the next."""
    overheads, sounds, models = [], [], []
    for number in range(notes):
        before = len(stage.model_s)
        message_id = await stage.say(f"alone-{number}", with_note=True)
        await stage.answered(message_id)
        if len(stage.model_s) == before:
            raise SystemExit("the note was not heard: see the ear's log")
        models.append(stage.model_s[-1])
        overheads.append(stage.took_ms([message_id])[0] / 1000 - models[-1])
        await stage.app.core.idle()
        spoken_at = stage.platform.spoken_at.get(message_id)
        if spoken_at is not None:
            sounds.append(1000 * (spoken_at - stage.sent_at[message_id]))
    return {
        "overhead_30s_note_s": round(median(overheads), 4),
        "real_time_factor": round(median(models) / stage.note_s, 5),
        "first_sound_ms": round(median(sounds), 1) if sounds else -1.0,
        "last_sound_ms": round(max(sounds), 1) if sounds else -1.0,
    }


async def meanwhile(stage: Stage, seconds: float) -> tuple[list[float], list[float]]:
    """Latencies of text answers and commands while notes are heard without a pause."""
    until = time.perf_counter() + seconds

    async def send_notes(room: str) -> None:
        while time.perf_counter() < until:
            await stage.answered(await stage.say(room, with_note=True))

    async def at_a_steady_rate(send: Callable[[int], Any]) -> list[str]:
        sent: list[str] = []
        began = time.perf_counter()
        for number in itertools.count():
            due = began + number / PER_SECOND
            if due > until:
                return sent
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent.append(await send(number))
        return sent

    noisy = [asyncio.create_task(send_notes(f"notes-{number}")) for number in range(ROOMS_WITH_NOTES)]
    texts, commands = await asyncio.gather(
        at_a_steady_rate(lambda n: stage.say(f"text-{n % OTHER_ROOMS}", TEXT_QUESTIONS[n % len(TEXT_QUESTIONS)])),
        at_a_steady_rate(lambda n: stage.say(f"notes-{n % ROOMS_WITH_NOTES}", "/help")),
    )
    for message_id in (*texts, *commands):
        await stage.answered(message_id)
    await asyncio.gather(*noisy)
    return stage.took_ms(texts), stage.took_ms(commands)


def thirty_seconds() -> tuple[bytes, float]:
    """Questions about the sample documents with pauses between them, as ogg/opus; and their length in seconds."""
    from tests.speech.spoken import CHINESE_QUESTIONS, ESPEAK_HZ, Speaker, speak
    from tests.speech.zoo import BY_ENDING, encode

    pause = np.zeros(int(PAUSE_S * ESPEAK_HZ), np.float32)
    parts: list[Any] = []
    for sentence in itertools.cycle(CHINESE_QUESTIONS):
        parts += [speak(sentence, Speaker("m3", 150)), pause]
        if sum(map(len, parts)) >= NOTE_S * ESPEAK_HZ:
            break
    samples = np.concatenate(parts)[: int(NOTE_S * ESPEAK_HZ)]
    return encode(BY_ENDING["ogg"], samples, ESPEAK_HZ), len(samples) / ESPEAK_HZ


def decoded_by_pyav(note: bytes) -> int:
    """Bare PyAV: decoded and resampled to 16 kHz; the number of samples."""
    import av

    resampler, count = av.AudioResampler("flt", "mono", 16_000), 0
    with av.open(io.BytesIO(note), "r") as container:
        for frame in container.decode(audio=0):
            count += sum(piece.samples for piece in resampler.resample(frame))
    return count


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def p99(values: Sequence[float]) -> float:
    return round(float(np.percentile(values, 99)), 1)


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")

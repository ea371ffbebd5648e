"""The ear's worker process: ``python -m asr_tts.worker``, one request a line on stdin, one reply a line on stdout.

Sound files come from strangers and decoders are written in C, a recogniser takes seconds and a gigabyte: all of it
happens here, where it can be killed without loss. The first line is the :class:`Task`; the worker answers ``ready``
once its model is loaded. Lines are JSON. What libraries print goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

from asr_tts.refusals import AudioRefused, Refusal


class Task(BaseModel):
    """What the worker is for. ``folder``: of the model; None for one that only decodes, for a server to transcribe.
    The rest are the ear's settings."""

    model_config = ConfigDict(frozen=True)

    folder: Path | None
    vad_folder: Path | None = None
    punc_folder: Path | None = None
    device: str = "cpu"
    threads: int = 1
    max_bytes: int = 25_000_000
    max_s: float = 300.0
    min_s: float = 0.3
    decode_s: float = 20.0
    min_level_dbfs: float = -55.0
    min_confidence: float = 0.75
    max_chars_per_s: float = 15.0
    max_memory_mib: int = 6_144


class Request(BaseModel):
    """``into``: where the checked sound is written as 16-bit WAV, for a server."""

    model_config = ConfigDict(frozen=True)

    id: int
    note: Path
    claimed_s: float | None = None
    language: str | None = None
    into: Path | None = None


Reply = dict[str, Any]

BEHIND = 5
"""How far the worker stands behind others for the processor (``nice``): where cores are few, texts come first."""


class Worker:
    def __init__(self, task: Task) -> None:
        from asr_tts.audio import Limits
        from asr_tts.trust import Trust

        self._limits = Limits(task.max_bytes, task.max_s, task.min_s, task.decode_s)
        self._trust = Trust(task.min_level_dbfs, task.min_confidence, task.max_chars_per_s)
        self._model: Any = None
        if task.folder is not None:
            from asr_tts.funasr_model import FunAsrModel

            self._model = FunAsrModel(
                task.folder, vad=task.vad_folder, punc=task.punc_folder, device=task.device, threads=task.threads
            )

    def hear(self, request: Request) -> Reply:
        """Decode, check, recognise, check again. Raises ``AudioRefused``, and what the model raises."""
        from asr_tts.audio import decode
        from asr_tts.trust import check_sound, check_words

        began = time.perf_counter()
        sound = decode(request.note, self._limits, request.claimed_s)
        check_sound(sound.samples, self._trust)
        decoded = time.perf_counter()
        reply: Reply = {
            "duration_s": round(sound.duration_s, 3),
            "container": sound.container,
            "decode_s": decoded - began,
        }
        if request.into is not None:
            write_wav(request.into, sound.samples)
        if self._model is None:
            return reply
        words = self._model.recognise(sound.samples, request.language)
        if words.no_speech:
            raise AudioRefused(Refusal.NO_SPEECH, by="model")
        check_words(words.text, sound.duration_s, words.confidence, self._trust)
        return {
            **reply,
            "text": words.text,
            "language": words.language,
            "confidence": words.confidence,
            "model_s": time.perf_counter() - decoded,
        }


def write_wav(path: Path, samples: Any) -> None:
    """Float32 mono at 16 kHz as 16-bit WAV."""
    import wave

    import numpy as np

    from asr_tts.audio import HZ

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())


def reply_to(hear: Callable[[Request], Reply], line: str) -> Reply:
    """One line in, one reply out: a result, a refusal, or what failed. Nothing that a file holds ends the worker."""
    request = Request.model_validate_json(line)
    try:
        return {"id": request.id, **hear(request)}
    except AudioRefused as refused:
        return {"id": request.id, "refused": str(refused.why), "facts": refused.facts}
    except Exception as error:  # noqa: BLE001 – the parent tells it loudly, with the note's number
        return {"id": request.id, "failed": f"{type(error).__name__}: {error}"[:500]}


def bound_memory(most_mib: int, device: str) -> None:
    """No more than that for data (Linux counts anonymous mappings to it). A GPU's driver maps far more than it uses,
    so there the parent's watch alone holds."""
    if device != "cpu" or not sys.platform.startswith("linux"):
        return
    import resource

    most = most_mib * 2**20
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def main() -> None:
    replies, requests = _own_channels()
    task = Task.model_validate_json(requests.readline() or "{}")
    waiting: SimpleQueue[str] = SimpleQueue()
    Thread(target=_take_in, args=(requests, waiting), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(BEHIND)
    bound_memory(task.max_memory_mib, task.device)
    began = time.perf_counter()
    try:
        worker = Worker(task)
    except Exception as error:  # noqa: BLE001 – whatever a model's folder makes a library raise
        _tell(replies, {"broken": f"{type(error).__name__}: {error}"[:500], "missing": isinstance(error, ImportError)})
        return
    _tell(replies, {"ready": True, "load_s": time.perf_counter() - began})
    while True:
        _tell(replies, reply_to(worker.hear, waiting.get()))


def _take_in(requests: IO[str], waiting: SimpleQueue[str]) -> None:
    """Requests as they come. When the bot's process is gone they end, and so does this one, whatever it is at: nobody
    else would end it."""
    for line in requests:
        waiting.put(line)
    os._exit(0)


def _own_channels() -> tuple[IO[str], IO[str]]:
    """Our replies on a descriptor of their own; stdout, where libraries print, leads to stderr from now on."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies, sys.stdin


def _tell(replies: IO[str], reply: Reply) -> None:
    replies.write(json.dumps(reply, ensure_ascii=False) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()

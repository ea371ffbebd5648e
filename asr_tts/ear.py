"""The ear at the core's port: a recogniser in a process of its own, or a server that transcribes.

:class:`LocalEar` keeps one worker (``worker.py``) warm. Notes wait for it in their order, at most ``max_waiting`` of
all rooms; a note that takes longer than its deadline, or that nobody waits for any more, costs the worker its life,
and the next note a new one. :class:`ServerEar` uses the same worker to decode and check, and sends what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from asr_tts import refusals
from asr_tts.models import MODEL_SIZES_MB, folder_of
from asr_tts.refusals import Refusal, no_ear, not_heard
from asr_tts.settings import EarSettings
from asr_tts.transcribing import Transcriber
from asr_tts.worker import Request, Task
from bot.errors import ModelError, NoEar, NotHeard
from bot.ports import Heard

log = structlog.get_logger(__name__)

MAX_LINE_BYTES = 1_000_000
"""Of one reply of the worker."""

MEMORY_LOOK_S = 0.25
"""How often a working worker's memory is looked at."""


class Hearer:
    """One worker process, one note at a time. ``failures``: how often in a row it had to be ended."""

    def __init__(self, task: Task, *, start_s: float) -> None:
        self._task = task
        self._start_s = start_s
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._numbers = 0
        self.started = 0
        """How many processes there have been."""

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.is_running else None

    async def start(self) -> None:
        """Have it loaded before the first note comes. Raises ``ModelError``, ``NoEar``."""
        async with self._turn:
            await self._running()

    async def ask(self, request: Request, deadline_s: float) -> dict[str, Any]:
        """The worker's reply. Cancelled, or past the deadline (counted from when its turn comes), the worker is
        killed. Raises ``ModelError``, ``NoEar``."""
        async with self._turn:
            process = await self._running()
            self._numbers += 1
            try:
                async with asyncio.timeout(deadline_s), self._watched(process):
                    line = request.model_copy(update={"id": self._numbers}).model_dump_json()
                    return await self._exchange(process, line)
            except TimeoutError:
                await self._kill()
                raise ModelError(f"the ear took longer than {deadline_s:g} s and was ended") from None
            except (OSError, ValueError) as error:  # a broken pipe, or a line that is none
                await self._kill()
                raise ModelError(f"the ear's process ended: {error}") from error
            except asyncio.CancelledError:
                await self._kill()
                raise

    async def close(self) -> None:
        await self._kill()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        environment = {**os.environ, "OMP_NUM_THREADS": str(self._task.threads), "PYTHONUNBUFFERED": "1"}
        self.started += 1
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "asr_tts.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, limit=MAX_LINE_BYTES, env=environment, start_new_session=True,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._start_s):
                told = await self._exchange(process, self._task.model_dump_json())
        except TimeoutError:
            await self._kill()
            raise ModelError(f"the ear's model was not loaded within {self._start_s:g} s") from None
        except (OSError, ValueError) as error:
            await self._kill()
            raise ModelError(f"the ear's process did not start: {error}") from error
        except asyncio.CancelledError:
            await self._kill()
            raise
        if "broken" in told:
            await self._kill()
            log.error("ear.broken", why=told["broken"])
            if told.get("missing"):
                raise no_ear(refusals.NO_LIBRARY)
            raise ModelError(f"the ear's model cannot be loaded: {told['broken']}")
        log.info("ear.ready", load_s=round(told.get("load_s", 0.0), 1), pid=process.pid)
        return process

    @staticmethod
    async def _exchange(process: asyncio.subprocess.Process, line: str) -> dict[str, Any]:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker has pipes")
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
        answer = await process.stdout.readline()
        if not answer:
            raise OSError("it closed its output")
        told = json.loads(answer)
        if not isinstance(told, dict):
            raise ValueError("a reply that is no object")
        return told

    @asynccontextmanager
    async def _watched(self, process: asyncio.subprocess.Process) -> AsyncIterator[None]:
        """End a worker that takes more memory than it may."""
        watching = asyncio.create_task(self._watch(process))
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None:
            used = await asyncio.to_thread(resident_mib, process.pid)
            if used is not None and used > self._task.max_memory_mib:
                log.error("ear.too_much_memory", mib=round(used), most=self._task.max_memory_mib)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return
            await asyncio.sleep(MEMORY_LOOK_S)

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        # shielded: whoever is cancelled twice must not leave a process behind that nobody waits for
        await asyncio.shield(process.wait())
        if process.stdin is not None:
            process.stdin.close()


def resident_mib(pid: int) -> float | None:
    """Memory of a process in RAM; None where the system does not tell (Linux does)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class LocalEar:
    """FunASR on this machine. ``models``: the folder that ``maodou voice pull`` fills."""

    leaves_machine = False

    def __init__(self, settings: EarSettings, models: Path) -> None:
        self._settings = settings
        self._models = models
        self._waiting = 0
        self._hearer: Hearer | None = None
        self._looking = asyncio.Lock()
        self.trouble: str | None = None
        """What is wrong since the last note that was heard, as a sentence."""

    async def start(self) -> None:
        """Load the model, where there is one; what goes wrong is logged, and told at the first note."""
        try:
            await (await self._ready()).start()
        except NoEar:
            log.info("ear.none")
        except Exception as error:  # noqa: BLE001 – the room works without an ear
            self.trouble = str(error)
            log.error("ear.not_started", why=str(error))

    @property
    def pid(self) -> int | None:
        """Of the worker, while there is one."""
        return self._hearer.pid if self._hearer is not None else None

    async def close(self) -> None:
        if self._hearer is not None:
            await self._hearer.close()

    async def hear(self, note: Path, *, claimed_s: float | None = None, language: str | None = None) -> Heard:
        """As the port has it: decoded, checked, recognised and checked again."""
        hearer = await self._ready()
        with _waits(self), _noted(self):
            request = Request(id=0, note=note, claimed_s=claimed_s, language=language)
            heard = _result(await hearer.ask(request, self._settings.deadline_s), self._settings)
        log.info("ear.heard", **{name: heard[name] for name in ("duration_s", "container", "decode_s", "model_s")})
        return Heard(
            text=str(heard["text"]),
            duration_s=float(heard["duration_s"]),
            language=str(heard.get("language", "")),
            confidence=heard.get("confidence"),
            model_s=heard.get("model_s"),
        )

    async def _ready(self) -> Hearer:
        """The worker for the model as it lies there now: one that was pulled meanwhile is found."""
        async with self._looking:  # the first notes come while the app starts: one worker for all of them
            if self._hearer is None:
                self._hearer = Hearer(await asyncio.to_thread(self._task), start_s=self._settings.start_s)
            return self._hearer

    def _task(self) -> Task:
        settings = self._settings
        folder = folder_of(settings.model, self._models)
        has_library = all(importlib.util.find_spec(name) is not None for name in ("funasr", "av"))
        if folder is None:
            lacks = refusals.NO_MODEL if has_library else refusals.NO_EAR_AT_ALL
            raise no_ear(lacks, size_mb=MODEL_SIZES_MB.get(settings.model, 1_000))
        if not has_library:
            raise no_ear(refusals.NO_LIBRARY)
        beside = {}
        for name, model in (("vad_folder", settings.vad_model), ("punc_folder", settings.punc_model)):
            if model:
                beside[name] = folder_of(model, self._models)
                if beside[name] is None:
                    raise no_ear(refusals.NO_MODEL, size_mb=MODEL_SIZES_MB.get(model, 300))
        return task_of(settings, folder).model_copy(update=beside)


class ServerEar:
    """A server with OpenAI's ``/audio/transcriptions``; decoding and the checks stay here. ``work_dir``: where sound
    lies until it is sent; None: the system's."""

    leaves_machine = True

    def __init__(self, settings: EarSettings, transcriber: Transcriber, work_dir: Path | None = None) -> None:
        self._settings = settings
        self._transcriber = transcriber
        self._work_dir = work_dir
        self._waiting = 0
        self._hearer = Hearer(task_of(settings, None), start_s=settings.start_s)
        self.trouble: str | None = None

    async def start(self) -> None:
        return

    async def close(self) -> None:
        await self._hearer.close()
        await self._transcriber.aclose()

    async def hear(self, note: Path, *, claimed_s: float | None = None, language: str | None = None) -> Heard:
        from asr_tts.trust import Trust, check_words

        settings = self._settings
        if importlib.util.find_spec("av") is None:
            raise no_ear(refusals.NO_LIBRARY)
        with _waits(self), _noted(self):
            folder = await asyncio.to_thread(self._folder)
            try:
                sound = folder / "note.wav"
                request = Request(id=0, note=note, claimed_s=claimed_s, into=sound)
                reply = _result(await self._hearer.ask(request, settings.deadline_s), settings)
                text = await self._transcriber.transcribe(sound, language)
            finally:
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
        duration_s = float(reply["duration_s"])
        trust = Trust(settings.min_level_dbfs, settings.min_confidence, settings.max_chars_per_s)
        try:
            check_words(text, duration_s, None, trust)
        except refusals.AudioRefused as refused:
            raise not_heard(refused.why, refused.facts) from refused
        return Heard(text, duration_s)

    def _folder(self) -> Path:
        if self._work_dir is not None:
            self._work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(prefix="sent-", dir=self._work_dir))


def make_ear(settings: EarSettings, models: Path, work_dir: Path | None = None) -> LocalEar | ServerEar:
    """The ear that the settings name. ``work_dir``: a folder for what is being heard, which is emptied at the next
    start; without it, the system's."""
    if settings.server is not None:
        return ServerEar(settings, Transcriber(settings.server), work_dir)
    return LocalEar(settings, models)


def task_of(settings: EarSettings, folder: Path | None) -> Task:
    return Task(
        folder=folder,
        device=settings.device,
        threads=settings.threads,
        max_bytes=settings.max_note_bytes,
        max_s=settings.max_note_s,
        min_s=settings.min_note_s,
        decode_s=settings.decode_s,
        min_level_dbfs=settings.min_level_dbfs,
        min_confidence=settings.min_confidence,
        max_chars_per_s=settings.max_chars_per_s,
        max_memory_mib=settings.max_memory_mib,
    )


@contextlib.contextmanager
def _waits(ear: LocalEar | ServerEar) -> Iterator[None]:
    """One more note that waits for the ear, or a refusal."""
    if ear._waiting >= ear._settings.max_waiting:
        raise not_heard(Refusal.BUSY)
    ear._waiting += 1
    try:
        yield
    finally:
        ear._waiting -= 1


@contextlib.contextmanager
def _noted(ear: LocalEar | ServerEar) -> Iterator[None]:
    """Keep for ``doctor`` and the console whether it works."""
    try:
        yield
    except ModelError as error:
        ear.trouble = str(error)
        raise
    except NotHeard:
        ear.trouble = None
        raise
    ear.trouble = None


def _result(reply: dict[str, Any], settings: EarSettings) -> dict[str, Any]:
    """The reply of a note that was heard. Raises ``NotHeard``, ``ModelError``."""
    if "refused" in reply:
        raise not_heard(Refusal(reply["refused"]), reply.get("facts"), most_s=settings.max_note_s)
    if "failed" in reply:
        raise ModelError(f"the ear failed: {reply['failed']}")
    return reply

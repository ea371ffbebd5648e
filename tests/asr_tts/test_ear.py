"""The ear's process: warm and reused, ended when it is late or nobody waits, and never the end of anything else."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from asr_tts import funasr_model
from asr_tts.audio import HZ
from asr_tts.ear import Hearer, LocalEar, ServerEar, make_ear, task_of
from asr_tts.refusals import NO_MODEL, SENTENCES, AudioRefused, Refusal
from asr_tts.settings import EarSettings, SpeechServer
from asr_tts.trust import Trust, check_words
from asr_tts.worker import Request, write_wav
from bot.errors import ModelError, NoEar, NotHeard
from tests.speech.spoken import ESPEAK_HZ, speak
from tests.speech.zoo import BY_ENDING, QUESTION, encode
from tests.waiting import until

pytestmark = pytest.mark.espeak


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.ogg"
    path.write_bytes(encode(BY_ENDING["ogg"], speak(QUESTION), ESPEAK_HZ))
    return path


@pytest.fixture
def stuck(tmp_path: Path) -> Path:
    """A file that never ends: opening it waits for a writer that never comes."""
    path = tmp_path / "stuck.ogg"
    os.mkfifo(path)
    return path


@pytest.fixture
async def hearer() -> AsyncIterator[Hearer]:
    made = Hearer(task_of(EarSettings(), None), start_s=60)
    yield made
    await made.close()


async def test_one_process_hears_note_after_note(hearer: Hearer, note: Path) -> None:
    for _ in range(3):
        reply = await hearer.ask(Request(id=0, note=note), 30)
        assert reply["duration_s"] == pytest.approx(len(speak(QUESTION)) / ESPEAK_HZ, abs=0.1)
    assert hearer.started == 1


async def test_a_late_note_costs_the_process_and_the_next_gets_a_new_one(
    hearer: Hearer, note: Path, stuck: Path
) -> None:
    await hearer.start()
    first = hearer.pid
    with pytest.raises(ModelError, match="longer than"):
        await hearer.ask(Request(id=0, note=stuck), 0.3)
    assert not hearer.is_running
    reply = await hearer.ask(Request(id=0, note=note), 30)
    assert "duration_s" in reply
    assert hearer.pid != first


async def test_what_nobody_waits_for_is_ended(hearer: Hearer, stuck: Path) -> None:
    await hearer.start()
    pid = hearer.pid
    waiting = asyncio.create_task(hearer.ask(Request(id=0, note=stuck), 60))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_that_dies_is_told_and_replaced(hearer: Hearer, note: Path, stuck: Path) -> None:
    await hearer.start()
    asked = asyncio.create_task(hearer.ask(Request(id=0, note=stuck), 60))
    await asyncio.sleep(0.2)
    assert hearer.pid is not None
    os.kill(hearer.pid, 9)
    with pytest.raises(ModelError, match="ended"):
        await asked
    assert "duration_s" in await hearer.ask(Request(id=0, note=note), 30)


async def test_a_process_that_takes_too_much_memory_is_ended(stuck: Path) -> None:
    task = task_of(EarSettings(), None)
    hearer = Hearer(task, start_s=60)
    await hearer.start()
    hearer._task = task.model_copy(update={"max_memory_mib": 1})  # every process has more
    with pytest.raises(ModelError, match="ended"):
        await hearer.ask(Request(id=0, note=stuck), 30)
    await hearer.close()


BOT = """
import asyncio, sys
from pathlib import Path
from asr_tts.ear import Hearer, task_of
from asr_tts.settings import EarSettings
from asr_tts.worker import Request

async def main():
    hearer = Hearer(task_of(EarSettings(), None), start_s=60)
    await hearer.start()
    asking = asyncio.create_task(hearer.ask(Request(id=0, note=Path(sys.argv[1])), 600))
    await asyncio.sleep(0.2)
    print(hearer.pid, flush=True)
    await asking

asyncio.run(main())
"""


@pytest.mark.may_block  # the test reads /proc
async def test_it_does_not_outlive_a_bot_that_was_killed_while_it_was_busy(stuck: Path) -> None:
    bot = await asyncio.create_subprocess_exec(sys.executable, "-c", BOT, str(stuck), stdout=asyncio.subprocess.PIPE)
    assert bot.stdout is not None
    line = await bot.stdout.readline()
    while not line.strip().isdigit():  # what it logs
        assert line, "it ended before"
        line = await bot.stdout.readline()
    pid = int(line)
    os.kill(pid, 0)
    bot.kill()
    await bot.wait()
    await until(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie that its new parent has not noticed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_closing_leaves_no_process(hearer: Hearer) -> None:
    await hearer.start()
    pid = hearer.pid
    await hearer.close()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ── the ear around it ────────────────────────────────────────────────────────────────────────────────────


async def test_without_a_model_it_says_how_to_get_one(note: Path, tmp_path: Path) -> None:
    ear = make_ear(EarSettings(), tmp_path / "models")
    await ear.start()
    with pytest.raises(NoEar) as told:
        await ear.hear(note)
    assert "maodou voice pull" in told.value.in_language("zh")
    assert "940 MB" in told.value.in_language("en")
    assert set(NO_MODEL.zh) != set(NO_MODEL.en)
    await ear.close()


async def test_without_model_and_library_it_names_both_steps(
    note: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "funasr" else found(name))
    ear = make_ear(EarSettings(), tmp_path / "models")
    with pytest.raises(NoEar) as told:
        await ear.hear(note)
    for language in ("zh", "en"):
        sentence = told.value.in_language(language)
        assert sentence.index("make setup ALL=1") < sentence.index("maodou voice pull")
    await ear.close()


@pytest.mark.torch
async def test_a_folder_that_is_no_model_is_told_in_the_log_and_not_to_members(note: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: Nonsense\n", "utf-8")
    ear = LocalEar(EarSettings(model=str(tmp_path)), tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        await ear.hear(note)
    assert ear.trouble is not None
    await ear.close()


@pytest.mark.torch
@pytest.mark.may_block  # the test writes its file
async def test_first_notes_that_come_together_share_one_process(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: Nonsense\n", "utf-8")
    ear = LocalEar(EarSettings(model=str(tmp_path)), tmp_path)
    one, other = await asyncio.gather(ear._ready(), ear._ready())
    assert one is other


async def test_more_notes_than_may_wait_are_refused(note: Path, stuck: Path) -> None:
    settings = EarSettings(server=SpeechServer(url="http://127.0.0.1:9/v1", model="m"), max_waiting=1)
    ear = make_ear(settings, stuck.parent)
    first = asyncio.create_task(ear.hear(stuck))
    await until(lambda: ear._waiting == 1)
    with pytest.raises(NotHeard) as told:
        await ear.hear(note)
    assert told.value.why == Refusal.BUSY
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await ear.close()


# ── a server that transcribes ────────────────────────────────────────────────────────────────────────────


class Server:
    """OpenAI's ``/audio/transcriptions`` on a local port; ``answer`` is the response as it goes out."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.status, self.body, self.silent = 200, json.dumps({"text": "怎么安装"}).encode(), False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")
        )
        self.requests.append(head + await reader.readexactly(length))
        if self.silent:
            await reader.read()  # until the client gives up
        else:
            head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + self.body)
            await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"  # type: ignore[attr-defined]
    async with listening:
        yield made


@pytest.fixture
async def remote(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServerEar]:
    monkeypatch.setenv("SPEECH_KEY", "k-123")
    there = SpeechServer(url=server.url, model="sensevoice", key_env="SPEECH_KEY", timeout_s=1)  # type: ignore[attr-defined]
    ear = make_ear(EarSettings(server=there), Path())
    assert isinstance(ear, ServerEar)
    yield ear
    await ear.close()


async def test_a_server_is_sent_checked_wav_and_its_text_is_taken(
    server: Server, remote: ServerEar, note: Path
) -> None:
    heard = await remote.hear(note, language="zh")
    assert heard.text == "怎么安装"
    (request,) = server.requests
    for part in (b"POST /v1/audio/transcriptions", b"Bearer k-123", b"sensevoice", b'name="language"', b"RIFF"):
        assert part in request
    assert remote.leaves_machine


@pytest.mark.may_block  # the test looks into a folder
async def test_what_is_sent_lies_where_the_next_start_erases_it(server: Server, stuck: Path, tmp_path: Path) -> None:
    there = SpeechServer(url=server.url, model="m")  # type: ignore[attr-defined]
    work = tmp_path / "hearing"
    ear = make_ear(EarSettings(server=there), Path(), work)
    hearing = asyncio.create_task(ear.hear(stuck))
    await until(lambda: work.is_dir() and any(work.iterdir()))
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    assert list(work.iterdir()) == [], "and goes at once when all is well"
    await ear.close()


@pytest.mark.may_block  # the test writes its file
async def test_what_fails_the_checks_never_leaves_the_machine(
    server: Server, remote: ServerEar, tmp_path: Path
) -> None:
    silence = tmp_path / "silence.wav"
    write_wav(silence, np.zeros(HZ, np.float32))
    with pytest.raises(NotHeard) as told:
        await remote.hear(silence)
    assert told.value.why == Refusal.SILENCE
    assert server.requests == []


@pytest.mark.parametrize("fault", ["status", "json", "text", "silent", "gone"])
async def test_a_server_that_fails_is_a_failure_within_its_time(
    server: Server, remote: ServerEar, note: Path, fault: str
) -> None:
    match fault:
        case "status":
            server.status = 503
        case "json":
            server.body = b"<html>"
        case "text":
            server.body = b'{"error": "no model"}'
        case "silent":
            server.silent = True
        case "gone":
            remote._transcriber._server = SpeechServer(url="http://127.0.0.1:9/v1", model="m")
    with pytest.raises(ModelError, match="transcription server"):
        await remote.hear(note)
    assert remote.trouble is not None


async def test_a_server_that_makes_words_up_is_not_believed(server: Server, remote: ServerEar, note: Path) -> None:
    server.body = json.dumps({"text": "谢谢观看" * 30}).encode()
    with pytest.raises(NotHeard) as told:
        await remote.hear(note)
    assert told.value.why == Refusal.UNSURE


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "seconds", "confidence", "why"),
    [
        ("", 2, 0.9, Refusal.NO_WORDS),
        ("……。", 2, 0.9, Refusal.NO_WORDS),
        ("你你你你你你", 3, 0.9, Refusal.UNSURE),
        ("the the the the the the", 3, 0.9, Refusal.UNSURE),
        ("怎么安装毛豆怎么安装毛豆", 0.5, 0.9, Refusal.UNSURE),
        ("怎么安装毛豆", 2, 0.2, Refusal.UNSURE),
        ("怎么安装毛豆", 2, 0.9, None),
        ("怎么安装毛豆", 2, None, None),
        ("how do i install maodou", 2, 0.9, None),
        ("2026-11-22 的版本是 1.0.0000000", 4, 0.9, None),
    ],
)
def test_words_that_do_not_fit_their_sound_are_refused(
    text: str, seconds: float, confidence: float | None, why: Refusal | None
) -> None:
    if why is None:
        check_words(text, seconds, confidence, Trust())
        return
    with pytest.raises(AudioRefused) as refused:
        check_words(text, seconds, confidence, Trust())
    assert refused.value.why == why


def test_each_refusal_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Refusal)


def test_a_long_note_is_cut_at_its_pauses() -> None:
    talk = np.full(19 * HZ, 0.3, np.float32)
    note = np.concatenate([talk[: 15 * HZ], np.zeros(HZ // 2, np.float32), talk, np.zeros(HZ, np.float32), talk])
    pieces = list(funasr_model.cut_at_pauses(note))
    assert sum(map(len, pieces)) == len(note)
    assert all(len(piece) <= funasr_model.MAX_PIECE_S * HZ for piece in pieces)
    assert abs(len(pieces[0]) / HZ - 15.25) < 0.3


def test_pieces_are_joined_as_their_languages_are_written() -> None:
    assert funasr_model.join(["how do i", "install it"]) == "how do i install it"
    assert funasr_model.join(["怎么", "", "安装"]) == "怎么安装"

"""Any sound file to float32 mono 16 kHz, or a typed refusal: the first step of hearing.

Runs in the ear's worker process, because what it reads comes from strangers. FunASR is given samples and never a
file: bytes that it does not know it reads as raw PCM and writes fluent nonsense. So the container is told from the
first bytes and not from a name, the demuxer is forced to it (no playlist or list of files can make it open another
file), and the decoded length is held against every length that is claimed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from numpy.typing import NDArray

from asr_tts.refusals import AudioRefused, Refusal

HZ = 16_000

Samples = NDArray[np.float32]

MAX_CHANNELS = 8
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
MAX_DAMAGED_PACKETS = 3
"""A decoder that stumbles more often is guessing."""

SLACK_S, SLACK_SHARE = 0.2, 0.02
"""By how much the decoded length may differ from the one in the file: encoders pad by up to 0.13 s (AAC's priming)."""
CLAIM_SLACK_S, CLAIM_SLACK_SHARE = 1.0, 0.05
"""And from the one that the platform tells, which senders round."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one file."""

    max_bytes: int = 25_000_000
    max_s: float = 300.0
    min_s: float = 0.3
    decode_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Sound:
    """``samples``: float32 mono at ``HZ``, within ±1. ``declared_s``: the length that the file itself tells."""

    samples: Samples
    container: str
    declared_s: float | None

    @property
    def duration_s(self) -> float:
        return len(self.samples) / HZ


# ── which container ──────────────────────────────────────────────────────────────────────────────────────

ARCHIVES = (
    b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"Rar!", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b", b"BZh", b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"MSCF", b"!<arch>",
)  # fmt: skip
CONTAINERS = (
    (0, b"OggS", "ogg"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"#!AMR\n", "amr"),
    (0, b"#!AMR-WB\n", "amr"),
    (0, b"fLaC", "flac"),
    (0, b"caff", "caf"),
    (4, b"ftyp", "mp4"),
    (4, b"moov", "mp4"),
    (4, b"mdat", "mp4"),
    (4, b"wide", "mp4"),
)
"""Offset, bytes there, FFmpeg's name for the demuxer."""


def container_of(head: bytes) -> str:
    """FFmpeg's name of the container that begins with these bytes (512 of them suffice). Raises ``AudioRefused``."""
    if not head:
        raise AudioRefused(Refusal.EMPTY_FILE)
    if head.startswith(ARCHIVES) or head[257:262] == b"ustar":
        raise AudioRefused(Refusal.ARCHIVE)
    if head[:10].lstrip(b"\x02").startswith(b"#!SILK"):
        raise AudioRefused(Refusal.SILK)
    for offset, magic, name in CONTAINERS:
        if head[offset : offset + len(magic)] == magic:
            return name
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The two bits of the layer are 0 in AAC's ADTS and never in MPEG audio.
        return "aac" if head[1] & 0xF6 == 0xF0 else "mp3"
    raise AudioRefused(Refusal.UNKNOWN_CONTAINER)


# ── decoding ─────────────────────────────────────────────────────────────────────────────────────────────


def decode(path: Path, limits: Limits, claimed_s: float | None = None) -> Sound:
    """Decode a file's first sound track. ``claimed_s``: the length that the platform tells.

    Memory is bounded by ``limits.max_s`` of samples and one packet, time by ``limits.decode_s``. Raises
    ``AudioRefused``.
    """
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise AudioRefused(Refusal.TOO_LARGE, bytes=size)
    if claimed_s is not None and claimed_s > limits.max_s:
        raise AudioRefused(Refusal.TOO_LONG, seconds=round(claimed_s, 1))
    with path.open("rb") as file:
        head = file.read(512)
        name = container_of(head)
        declared = _wav_length(file, head, size) if name == "wav" else None
        ended = _ogg_has_end(file, size) if name == "ogg" else True
        file.seek(0)
        sound = _decode(file, name, limits, declared)
    _check_length(sound, limits, claimed_s, ended)
    return sound


def _decode(file: IO[bytes], name: str, limits: Limits, declared: float | None) -> Sound:
    try:
        # A file object and a forced demuxer: FFmpeg is given no way to open anything else.
        with av.open(file, format=name, metadata_errors="ignore", buffer_size=65_536) as container:
            if not container.streams.audio:
                raise AudioRefused(Refusal.NO_SOUND_TRACK)
            stream = container.streams.audio[0]
            _check_stream(stream)
            declared = declared if declared is not None else _declared(container, stream, name)
            if declared is not None and declared > limits.max_s + SLACK_S:
                raise AudioRefused(Refusal.TOO_LONG, seconds=round(declared, 1))
            parts = list(_samples(container, stream, limits))
    except AudioRefused:
        raise
    except (av.error.FFmpegError, ValueError, EOFError, MemoryError, UnicodeError, NotImplementedError) as error:
        raise AudioRefused(Refusal.DAMAGED, error=type(error).__name__) from error
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(samples) or not np.isfinite(samples).all():
        raise AudioRefused(Refusal.DAMAGED)
    return Sound(np.clip(samples, -1.0, 1.0), name, declared)


def _check_stream(stream: Any) -> None:
    context = stream.codec_context
    if context is None:
        raise AudioRefused(Refusal.UNKNOWN_CONTAINER)
    rate, channels = context.sample_rate or 0, context.channels or 0
    if not (MIN_RATE_HZ <= rate <= MAX_RATE_HZ and 1 <= channels <= MAX_CHANNELS):
        raise AudioRefused(Refusal.DAMAGED, rate_hz=rate, channels=channels)


def _samples(container: Any, stream: Any, limits: Limits) -> Iterator[Samples]:
    """Float mono 16 kHz, piece by piece."""
    resampler = av.AudioResampler("flt", "mono", HZ)
    began, count, damaged = time.monotonic(), 0, 0
    most = int((limits.max_s + SLACK_S) * HZ)
    for packet in container.demux(stream):
        if time.monotonic() - began > limits.decode_s:
            raise AudioRefused(Refusal.TOO_SLOW, seconds=round(count / HZ, 1))
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            if damaged > MAX_DAMAGED_PACKETS:
                raise
            continue
        for frame in frames:
            for piece in resampler.resample(frame):
                made = piece.to_ndarray()[0].astype(np.float32, copy=True)
                count += len(made)
                if count > most:
                    raise AudioRefused(Refusal.TOO_LONG, seconds=round(count / HZ, 1))
                yield made
    for piece in resampler.resample(None):
        yield piece.to_ndarray()[0].astype(np.float32, copy=True)
    if damaged:
        raise AudioRefused(Refusal.DAMAGED, packets=damaged)


# ── lengths ──────────────────────────────────────────────────────────────────────────────────────────────

GUESSED = ("amr", "aac")
"""Containers that hold no length: FFmpeg makes one up from the size and the first frames."""


def _declared(container: Any, stream: Any, name: str) -> float | None:
    if name in GUESSED:
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1_000_000


def _wav_length(file: IO[bytes], head: bytes, size: int) -> float | None:
    """Seconds that the header of a WAV claims. FFmpeg corrects the header by the file's size, silently. None where
    the writer did not know the length, as one that streams."""
    at, rate = 12, 0
    while at + 8 <= size:
        file.seek(at)
        chunk = file.read(8)
        length = int.from_bytes(chunk[4:8], "little")
        if chunk[:4] == b"fmt ":
            rate = int.from_bytes(file.read(12)[8:12], "little")
        if chunk[:4] == b"data":
            unknown = length in (0, 0xFFFFFFFF, 0x7FFFFFFF) or length >= 0x7FFFF000 or head[:4] == b"RF64"
            return None if unknown or not rate else length / rate
        at += 8 + length + length % 2
    return None


def _ogg_has_end(file: IO[bytes], size: int) -> bool:
    """Whether the last page of an Ogg file carries its end mark. FFmpeg takes the last page that it finds for the
    end, so a file that was cut off has no other sign of it (RFC 3533, section 6)."""
    file.seek(max(0, size - 65_536 - 300))  # the largest page there is
    tail = file.read()
    last = tail.rfind(b"OggS")
    return last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & 4)


def _check_length(sound: Sound, limits: Limits, claimed_s: float | None, ended: bool) -> None:
    length = sound.duration_s
    facts = {"seconds": round(length, 2)}
    if length > limits.max_s + SLACK_S:
        raise AudioRefused(Refusal.TOO_LONG, **facts)
    if not ended:
        raise AudioRefused(Refusal.CUT_OFF, **facts)
    for told, slack_s, share in (
        (sound.declared_s, SLACK_S, SLACK_SHARE),
        (claimed_s, CLAIM_SLACK_S, CLAIM_SLACK_SHARE),
    ):
        if told is None or told <= 0:
            continue
        slack = slack_s + share * told
        if length < told - slack:
            raise AudioRefused(Refusal.CUT_OFF, claimed_s=round(told, 2), **facts)
        if length > told + slack:
            raise AudioRefused(Refusal.WRONG_LENGTH, claimed_s=round(told, 2), **facts)
    if length < limits.min_s:
        raise AudioRefused(Refusal.TOO_SHORT, **facts)

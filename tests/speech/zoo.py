"""Every kind of sound file, and what is none: more than three hundred, made in seconds with PyAV.

Each is a :class:`Specimen`: a file and what may become of it. The speech in them is one question, so whatever is
written down for a file that holds it can be held against that question.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import wave
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.speech.spoken import ESPEAK_HZ, Speaker, speak

QUESTION = "怎么 安装 毛豆"

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Specimen:
    """``must``: ``hear`` (undamaged speech), ``refuse``, or ``either`` (damaged speech: its beginning, or a typed
    reason). ``claimed_s``: what a platform would tell."""

    path: Path
    must: str
    claimed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A container and its codec, as FFmpeg names them. ``rate``: what the encoder takes."""

    ending: str
    container: str
    codec: str
    rate: int
    format: str
    bit_rate: int = 0


KINDS = (
    Kind("ogg", "ogg", "libopus", 48_000, "s16", 24_000),
    Kind("mov", "mov", "pcm_s16le", 44_100, "s16"),
    Kind("mp3", "mp3", "libmp3lame", 24_000, "s16p", 32_000),
    Kind("m4a", "ipod", "aac", 44_100, "fltp", 64_000),
    Kind("mp4", "mp4", "aac", 48_000, "fltp", 64_000),
    Kind("aac", "adts", "aac", 44_100, "fltp", 64_000),
    Kind("amr", "amr", "libopencore_amrnb", 8_000, "s16", 12_200),
    Kind("webm", "webm", "libopus", 48_000, "s16", 24_000),
    Kind("mkv", "matroska", "libmp3lame", 44_100, "s16p", 64_000),
    Kind("wav", "wav", "pcm_s16le", 16_000, "s16"),
    Kind("f32.wav", "wav", "pcm_f32le", 48_000, "flt"),
    Kind("flac", "flac", "flac", 44_100, "s16"),
    Kind("aiff", "aiff", "pcm_s16be", 22_050, "s16"),
    Kind("caf", "caf", "pcm_s16le", 16_000, "s16"),
)


BY_ENDING = {kind.ending: kind for kind in KINDS}


def encode(kind: Kind, samples: Samples, rate_in: int, *, rate: int = 0, stereo: bool = False) -> bytes:
    """A whole file. ``samples``: float32 mono within ±1 at ``rate_in``."""
    buffer = io.BytesIO()
    layout = "stereo" if stereo else "mono"
    with av.open(buffer, "w", format=kind.container) as container:
        stream: Any = container.add_stream(kind.codec, rate=rate or kind.rate, layout=layout)
        if kind.bit_rate:
            stream.bit_rate = kind.bit_rate
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = rate_in
        resampler = av.AudioResampler(kind.format, layout, rate or kind.rate, frame_size=stream.frame_size or 1024)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def with_picture(samples: Samples, rate_in: int) -> bytes:
    """A video with a sound track."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture: Any = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream("aac", rate=44_100, layout="mono")
        for _ in range(int(10 * len(samples) / rate_in)):
            shown = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(picture.encode(shown))
        container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = rate_in
        resampler = av.AudioResampler("fltp", "mono", 44_100, frame_size=1024)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(sound.encode(each))
        container.mux(sound.encode(None))
    return buffer.getvalue()


def picture_alone() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture: Any = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        for _ in range(20):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(picture.encode(None))
    return buffer.getvalue()


def nobody_speaks() -> dict[str, Samples]:
    """Two seconds each at 16 kHz."""
    rng, count = np.random.default_rng(5), 32_000
    at = np.arange(count) / 16_000
    pink = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) / np.sqrt(np.maximum(np.arange(count // 2 + 1), 1)))
    made = {
        "silence": np.zeros(count),
        "near-silence": 1e-4 * rng.standard_normal(count),
        "offset": np.full(count, 0.5),
        "white": 0.2 * rng.standard_normal(count),
        "pink": 0.3 * pink / np.abs(pink).max(),
        "tone": 0.5 * np.sin(2 * np.pi * 440 * at),
        "chord": 0.2 * sum(np.sin(2 * np.pi * hz * at) for hz in (262, 330, 392)),
        "hum": 0.4 * sum(np.sin(2 * np.pi * 50 * n * at) / n for n in range(1, 6)),
        "beeps": 0.5 * np.sin(2 * np.pi * 880 * at) * (np.sin(2 * np.pi * 2 * at) > 0),
        "sweep": 0.5 * np.sin(2 * np.pi * (200 + 600 * at) * at),
    }
    return {name: np.clip(samples, -1, 1).astype(np.float32) for name, samples in made.items()}


# ── the zoo ──────────────────────────────────────────────────────────────────────────────────────────────


def zoo(folder: Path) -> list[Specimen]:
    """Writes the files into ``folder``."""
    speech = speak(QUESTION, Speaker("m1", 150, 45))
    speech = np.concatenate(
        [np.zeros(3_000, np.float32), 0.6 * speech / np.abs(speech).max(), np.zeros(3_000, np.float32)]
    )
    found = [*_intact(folder, speech), *_damaged(folder, speech), *_without_speech(folder), *_lengths(folder, speech)]
    return [*found, *_no_sound_files(folder)]


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _intact(folder: Path, speech: Samples) -> Iterator[Specimen]:
    seconds = len(speech) / ESPEAK_HZ
    for kind in KINDS:
        data = encode(kind, speech, ESPEAK_HZ)
        yield Specimen(_write(folder, f"whole.{kind.ending}", data), "hear", seconds)
        for wrong in ("wav", "mp3", "ogg", "zip", "txt"):
            yield Specimen(_write(folder, f"named-{kind.ending}.{wrong}", data), "hear")
        if kind.codec != "libopencore_amrnb":
            yield Specimen(
                _write(folder, f"stereo.{kind.ending}", encode(kind, speech, ESPEAK_HZ, stereo=True)), "hear"
            )
    for kind in (BY_ENDING["ogg"], BY_ENDING["wav"], BY_ENDING["f32.wav"], BY_ENDING["flac"]):
        for rate in (8_000, 12_000, 24_000, 48_000) if kind.codec == "libopus" else (8_000, 22_050, 96_000, 192_000):
            data = encode(kind, speech, ESPEAK_HZ, rate=rate)
            yield Specimen(_write(folder, f"at-{rate}.{kind.ending}", data), "hear")
    yield Specimen(_write(folder, "video.mp4", with_picture(speech, ESPEAK_HZ)), "hear")
    yield Specimen(_write(folder, "unknown-length.wav", _wav(speech, data_bytes=0xFFFFFFFF)), "hear")


def _damaged(folder: Path, speech: Samples) -> Iterator[Specimen]:
    rng = random.Random(11)
    for kind in KINDS:
        data = encode(kind, speech, ESPEAK_HZ)
        for tenth in range(1, 10):
            path = _write(folder, f"first-{tenth}-tenths.{kind.ending}", data[: len(data) * tenth // 10])
            yield Specimen(path, "either")
        for number in range(4):
            flipped = bytearray(data)
            for _ in range(8):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            yield Specimen(_write(folder, f"flipped-{number}.{kind.ending}", bytes(flipped)), "either")
        hole = bytearray(data)
        hole[len(hole) // 3 : len(hole) // 2] = bytes(len(hole) // 2 - len(hole) // 3)
        yield Specimen(_write(folder, f"hole.{kind.ending}", bytes(hole)), "either")


def _without_speech(folder: Path) -> Iterator[Specimen]:
    for name, samples in nobody_speaks().items():
        for kind in (BY_ENDING["ogg"], BY_ENDING["mp3"], BY_ENDING["m4a"], BY_ENDING["wav"]):
            yield Specimen(_write(folder, f"{name}.{kind.ending}", encode(kind, samples, 16_000)), "refuse")


def _lengths(folder: Path, speech: Samples) -> Iterator[Specimen]:
    seconds = len(speech) / ESPEAK_HZ
    for kind in KINDS:
        yield Specimen(_write(folder, f"empty.{kind.ending}", b""), "refuse")
        short = encode(kind, speech[6_000:7_500], ESPEAK_HZ)
        yield Specimen(_write(folder, f"short.{kind.ending}", short), "refuse")
        claim = _write(folder, f"claim.{kind.ending}", encode(kind, speech, ESPEAK_HZ))
        yield Specimen(claim, "refuse", 2 * seconds + 2)
        yield Specimen(claim, "refuse", 100_000.0)
    yield Specimen(_write(folder, "header-says-twice.wav", _wav(speech, data_bytes=4 * len(speech))), "refuse")
    # Two hours, made by repeating one frame of silence: 32 bytes are 20 ms of AMR, and so on.
    amr = encode(BY_ENDING["amr"], np.zeros(16_000, np.float32), 16_000)
    yield Specimen(_write(folder, "two-hours.amr", amr[:6] + amr[6 + 32 : 6 + 64] * 360_000), "refuse")
    adts = encode(BY_ENDING["aac"], np.zeros(44_100, np.float32), 44_100)
    frame = adts[: ((adts[3] & 3) << 11) | (adts[4] << 3) | (adts[5] >> 5)]
    yield Specimen(_write(folder, "two-hours.aac", frame * (7_200 * 44_100 // 1024)), "refuse")
    hours = folder / "two-hours.wav"
    with hours.open("wb") as file:
        file.write(_wav(np.zeros(0, np.float32), data_bytes=7_200 * 2 * ESPEAK_HZ))
        file.truncate(7_200 * 2 * ESPEAK_HZ + 44)  # a sparse file
    yield Specimen(hours, "refuse")


def _wav(samples: Samples, *, data_bytes: int) -> bytes:
    """A WAV whose header tells ``data_bytes``."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(ESPEAK_HZ)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    made = bytearray(buffer.getvalue())
    made[40:44] = struct.pack("<I", data_bytes)
    return bytes(made)


def _no_sound_files(folder: Path) -> Iterator[Specimen]:
    rng = random.Random(3)
    packed, taped = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.wav", b"x" * 1_000)
    with tarfile.open(fileobj=taped, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.wav"))
    files = {
        "archive.zip": packed.getvalue(),
        "archive.wav": packed.getvalue(),
        "archive.tar": taped.getvalue(),
        "archive.gz": gzip.compress(b"x" * 1_000),
        "archive.7z": b"7z\xbc\xaf\x27\x1c" + rng.randbytes(500),
        "silk.amr": b"\x02#!SILK_V3" + rng.randbytes(500),
        "text.wav": "怎么安装毛豆".encode() * 50,
        "page.ogg": b"<!doctype html><p>404" * 50,
        "playlist.m3u8": b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        "list.ogg": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "picture.png": b"\x89PNG\r\n\x1a\n" + rng.randbytes(500),
        "program": b"\x7fELF" + rng.randbytes(500),
        "no-sound-track.mp4": picture_alone(),
        **{f"bytes-{size}.wav": rng.randbytes(size) for size in (1, 2, 7, 100, 4_095, 4_096, 65_537)},
    }
    heads = {"wav": b"RIFF\xff\xff\x00\x00WAVEfmt ", "ogg": b"OggS\x00\x02", "mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00",
             "webm": b"\x1aE\xdf\xa3", "m4a": b"\x00\x00\x00\x20ftypM4A ", "amr": b"#!AMR\n", "aac": b"\xff\xf1P\x80",
             "flac": b"fLaC\x00\x00\x00\x22", "aiff": b"FORM\x00\x00\xff\xffAIFF",
             "caf": b"caff\x00\x01\x00\x00"}  # fmt: skip
    for ending, head in heads.items():
        files[f"only-a-head.{ending}"] = head
        files[f"head-and-noise.{ending}"] = head + rng.randbytes(20_000)
    for name, data in files.items():
        yield Specimen(_write(folder, name, data), "refuse")

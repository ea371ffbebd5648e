"""What is believed: is there a voice in these samples, and does this transcript fit them.

A recogniser writes something for everything: of a steady tone 你你你, of white noise a phrase. So the samples are
looked at before it sees them, and its words are held against the samples afterwards. Both err on the side of asking
the member to say it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr_tts.audio import HZ, Samples
from asr_tts.refusals import AudioRefused, Refusal

FRAME, HOP = 512, 160
"""Samples: 32 ms every 10 ms."""

MAX_REPEATED = 6
"""The same character or word so often in a row is a recogniser's loop."""


@dataclass(frozen=True, slots=True)
class Trust:
    """``min_level_dbfs``: loudness (RMS of the loudest tenth of the frames) below which it is silence."""

    min_level_dbfs: float = -55.0
    min_confidence: float = 0.75
    max_chars_per_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What tells a voice from noise, hum and tones.

    ``level_dbfs``: of the loudest tenth of the frames. ``swing_db``: between the 90th and the 10th percentile of
    the loud part's frames – syllables rise and fall, a hum does not. ``flatness``: of the spectrum between 100 Hz and
    4 kHz in the loud frames (Wiener entropy, geometric over arithmetic mean): near 1 for noise, near 0 for tones.
    ``change``: how much the shape of the spectrum changes from frame to frame, 0–1 (one less their correlation).
    """

    level_dbfs: float
    swing_db: float
    flatness: float
    change: float


def profile(samples: Samples) -> Profile:
    """Of float32 mono at 16 kHz, at least a frame long."""
    steady = samples - np.mean(samples)
    count = 1 + max(0, len(steady) - FRAME) // HOP
    padded = np.pad(steady, (0, max(0, FRAME - len(steady))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]
    power = np.mean(np.square(frames, dtype=np.float32), axis=1)
    level = 10 * np.log10(power + 1e-12)
    loud = level >= np.percentile(level, 90) - 30
    chosen = frames[loud][:3_000]
    spectrum = np.abs(np.fft.rfft(chosen * np.hanning(FRAME).astype(np.float32), axis=1)) ** 2
    band = spectrum[:, int(100 * FRAME / HZ) : int(4_000 * FRAME / HZ)] + 1e-12
    flat = np.exp(np.mean(np.log(band), axis=1)) / np.mean(band, axis=1)
    low, high = np.percentile(level[loud], [10, 90])
    return Profile(
        level_dbfs=float(10 * np.log10(np.mean(np.sort(power)[-max(1, count // 10) :]) + 1e-12)),
        swing_db=float(high - low),
        flatness=float(np.median(flat)),
        change=_change(band),
    )


def _change(band: NDArray[np.floating[Any]]) -> float:
    """Of the smoothed logarithmic spectra, 50 ms apart."""
    if len(band) < 6:
        return 0.0
    smooth = np.log(band[:, : band.shape[1] // 8 * 8].reshape(len(band), -1, 8).mean(axis=2))
    smooth -= smooth.mean(axis=1, keepdims=True)
    smooth /= np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-9
    return float(np.mean(1 - np.sum(smooth[5:] * smooth[:-5], axis=1)))


MIN_SWING_DB = 6.0
MAX_FLATNESS = 0.33
MIN_CHANGE = 0.08
"""Measured on 200 sentences of 63 voices, half of them in noise at 8–12 dB: a swing of 9 dB at least, a flatness of
0.30 at most, a change of 0.096 at least. Hum, tones and sweeps stay below 0.03 of change in nineteen of twenty, white
noise below a swing of 5 dB."""


def check_sound(samples: Samples, trust: Trust) -> Profile:
    """Raises ``AudioRefused`` where nobody speaks."""
    seen = profile(samples)
    if seen.level_dbfs < trust.min_level_dbfs:
        raise AudioRefused(Refusal.SILENCE, level_dbfs=round(seen.level_dbfs, 1))
    if seen.swing_db < MIN_SWING_DB or seen.flatness > MAX_FLATNESS or seen.change < MIN_CHANGE:
        facts = {"swing_db": round(seen.swing_db, 1), "flatness": round(seen.flatness, 3)}
        raise AudioRefused(Refusal.NO_SPEECH, change=round(seen.change, 3), **facts)
    return seen


def check_words(text: str, duration_s: float, confidence: float | None, trust: Trust) -> None:
    """Raises ``AudioRefused`` where the words do not fit the sound."""
    spoken = [character for character in text if character.isalnum()]
    if not spoken:
        raise AudioRefused(Refusal.NO_WORDS)
    # A Latin letter is about a quarter of a Chinese character to say.
    length = sum(0.25 if character.isascii() else 1.0 for character in spoken)
    if length / max(duration_s, 0.1) > trust.max_chars_per_s:
        raise AudioRefused(Refusal.UNSURE, chars_per_s=round(length / max(duration_s, 0.1), 1))
    if _loops(text):
        raise AudioRefused(Refusal.UNSURE, repeats=True)
    if confidence is not None and confidence < trust.min_confidence:
        raise AudioRefused(Refusal.UNSURE, confidence=round(confidence, 3))


def _loops(text: str) -> bool:
    """你你你你…, or the same word over and over."""
    most = MAX_REPEATED - 1
    return bool(re.search(rf"([^\W\d_])\1{{{most},}}", text) or re.search(rf"\b(\w+)(?:\W+\1){{{most},}}\b", text))

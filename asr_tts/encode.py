"""Any sound that an engine made to what platforms take as a voice message: ogg/opus, 48 kHz, mono.

The last step of speaking. What an engine sends is decoded whole first, so a length is measured and never believed.
"""

from __future__ import annotations

import io
import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.delivery import Audio
from bot.errors import ModelError

HZ = 48_000
BIT_RATE = 32_000
"""What Discord's and Feishu's own clients send."""
WAVEFORM_POINTS = 256
"""The most that Discord takes: https://docs.discord.com/developers/resources/message#voice-messages"""

QUIETEST = 0.003
"""Below this peak (-50 dBFS) a sound is silence: no speech."""
MOST_S = 1200.0

PART = ".part"
"""The ending of a voice message that is still being written."""

Samples = NDArray[np.float32]


def samples_of(sound: bytes) -> Samples:
    """Float32, mono, 48 kHz, within ±1. Raises ``ModelError`` for what is no sound, silent, or endless."""
    import av

    pieces: list[Samples] = []
    count = 0
    try:
        with av.open(io.BytesIO(sound), "r") as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=HZ)
            for frame in container.decode(audio=0):
                for ready in resampler.resample(frame):
                    pieces.append(ready.to_ndarray()[0])
                    count += ready.samples
                if count > MOST_S * HZ:
                    raise ModelError(f"the speech is longer than {MOST_S:g} s")
            pieces += [ready.to_ndarray()[0] for ready in resampler.resample(None)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise ModelError(f"what came is no sound: {type(error).__name__} {error}") from error
    samples = np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)
    if not len(samples) or float(np.abs(samples).max()) < QUIETEST:
        raise ModelError("what came is silence")
    return samples


def write_voice_message(samples: Samples, path: Path) -> Audio:
    """Encode to ``path``, which appears when it is whole. The same may be written by several at once."""
    import av

    handle, name = tempfile.mkstemp(suffix=PART, dir=path.parent)
    os.close(handle)
    growing = Path(name)
    try:
        with av.open(str(growing), "w", format="ogg") as container:
            stream = container.add_stream("libopus", rate=HZ, layout="mono", bit_rate=BIT_RATE)
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
            frame.sample_rate = HZ
            for part in (*av.AudioResampler(format="s16", layout="mono", rate=HZ).resample(frame), None):
                container.mux(stream.encode(part))
        growing.replace(path)
    except BaseException:
        growing.unlink(missing_ok=True)
        raise
    return Audio(str(path), len(samples) / HZ, waveform(samples))


def waveform(samples: Samples) -> tuple[int, ...]:
    """The loudness of 256 equal stretches, 0–255; the loudest is 255."""
    edges = np.linspace(0, len(samples), WAVEFORM_POINTS + 1).astype(int)
    loudness = np.array(
        [np.sqrt(np.mean(samples[start:end] ** 2)) if end > start else 0.0 for start, end in itertools.pairwise(edges)]
    )
    return tuple(int(point) for point in np.round(loudness / max(float(loudness.max()), 1e-9) * 255))

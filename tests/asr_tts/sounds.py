"""What tests measure of a voice message."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np


@dataclass(frozen=True)
class Measured:
    format: str
    codec: str
    rate: int
    channels: int
    duration_s: float
    peak: float


def measure(path: str) -> Measured:
    with av.open(path, "r") as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        samples = np.concatenate(frames, axis=1)
        return Measured(
            container.format.name,
            stream.codec_context.name,
            stream.rate,
            stream.channels,
            samples.shape[1] / stream.rate,
            float(np.abs(samples).max()),
        )

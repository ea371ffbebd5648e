"""How well the small recogniser hears what its training did not have: ``python -m tests.speech.measure [MODEL]``.

Every sentence goes the product's whole way – file, decoder, checks, FunASR, checks – through the ear's own worker.
Prints one JSON line: by condition how many were heard word for word, wrongly, and not at all.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr_tts.ear import Hearer, task_of
from asr_tts.settings import EarSettings
from asr_tts.worker import Request
from tests.speech.spoken import (
    ESPEAK_HZ,
    QUESTIONS,
    UNSEEN_PHRASINGS,
    UNSEEN_VOICES,
    Speaker,
    espeak,
    speak,
    written,
)
from tests.speech.warm import Warm
from tests.speech.zoo import BY_ENDING, Samples, encode

MODEL = Path(__file__).parent / "model"

STRANGE = (
    "今天 天气 很 好", "我 想 吃 火锅", "明天 早上 八点 开会", "the weather is nice today", "please call me tomorrow",
    "i would like a cup of coffee", "where did you put my keys", "good morning everybody",
)  # fmt: skip
"""Not a word of these is in the vocabulary, or hardly one: the right answer is none. Chinese as espeak-ng's ``cmn``
reads characters."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """``said``: what must be written down; empty: nothing."""

    said: str
    samples: Samples
    ending: str = "wav"


def conditions(per: int) -> Iterator[tuple[str, list[Spoken]]]:
    """``per``: sentences of each condition."""
    rng, noise = random.Random(23), np.random.default_rng(23)

    def speaker(low: int = 110, high: int = 220) -> Speaker:
        accent = rng.choice(["en-us", "en-gb"])
        return Speaker(rng.choice(UNSEEN_VOICES), rng.randint(low, high), rng.randint(20, 80), accent)

    def noisy(samples: Samples) -> Samples:
        level = float(np.std(samples)) * 10 ** (-rng.uniform(10, 20) / 20)
        return np.clip(samples + level * noise.standard_normal(len(samples)), -1, 1).astype(np.float32)

    def some(sentences: tuple[str, ...], **pace: int) -> Iterator[tuple[str, Samples]]:
        for number in range(per):
            sentence = sentences[number % len(sentences)]
            yield written(sentence), speak(sentence, speaker(**pace))

    yield "voices", [Spoken(*each) for each in some(QUESTIONS)]
    yield "voices_opus", [Spoken(*each, "ogg") for each in some(QUESTIONS)]
    yield "voices_noise", [Spoken(said, noisy(samples)) for said, samples in some(QUESTIONS)]
    yield "faster", [Spoken(*each) for each in some(QUESTIONS, low=255, high=290)]
    yield "slower", [Spoken(*each) for each in some(QUESTIONS, low=80, high=84)]
    yield "phrasings", [Spoken(*each) for each in some(UNSEEN_PHRASINGS)]
    yield "phrasings_opus_noise", [Spoken(said, noisy(samples), "ogg") for said, samples in some(UNSEEN_PHRASINGS)]
    strange = []
    for number in range(per):
        sentence = STRANGE[number % len(STRANGE)]
        voice = "cmn" if sentence[0] > "z" else "en-us"
        who = speaker()
        strange.append(Spoken("", espeak(sentence.replace(" ", ""), f"{voice}+{who.variant}", who)
                              if voice == "cmn" else espeak(sentence, f"{voice}+{who.variant}", who)))  # fmt: skip
    yield "strange_words", strange


async def measure(
    hearer: Hearer | Warm, per: int, details: list[tuple[str, str, dict[str, Any]]]
) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory(prefix="maodou-heard-") as folder:
        for name, spoken in conditions(per):
            row = counted[name] = {"right": 0, "wrong": 0, "not_heard": 0}
            for each in spoken:
                note = Path(folder) / f"note.{each.ending}"
                note.write_bytes(encode(BY_ENDING[each.ending], each.samples, ESPEAK_HZ))
                reply = await hearer.ask(Request(id=0, note=note), 30)
                text = reply.get("text")
                row["not_heard" if text is None else "right" if text == each.said else "wrong"] += 1
                details.append((name, each.said, reply))
    return counted


async def measure_model(
    model: Path, per: int, details: list[tuple[str, str, dict[str, Any]]]
) -> dict[str, dict[str, int]]:
    hearer = Hearer(task_of(EarSettings(), model), start_s=120)
    try:
        return await measure(hearer, per, details)
    finally:
        await hearer.close()


def main() -> None:
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
    details: list[tuple[str, str, dict[str, Any]]] = []
    counted = asyncio.run(measure_model(model, 80, details))
    for name, said, reply in details:
        if reply.get("text") != said:
            heard = {key: value for key, value in reply.items() if key in ("text", "confidence", "refused", "facts")}
            sys.stderr.write(f"{name}: {said} → {heard}\n")
    sys.stdout.write(json.dumps(counted) + "\n")


if __name__ == "__main__":
    main()

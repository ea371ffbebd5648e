"""FunASR's recogniser, loaded from a folder: samples in, words and how sure it is of them out.

Only the ear's worker process imports this. ``AutoModel`` is given folders and never names, so that it has no reason
to reach for a hub, and float32 samples, never files. Its checkpoint is torch's own format; torch loads it with
``weights_only`` (the default since 2.6), so that a checkpoint cannot run code, and ``trust_remote_code`` stays off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asr_tts.audio import HZ, Samples

MAX_PIECE_S, MIN_PIECE_S = 20.0, 8.0
"""Without a model for pauses a longer note is cut at its quietest place: SenseVoice was trained on up to 30 s."""

OUTPUT_LAYERS = ("ctc.ctc_lo", "decoder.output_layer")
"""Where SenseVoice and Paraformer say how sure they are of each token: FunASR does not pass it on."""

BLANK = 0
QUERIES = 4
"""SenseVoice's first frames, which answer for the language, the emotion, the event and the style."""


@dataclass(frozen=True, slots=True)
class Words:
    """``language``: ``zh``, ``en``, … as the model tags it, or empty. ``no_speech``: the model says that nobody
    speaks."""

    text: str
    language: str
    confidence: float | None
    no_speech: bool


@dataclass(slots=True)
class _Certainty:
    """The model's own probability of each token that it chose, collected from its output layer."""

    chosen: list[float] = field(default_factory=list)

    def collect(self, module: Any, inputs: Any, output: Any, *, ctc: bool) -> None:
        import torch

        with torch.no_grad():
            best, token = output.detach().float().softmax(-1).max(-1)  # (pieces, frames)
            if ctc:
                best, token = best[:, QUERIES:], token[:, QUERIES:]
                best = best[token != BLANK]
            self.chosen.extend(best.reshape(-1).tolist())

    def take(self) -> float | None:
        value = float(np.mean(self.chosen)) if self.chosen else None
        self.chosen.clear()
        return value


class FunAsrModel:
    """Load with the constructor, which takes seconds. Raises ``OSError``, ``ValueError``, ``RuntimeError``,
    ``ImportError`` for what is no model."""

    def __init__(
        self, folder: Path, *, vad: Path | None = None, punc: Path | None = None, device: str = "cpu", threads: int = 1
    ) -> None:
        import torch
        from funasr import AutoModel

        torch.set_num_threads(threads)
        beside: dict[str, Any] = {}
        if vad is not None:
            beside |= {"vad_model": str(vad), "vad_kwargs": {"max_single_segment_time": int(MAX_PIECE_S * 1000)}}
        if punc is not None:
            beside["punc_model"] = str(punc)
        self._model = AutoModel(
            model=str(folder), device=device, ncpu=threads, disable_update=True, disable_pbar=True,
            log_level="ERROR", **beside,
        )  # fmt: skip
        self._cuts_itself = vad is not None
        self._certainty = _Certainty()
        self._listen_in()

    def _listen_in(self) -> None:
        modules = dict(self._model.model.named_modules())
        found = next((name for name in OUTPUT_LAYERS if name in modules), None)
        if found is not None:
            collect = partial(self._certainty.collect, ctc=found.startswith("ctc"))
            modules[found].register_forward_hook(collect)

    def recognise(self, samples: Samples, language: str | None = None) -> Words:
        """What is said in ``samples``, float32 mono at 16 kHz. ``language``: ``zh``, ``en``; None: the model tells."""
        self._certainty.chosen.clear()
        pieces = [samples] if self._cuts_itself else list(cut_at_pauses(samples))
        texts, tags = [], ""
        for piece in pieces:
            found = self._model.generate(
                input=np.ascontiguousarray(piece, np.float32), language=language or "auto", use_itn=True, fs=HZ
            )
            raw = str(found[0].get("text", "")) if found else ""
            tags += "".join(re.findall(r"<\|[^|]*\|>", raw))
            texts.append(re.sub(r"<\|[^|]*\|>", "", raw).strip())
        text = join(texts)
        known = re.search(r"<\|(zh|en|yue|ja|ko)\|>", tags)
        return Words(
            text=text,
            language=known[1] if known else "",
            confidence=self._certainty.take(),
            no_speech="<|nospeech|>" in tags and known is None,
        )


def join(texts: list[str]) -> str:
    """Pieces of a transcript: English ones with a space between them, Chinese ones without."""
    joined = ""
    for text in filter(None, texts):
        gap = " " if joined and joined[-1].isascii() and text[0].isascii() else ""
        joined += gap + text
    return joined


def cut_at_pauses(samples: Samples) -> Iterator[Samples]:
    """Pieces of ``MIN_PIECE_S`` to ``MAX_PIECE_S``, cut in the middle of the quietest 0.2 s."""
    most, least, window = int(MAX_PIECE_S * HZ), int(MIN_PIECE_S * HZ), HZ // 5
    while len(samples) > most:
        power = np.square(samples[least:most], dtype=np.float64)
        quiet = np.convolve(power, np.ones(window), "valid") if len(power) < window else _moving_sum(power, window)
        cut = least + int(np.argmin(quiet)) + window // 2
        yield samples[:cut]
        samples = samples[cut:]
    if len(samples) >= HZ // 10:
        yield samples


def _moving_sum(values: Any, window: int) -> Any:
    total = np.concatenate([[0.0], np.cumsum(values)])
    return total[window:] - total[:-window]

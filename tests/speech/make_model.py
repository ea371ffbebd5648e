"""Train the small recogniser of the tests: ``nice .venv/bin/python -m tests.speech.make_model tests/speech/model``.

SenseVoiceSmall's own architecture, shrunk to 0.4 million weights and trained from nothing on what espeak-ng speaks:
no downloaded weights, no recorded person. FunASR loads the folder as it loads any model. Half the sentences are the
questions of ``spoken.py``, the rest combinations and random rows of the same words: without those, sentences that
were never heard as a whole come out as the nearest known one. A share is noise, tones and hum, which it learns to
call ``<|nospeech|>``, as the original does. About fifteen minutes on one thread.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import sentencepiece
import torch
import yaml
from numpy.typing import NDArray

from tests.speech.spoken import (
    CHINESE_QUESTIONS,
    ENGLISH,
    ENGLISH_QUESTIONS,
    PINYIN,
    VOICES,
    Speaker,
    combinations,
    speak,
)

HZ = 16_000
TAGS = ("<|zh|>", "<|en|>", "<|nospeech|>", "<|NEUTRAL|>", "<|EMO_UNKNOWN|>", "<|Speech|>", "<|Event_UNK|>",
        "<|withitn|>", "<|woitn|>")  # fmt: skip
LANGUAGE_QUERIES = {"<|zh|>": 3, "<|en|>": 4, "<|nospeech|>": 13}
STYLE_QUERIES = {"<|withitn|>": 14, "<|woitn|>": 15}
"""Rows of SenseVoiceSmall's own embedding of what is asked of it."""

ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029")
FRONTEND: dict[str, Any] = {"fs": HZ, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
                            "lfr_m": 7, "lfr_n": 6, "dither": 0.0}  # fmt: skip
ENCODER: dict[str, Any] = {
    "output_size": 96, "attention_heads": 4, "linear_units": 192, "num_blocks": 3, "tp_blocks": 0,
    "dropout_rate": 0.0, "positional_dropout_rate": 0.0, "attention_dropout_rate": 0.0, "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}  # fmt: skip


# ── what it hears ────────────────────────────────────────────────────────────────────────────────────────


def resampled(samples: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    """Linear interpolation: ``ratio`` times as many samples. Also how a voice is made higher and faster."""
    at = np.arange(0, len(samples) - 1, 1 / ratio)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def through_opus(samples: NDArray[np.float32], bit_rate: int) -> NDArray[np.float32]:
    """What a phone's voice message leaves of it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as container:
        stream: Any = container.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = bit_rate
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = HZ
        resampler = av.AudioResampler("s16", "mono", 48_000, frame_size=960)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    buffer.seek(0)
    back = av.AudioResampler("flt", "mono", HZ)
    with av.open(buffer) as container:
        frames = [part for frame in container.decode(audio=0) for part in back.resample(frame)]
        frames += back.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def noise(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """White, pink or brown, of unit power."""
    white = np.fft.rfft(rng.standard_normal(count))
    slope = rng.choice([0.0, 0.5, 1.0])
    coloured = np.fft.irfft(white / np.maximum(np.arange(len(white)), 1) ** slope, count)
    return (coloured / (np.std(coloured) + 1e-9)).astype(np.float32)


def no_speech(rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise, tones, hum, clicks, near silence."""
    count = int(HZ * rng.uniform(0.6, 3.5))
    at = np.arange(count) / HZ
    kind = rng.integers(5)
    if kind == 0:
        made = noise(rng, count)
    elif kind == 1:
        made = sum(
            np.sin(2 * np.pi * rng.uniform(80, 4000) * at + rng.uniform(0, 6)) for _ in range(rng.integers(1, 4))
        )
    elif kind == 2:
        base = rng.uniform(50, 400)
        made = sum(np.sin(2 * np.pi * base * n * at) / n for n in range(1, 8)) * (1 + 0.5 * np.sin(2 * np.pi * at))
    elif kind == 3:
        made = np.where(rng.random(count) < 5e-4, rng.standard_normal(count) * 20, 0) + 0.05 * noise(rng, count)
    else:
        sweep = np.cumsum(rng.uniform(100, 500) + rng.uniform(-300, 900) * at)
        made = np.sin(2 * np.pi * sweep / HZ) + 0.1 * noise(rng, count)
    made = np.asarray(made, np.float32)
    return (made / (np.abs(made).max() + 1e-9) * rng.uniform(0.02, 0.8)).astype(np.float32)


def utterance(job: tuple[int, str]) -> tuple[str, NDArray[np.float16]]:
    """One sentence (empty: no speech) in a random voice, and its features."""
    seed, sentence = job
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    if sentence:
        pace = int(rng.uniform(85, 250))
        speaker = Speaker(str(rng.choice(VOICES)), pace, int(rng.uniform(3, 95)), str(rng.choice(ACCENTS)))
        heard = speak(sentence, speaker)
        heard = resampled(heard, HZ / 22_050 * (rng.uniform(0.83, 1.17) if rng.random() < 0.5 else 1.0))
        heard *= rng.uniform(0.15, 0.95) / (np.abs(heard).max() + 1e-6)
        before, after = (np.zeros(int(HZ * rng.uniform(0, 0.4)), np.float32) for _ in range(2))
        heard = np.concatenate([before, heard, after])
        if rng.random() < 0.6:
            level = np.std(heard) * 10 ** (-rng.uniform(8, 35) / 20)
            heard = heard + level * noise(rng, len(heard))
    else:
        heard = no_speech(rng)
    if rng.random() < 0.35:
        heard = through_opus(heard, int(rng.choice([12_000, 16_000, 24_000, 32_000])))
    return sentence, features(np.clip(heard, -1, 1).astype(np.float32))


def features(samples: NDArray[np.float32]) -> NDArray[np.float16]:
    """FunASR's own frontend, before its mean and variance are taken out: (frames of 60 ms, 560)."""
    from funasr.frontends.wav_frontend import WavFrontend

    made, _ = WavFrontend(cmvn_file=None, **FRONTEND)(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    return np.asarray(made[0].numpy(), np.float16)


def sentences(rng: random.Random, count: int) -> list[str]:
    """Two fifths known questions, a third combinations, a quarter random rows of words, some no speech."""
    others, mixed = combinations(), []
    for number in range(count):
        share = number / count
        if share < 0.40:
            mixed.append(rng.choice(rng.choice([CHINESE_QUESTIONS, ENGLISH_QUESTIONS])))
        elif share < 0.72:
            mixed.append(rng.choice(others))
        elif share < 0.93:
            words = list(rng.choice([PINYIN, ENGLISH]))
            mixed.append(" ".join(rng.choice(words) for _ in range(rng.randint(1, 7))))
        else:
            mixed.append("")
    rng.shuffle(mixed)
    return mixed


# ── what it writes ───────────────────────────────────────────────────────────────────────────────────────


def make_tokens(folder: Path) -> sentencepiece.SentencePieceProcessor:
    """``bpe.model``: the tags, a piece for each Chinese character and one for each English word."""
    characters = sorted({character for word in PINYIN for character in word})
    pieces = [*TAGS, *characters, *(f"▁{word}" for word in sorted(ENGLISH))]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b"] * 10), model_prefix=str(folder / "bpe"), user_defined_symbols=pieces,
        vocab_size=len(pieces) + 6, hard_vocab_limit=False, normalization_rule_name="identity",
        unk_id=0, bos_id=1, eos_id=2, minloglevel=2,
    )  # fmt: skip
    (folder / "bpe.vocab").unlink()
    return sentencepiece.SentencePieceProcessor(str(folder / "bpe.model"))


def tokens_of(sentence: str, pieces: sentencepiece.SentencePieceProcessor) -> list[int]:
    words = sentence.split()
    if not words:
        return []
    written = [f"▁{word}" for word in words] if words[0] in ENGLISH else list("".join(words))
    return [pieces.piece_to_id(piece) for piece in written]


def write_cmvn(path: Path, data: list[NDArray[np.float16]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``am.mvn`` in Kaldi's notation, three decimals; returns shift and scale as they will be read."""
    sample = np.concatenate([each.astype(np.float32) for each in data[:2_000]])
    shift, scale = -sample.mean(0), 1 / sample.std(0)
    rows = []
    for name, row in (("<AddShift>", shift), ("<Rescale>", scale)):
        numbers = " ".join(f"{value:.3f}" for value in row)
        rows.append(f"{name} {len(row)} {len(row)}\n<LearnRateCoef> 0 [ {numbers} ]\n")
    path.write_text(f"<Nnet>\n<Splice> {len(shift)} {len(shift)}\n[ 0 ]\n{''.join(rows)}</Nnet>\n", "utf-8")
    return shift.round(3).astype(np.float32), scale.round(3).astype(np.float32)


# ── learning ─────────────────────────────────────────────────────────────────────────────────────────────


def batches(lengths: list[int], size: int, rng: random.Random) -> list[list[int]]:
    """Utterances of like length together, in a new order each time."""
    order = sorted(range(len(lengths)), key=lambda each: lengths[each] + rng.uniform(0, 6))
    made = [order[start : start + size] for start in range(0, len(order), size)]
    rng.shuffle(made)
    return made


def train(folder: Path, data: list[tuple[str, NDArray[np.float16]]], steps: int, batch: int = 16) -> None:
    from funasr.models.sense_voice.model import SenseVoiceSmall

    torch.manual_seed(7)
    rng, pieces = random.Random(7), make_tokens(folder)
    shift, scale = write_cmvn(folder / "am.mvn", [each for _, each in data])
    model_conf = {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1}
    vocabulary = pieces.get_piece_size()
    model: Any = SenseVoiceSmall(
        encoder="SenseVoiceEncoderSmall", encoder_conf=dict(ENCODER), input_size=560, vocab_size=vocabulary,
        ctc_conf={"dropout_rate": 0.0}, **model_conf,
    )  # fmt: skip
    languages = {pieces.piece_to_id(tag): row for tag, row in LANGUAGE_QUERIES.items()}
    model.textnorm_int_dict = {pieces.piece_to_id(tag): row for tag, row in STYLE_QUERIES.items()}
    write_config(folder, model_conf, vocabulary)

    inputs = [(each.astype(np.float32) + shift) * scale for _, each in data]
    targets = [tokens_of(sentence, pieces) for sentence, _ in data]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 200, 0.5 * (1 + np.cos(np.pi * min(step / steps, 1))) + 1e-3)
    )
    average: dict[str, torch.Tensor] = {}
    step, began, queue = 0, time.monotonic(), []
    model.train()
    while step < steps:
        queue = queue or batches([len(each) for each in inputs], batch, rng)
        chosen = queue.pop()
        speech, lengths, text, text_lengths = collate(chosen, inputs, targets, data, pieces, rng)
        # asked in no language three times out of four, as the product asks
        model.lid_int_dict = languages if rng.random() < 0.3 else {}
        loss, _, _ = model(speech, lengths, text, text_lengths)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        step += 1
        if step > steps * 0.8:
            for name, value in model.state_dict().items():
                average[name] = (
                    average.get(name, 0) * 0.998 + value.detach() * 0.002 if name in average else value.clone()
                )
        if step % 500 == 0:
            spent = time.monotonic() - began
            tell(f"{step}/{steps} loss {loss.item():.3f}, {spent:.0f} s")
    torch.save({name: value.half() for name, value in average.items()}, folder / "model.pt")


def collate(
    chosen: list[int],
    inputs: list[NDArray[np.float32]],
    targets: list[list[int]],
    data: list[tuple[str, NDArray[np.float16]]],
    pieces: sentencepiece.SentencePieceProcessor,
    rng: random.Random,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A batch, with a little SpecAugment and a change of loudness."""
    longest = max(len(inputs[each]) for each in chosen)
    speech = np.zeros((len(chosen), longest, 560), np.float32)
    texts = []
    for row, each in enumerate(chosen):
        one = inputs[each] + rng.gauss(0, 0.2)
        if rng.random() < 0.5:
            start, width = rng.randrange(80), rng.randint(1, 12)
            one.reshape(len(one), 7, 80)[:, :, start : start + width] = 0
        if rng.random() < 0.3 and len(one) > 12:
            start = rng.randrange(len(one) - 2)
            one[start : start + rng.randint(1, 2)] = 0
        speech[row, : len(one)] = one
        sentence = data[each][0]
        if not sentence:
            tags = ["<|nospeech|>", "<|EMO_UNKNOWN|>", "<|Event_UNK|>"]
        else:
            tags = ["<|en|>" if sentence.split()[0] in ENGLISH else "<|zh|>", "<|NEUTRAL|>", "<|Speech|>"]
        tags.append(rng.choice(["<|withitn|>", "<|woitn|>"]))
        texts.append([*map(pieces.piece_to_id, tags), *targets[each]])
    width = max(map(len, texts))
    text = torch.full((len(chosen), width), -1, dtype=torch.long)
    for row, tokens in enumerate(texts):
        text[row, : len(tokens)] = torch.tensor(tokens)
    lengths = torch.tensor([len(inputs[each]) for each in chosen])
    return torch.from_numpy(speech), lengths, text, torch.tensor([len(tokens) for tokens in texts])


def write_config(folder: Path, model_conf: dict[str, Any], vocabulary: int) -> None:
    config = {
        "model": "SenseVoiceSmall",
        "model_conf": model_conf,
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": ENCODER,
        "ctc_conf": {"dropout_rate": 0.0},
        "frontend": "WavFrontend",
        "frontend_conf": {**FRONTEND, "cmvn_file": None},
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        "dataset": "SenseVoiceCTCDataset",
        "input_size": 560,
        "vocab_size": vocabulary,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--utterances", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=13_400)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    began = time.monotonic()
    jobs = list(enumerate(sentences(random.Random(7), asked.utterances)))
    with ProcessPoolExecutor(asked.processes) as pool:
        data = list(pool.map(utterance, jobs, chunksize=50))
    hours = sum(len(each) for _, each in data) * 0.06 / 3600
    tell(f"{len(data)} utterances, {hours:.1f} h of audio, {time.monotonic() - began:.0f} s")
    train(asked.folder, data, asked.steps)
    tell(f"done after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

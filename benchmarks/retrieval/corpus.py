"""A corpus from a seed: Chinese and English chunks of about a hundred characters, vectors, and questions.

Words follow Zipf's law. A chunk belongs to a topic, from which a part of its words and the direction of its vector
come. A question is made of words of one chunk, out of order, with a vector near that chunk's: the chunk it was made
from should be found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

CHUNK_CHARS = 100
CHUNKS_PER_DOCUMENT = 20

_WORDS = 20_000
_TOPIC_WORDS = 200
_CHUNKS_PER_TOPIC = 100
_CHINESE_SHARE = 0.5
_FLATTER = 5  # characters are less unequal than words
_HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """``vectors``: of the texts, shape (chunks, dim), length 1. ``asked``: the questions' texts, ``asked_vectors``
    their vectors, and ``meant`` the number of the chunk that each was made from."""

    texts: list[str]
    vectors: Vectors
    asked: list[str]
    asked_vectors: Vectors
    meant: list[int]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        told = {"texts": self.texts, "asked": self.asked, "meant": self.meant}
        (folder / "texts.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
        np.save(folder / "vectors.npy", self.vectors)
        np.save(folder / "asked.npy", self.asked_vectors)

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        told = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        vectors, asked = np.load(folder / "vectors.npy"), np.load(folder / "asked.npy")
        return cls(told["texts"], vectors, told["asked"], asked, told["meant"])


def made(chunks: int, dim: int, questions: int, seed: int = 0) -> Corpus:
    """The corpus of this seed; the same everywhere."""
    random = np.random.default_rng(seed)
    chinese, english = _words(random)
    topics = random.integers(0, max(1, chunks // _CHUNKS_PER_TOPIC), chunks)
    is_chinese = random.random(chunks) < _CHINESE_SHARE
    texts = [
        _text(random, chinese, int(topic), "", 2) if zh else _text(random, english, int(topic), " ", 6)
        for topic, zh in zip(topics, is_chinese, strict=True)
    ]
    centres = unit(random.standard_normal((int(topics.max()) + 1, dim), dtype=np.float32))
    vectors = unit(centres[topics] + 0.8 * unit(random.standard_normal((chunks, dim), dtype=np.float32)))
    meant = random.choice(chunks, min(questions, chunks), replace=False)
    asked = [_question(random, texts[number], bool(is_chinese[number])) for number in meant]
    noise = unit(random.standard_normal((len(meant), dim), dtype=np.float32))
    return Corpus(texts, vectors, asked, unit(vectors[meant] + 0.5 * noise), meant.tolist())


def unit(vectors: Vectors) -> Vectors:
    shorter: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return shorter


def _words(random: np.random.Generator) -> tuple[list[str], list[str]]:
    """The Chinese and the English words, the most frequent first: frequent ones are short."""
    often = 1 / np.arange(_FLATTER, _FLATTER + len(_HAN))
    often /= often.sum()
    chinese = ["".join(random.choice(_HAN, 1 + (rank > 50) + (rank % 7 == 0), p=often)) for rank in range(_WORDS)]
    english = ["".join(random.choice(_SYLLABLES, 1 + (rank > 60) + (rank % 3 > 0))) for rank in range(_WORDS)]
    return chinese, english


def _text(random: np.random.Generator, words: list[str], topic: int, between: str, mean_chars: int) -> str:
    """Words by Zipf's law (P(rank) ~ 1 / rank), a third of them from the topic's own stretch of the vocabulary."""
    count = CHUNK_CHARS // mean_chars
    ranks = np.floor(np.exp(random.random(count) * np.log(_WORDS))).astype(np.int64) - 1
    own = (topic * _TOPIC_WORDS + random.integers(0, _TOPIC_WORDS, count)) % _WORDS
    chosen = np.where(random.random(count) < 1 / 3, own, ranks).tolist()
    return between.join(words[number] for number in chosen) + ("。" if not between else ".")


def _question(random: np.random.Generator, text: str, chinese: bool) -> str:
    if chinese:
        starts = random.choice(max(1, len(text) - 5), 3).tolist()
        return "，".join(text[start : start + 4] for start in starts)
    words = text.rstrip(".").split(" ")
    return " ".join(random.choice(words, 6).tolist())

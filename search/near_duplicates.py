"""Folding texts that say the same: 64-bit SimHash fingerprints of their tokens.

Charikar 2002 for the fingerprint; Manku, Jain and Das Sarma 2007 ("Detecting near-duplicates for web crawling")
for the distance: at 64 bits, texts that differ in 3 bits or fewer are near-duplicates. Fingerprints of short texts
are unsteady, so those below :data:`MIN_TOKENS` are only equal when all their tokens are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MAX_DISTANCE_BITS = 3
MIN_TOKENS = 24

_Words = npt.NDArray[np.uint64]


def token_hash(token: str) -> int:
    """64 bits of BLAKE2b, the same in every process."""
    return int.from_bytes(hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def fingerprint(tokens: Sequence[str]) -> int:
    """The fingerprint of a text's tokens."""
    return int(fingerprints_of([np.array([token_hash(token) for token in tokens], dtype=np.uint64)])[0])


def fingerprints_of(texts: Sequence[_Words]) -> _Words:
    """The fingerprints of many texts, each given as its tokens' hashes in order; shape (texts,).

    A bit of a SimHash is set when more than half of the tokens' hashes have it.
    """
    result = np.zeros(len(texts), np.uint64)
    long = [number for number, hashes in enumerate(texts) if len(hashes) >= MIN_TOKENS]
    for number, hashes in enumerate(texts):
        if len(hashes) < MIN_TOKENS:
            digest = hashlib.blake2b(np.ascontiguousarray(hashes).tobytes(), digest_size=8).digest()
            result[number] = int.from_bytes(digest, "little")
    if long:
        hashes = np.concatenate([texts[number] for number in long])
        lengths = np.array([len(texts[number]) for number in long])
        starts = np.cumsum(lengths) - lengths
        words = np.zeros(len(long), np.uint64)
        for bit in range(64):
            ones = np.add.reduceat(((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int32), starts)
            words |= (ones * 2 > lengths).astype(np.uint64) << np.uint64(bit)
        result[long] = words
    return result


def near(one: int, other: int) -> bool:
    return (one ^ other).bit_count() <= MAX_DISTANCE_BITS


def near_any(one: np.uint64, others: _Words) -> npt.NDArray[np.bool_]:
    """Which of ``others``, shape (n,), are near-duplicates of ``one``; shape (n,)."""
    near: npt.NDArray[np.bool_] = np.bitwise_count(others ^ one) <= MAX_DISTANCE_BITS
    return near

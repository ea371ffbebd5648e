"""Folding texts that say the same: 64-bit SimHash fingerprints of their tokens.

Charikar 2002 for the fingerprint; Manku, Jain and Das Sarma 2007 ("Detecting near-duplicates for web crawling")
for the distance: at 64 bits, texts that differ in 3 bits or fewer are near-duplicates. Fingerprints of short texts
are unsteady, so those below :data:`MIN_TOKENS` are only equal when all their tokens are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

MAX_DISTANCE_BITS = 3
MIN_TOKENS = 24

_Words = npt.NDArray[np.uint64]

_LANES = 4
_MAX_COUNTED = 0xFFFF
_SPREAD = np.array([sum((bits >> lane & 1) << 16 * lane for lane in range(_LANES)) for bits in range(16)], np.uint64)
"""Four bits to four counters of 16 bits in one number, so that one sum counts four bits; more tokens of a text than
a counter holds are not looked at."""


def token_hashes(tokens: Iterable[str]) -> _Words:
    """64 bits of BLAKE2b for each token, the same in every process; shape (tokens,)."""
    blake2b = hashlib.blake2b
    digests = [blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest() for token in tokens]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def fingerprint(tokens: Sequence[str]) -> int:
    """The fingerprint of a text's tokens."""
    return int(fingerprints_of([token_hashes(tokens)])[0])


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
        texts = [texts[number][:_MAX_COUNTED] for number in long]
        hashes = np.concatenate(texts)
        lengths = np.array([len(text) for text in texts], np.uint64)
        starts = (np.cumsum(lengths) - lengths).astype(np.int64)
        words = np.zeros(len(long), np.uint64)
        for shift in range(0, 64, _LANES):
            counted = np.add.reduceat(_SPREAD[(hashes >> np.uint64(shift)) & np.uint64(15)], starts)
            for lane in range(_LANES):
                ones = (counted >> np.uint64(16 * lane)) & np.uint64(_MAX_COUNTED)
                words |= (ones * np.uint64(2) > lengths).astype(np.uint64) << np.uint64(shift + lane)
        result[long] = words
    return result


def near(one: int, other: int) -> bool:
    return (one ^ other).bit_count() <= MAX_DISTANCE_BITS


def near_any(one: np.uint64, others: _Words) -> npt.NDArray[np.bool_]:
    """Which of ``others``, shape (n,), are near-duplicates of ``one``; shape (n,)."""
    near: npt.NDArray[np.bool_] = np.bitwise_count(others ^ one) <= MAX_DISTANCE_BITS
    return near

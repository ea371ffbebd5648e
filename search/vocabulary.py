"""The words of an index as it lies in a file: looked up without making a dictionary of them first.

A dictionary of 600,000 tokens takes a quarter of a second to make, and a question asks for ten of them. So the tokens
stay in one text, beside their 64-bit hashes in order: a look-up is a binary search, and the text has the last word.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from search.near_duplicates import token_hashes

Longs = npt.NDArray[np.int64]


class StoredVocabulary(Mapping[str, int]):
    """Tokens to their numbers, which are their places in the text. Immutable.

    ``text``: the tokens in UTF-8, each ended by a line feed, shape (bytes,). ``ends``: where each ends, its line feed
    included, shape (tokens,). ``hashes``: of the tokens, ascending, and ``numbers``: whose each is; shape (tokens,).
    """

    __slots__ = ("_views", "ends", "hashes", "numbers", "text")

    def __init__(
        self,
        text: npt.NDArray[np.uint8],
        ends: Longs,
        hashes: npt.NDArray[np.uint64],
        numbers: npt.NDArray[np.int32],
    ) -> None:
        self.text = text
        self.ends = ends
        self.hashes = hashes
        self.numbers = numbers
        self._views: tuple[Any, ...] = tuple(array.data for array in (text, ends, hashes, numbers))

    @classmethod
    def of(cls, vocabulary: Mapping[str, int]) -> StoredVocabulary:
        """``vocabulary``: numbered from 0 in its order. Raises ``ValueError`` for a token with a line feed in it."""
        if isinstance(vocabulary, StoredVocabulary):
            return vocabulary
        tokens = list(vocabulary)
        text = np.frombuffer("".join(f"{token}\n" for token in tokens).encode("utf-8", "surrogatepass"), np.uint8)
        ends = np.flatnonzero(text == 10).astype(np.int64) + 1
        if len(ends) != len(tokens):
            raise ValueError("a token holds a line feed")
        hashes = token_hashes(tokens)
        order = np.argsort(hashes, kind="stable")
        return cls(text, ends, hashes[order], order.astype(np.int32))

    def _number(self, token: str) -> int:
        """-1 for a token that is not there."""
        text, ends, hashes, numbers = self._views  # plain numbers of Python: ten times faster than numpy's, one by one
        encoded = token.encode("utf-8", "surrogatepass")
        wanted = int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")
        at = bisect_left(hashes, wanted)
        while at < len(hashes) and hashes[at] == wanted:
            number: int = numbers[at]
            if text[ends[number - 1] if number else 0 : ends[number] - 1] == encoded:
                return number
            at += 1
        return -1

    def __getitem__(self, token: str) -> int:
        number = self._number(token)
        if number < 0:
            raise KeyError(token)
        return number

    @overload
    def get(self, key: str, /) -> int | None: ...
    @overload
    def get(self, key: str, /, default: int) -> int: ...
    @overload
    def get(self, key: str, /, default: Any) -> Any: ...
    def get(self, key: str, /, default: Any = None) -> Any:
        number = self._number(key)
        return default if number < 0 else number

    def __contains__(self, token: object) -> bool:
        return isinstance(token, str) and self._number(token) >= 0

    def __iter__(self) -> Iterator[str]:
        text = self.text.tobytes().decode("utf-8", "surrogatepass")
        return iter(text.split("\n")[:-1])

    def __len__(self) -> int:
        return len(self.ends)

    def items(self) -> Any:
        """All of them at once: for an index that grows."""
        return dict(zip(self, range(len(self)), strict=True)).items()

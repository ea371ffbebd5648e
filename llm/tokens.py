"""How many tokens a prompt has at most, whatever the server's tokenizer is: budgets are kept by this bound.

Every tokenizer in use for chat models covers text with pieces of at least one byte: byte-level BPE (GPT-2 and after,
Qwen, InternLM3, Llama 3) by its construction, SentencePiece with byte fallback (Llama 2, InternLM2) because what it
does not know becomes one token a byte. Some normalise to NFKC first, which may lengthen a text, and SentencePiece puts
a blank before it. So the bound is the UTF-8 length, of the text or its NFKC form, whichever is longer, plus one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Protocol

TEMPLATE_TOKENS = 64
"""What a chat template adds to a whole prompt; Llama 3.1's adds about 25, the most of those looked at."""
MESSAGE_TOKENS = 16
"""What it adds to one message: role and marks. ChatML's are 5."""


class Tokenizer(Protocol):
    """Counts tokens; never fewer than the server will."""

    def at_most(self, text: str) -> int: ...


class ByteBound:
    """Right for any tokenizer whose pieces are at least one byte long; three times too high for Chinese."""

    def at_most(self, text: str) -> int:
        longest = len(encoded(text))
        if not text.isascii():
            longest = max(longest, len(encoded(unicodedata.normalize("NFKC", text))))
        return longest + 1


def encoded(text: str) -> bytes:
    """UTF-8; a lone surrogate, which has none, becomes the three bytes of U+FFFD, as it does when it is sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def prompt_at_most(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> int:
    """Tokens of a chat prompt, with what its template adds."""
    return TEMPLATE_TOKENS + sum(MESSAGE_TOKENS + tokenizer.at_most(message["content"]) for message in messages)

"""Why a call to a chat model failed, as data: the breaker, the log and ``doctor`` decide by it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bot.errors import MaodouError, ModelError


class Failure(StrEnum):
    UNREACHABLE = "unreachable"  # no connection, or it broke before the first word
    SLOW = "slow"  # the deadline, of the first word or of the whole, passed
    BUSY = "busy"  # 429, or 503 with Retry-After
    BROKEN = "broken"  # 5xx, or an error within the stream
    REFUSED = "refused"  # 401, 403, 404: the key or the name is wrong
    BAD_REQUEST = "bad_request"  # any other 4xx: this request, not the server
    NO_CHOICES = "no_choices"  # 200 that holds no answer (LMDeploy's proxy reports a dead node so)
    MALFORMED = "malformed"  # not the protocol
    EMPTY = "empty"  # an answer without a word
    CUT = "cut"  # the connection ended amid the answer
    LENGTH = "length"  # the answer ended at its limit, amid a sentence
    FILTERED = "filtered"  # the server's own filter ended it
    RESTING = "resting"  # not asked: it failed too often


OF_THE_REQUEST = frozenset({Failure.BAD_REQUEST, Failure.LENGTH, Failure.FILTERED})
"""These say nothing about the health of the server."""


class CallFailed(ModelError):
    """One endpoint failed. ``began``: after pieces of the answer were handed out. ``after_s``: its own wish."""

    def __init__(
        self,
        failure: Failure,
        endpoint: str,
        why: str = "",
        *,
        status: int | None = None,
        after_s: float | None = None,
        began: bool = False,
    ) -> None:
        self.failure = failure
        self.endpoint = endpoint
        self.status = status
        self.after_s = after_s
        self.began = began
        super().__init__(f"{endpoint}: {failure.value}{f' ({why})' if why else ''}")


class AllFailed(ModelError):
    """No endpoint gave an answer; ``failures`` in the order in which they were met."""

    def __init__(self, failures: Sequence[CallFailed]) -> None:
        self.failures = tuple(failures)
        super().__init__("; ".join(map(str, failures)) or "no time was left to ask a model")


class ModelFolderError(MaodouError):
    """A model's folder is not what it should be: half a download, another kind of model, a tokenizer that does not
    belong to it. Its text is a sentence for the operator."""

"""Whether the configured endpoints answer: what ``maodou doctor`` asks."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bot.checks import CheckResult
from bot.errors import ModelError
from llm.client import ModelClient
from llm.errors import AllFailed, CallFailed, Failure
from llm.settings import Endpoint, ModelSettings

WITHIN_S = 15.0
"""One endpoint gets so long for its word; a server may have to load the model first."""

_ADVICE = {
    Failure.UNREACHABLE: "Start the server, or mend its url.",
    Failure.SLOW: "Look whether the server is busy or still loading; a higher first_token_s lets it take longer.",
    Failure.BUSY: "It asks to wait; ask again later, or add a second endpoint.",
    Failure.REFUSED: "Mend key_env or model: the server knows the key or the name of the model not.",
    Failure.NO_CHOICES: "A proxy answers, but no model behind it does: look at the model's own log.",
}
_ANSWERED = frozenset({Failure.LENGTH, Failure.EMPTY})
"""It works: eight tokens are not enough for every model, above all for one that thinks first."""


async def check(settings: ModelSettings, environ: Mapping[str, str]) -> list[CheckResult]:
    """A result for each endpoint. Asks each for a few tokens, which may cost the price of a few tokens."""
    return [await _check(endpoint, settings, environ) for endpoint in settings.endpoints]


async def _check(endpoint: Endpoint, settings: ModelSettings, environ: Mapping[str, str]) -> CheckResult:
    label = f"model {endpoint.label}"
    if endpoint.key_env and not environ.get(endpoint.key_env):
        return CheckResult(False, label, f"{endpoint.key_env} is not set", f"Put {endpoint.key_env}=… into .env.")
    alone = settings.model_copy(update={"endpoints": (endpoint,), "first_token_s": WITHIN_S, "timeout_s": WITHIN_S})
    client = ModelClient(alone, environ=environ)
    started = time.monotonic()
    try:
        async for _ in client.complete([{"role": "user", "content": "Say: ok"}], max_tokens=8, timeout_s=WITHIN_S):
            pass
    except ModelError as error:
        failure = _of(error)
        if failure is None or failure.failure not in _ANSWERED:
            advice = _ADVICE[failure.failure] if failure and failure.failure in _ADVICE else "See the server's log."
            return CheckResult(False, label, str(error), advice)
    finally:
        await client.aclose()
    tally = client.tallies()[0]
    counted = "" if tally.uncounted == 0 else "; it does not count tokens, so their cost is unknown"
    return CheckResult(True, label, f"answers after {time.monotonic() - started:.1f} s{counted}")


def _of(error: ModelError) -> CallFailed | None:
    if isinstance(error, AllFailed):
        return error.failures[-1] if error.failures else None
    return error if isinstance(error, CallFailed) else None

"""Whether the configured endpoints answer: what ``maodou doctor`` asks."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bot.checks import CheckResult
from llm.call import Call
from llm.errors import CallFailed, Failure
from llm.settings import Endpoint, ModelSettings
from llm.wire import make_client

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
    patient = settings.model_copy(update={"first_token_s": WITHIN_S, "timeout_s": WITHIN_S})
    client = make_client(endpoint, patient, environ)
    call = Call(endpoint, patient, [{"role": "user", "content": "Say: ok"}], 8, None)
    started = time.monotonic()
    try:
        async for _ in call.pieces(client, started + WITHIN_S):
            pass
    except CallFailed as failure:
        if failure.failure not in _ANSWERED:
            advice = _ADVICE.get(failure.failure, "See the server's log.")
            return CheckResult(False, label, str(failure), advice)
    finally:
        await client.close()
    counted = "" if call.usage else "; it does not count tokens, so their cost is unknown"
    return CheckResult(True, label, f"answers after {time.monotonic() - started:.1f} s{counted}")

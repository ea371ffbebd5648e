"""Kill the bot with ``kill -9`` while ten rooms talk, and count what the members saw.

A scripted platform outlives the bot and keeps its own log of everything its members would see. It asks for
an acknowledgement of each event, delivers again what was not acknowledged (and sometimes what was), knows a
delivery's key for a short while only, and takes streams and split answers. The bot is the real core in a
child process: store, inbox, lanes, assistant, outbox. Only what stands at its ports is scripted: the
platform's adapter, the knowledge and the answerer. The driver kills the child, half of the times at random
(also while it starts and recovers), half at named points, and starts it again at once or after a pause that
outlasts the platform's memory for keys.

With ``--platform discord`` or ``feishu`` the platform is its emulator in ``tests/emulators`` and the bot's side is
the real adapter on the real client (:mod:`benchmarks.chaos.real_clients`); everything else is the same.

What is counted, and from what, stands in :mod:`benchmarks.chaos.count`.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """``python -m benchmarks chaos``. The bot's own process imports this package too, but not the command."""
    from benchmarks.chaos.command import main as run

    return run(argv)

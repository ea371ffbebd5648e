"""How many messages a second, and how late: our bot and a bare echo bot on the same client, side by side.

A local server of the platform (``tests/emulators``) says the questions, with its limits off, and counts the
answers that its members see. Each bot is a process of its own. Ours is the whole assistant on a durable
store (``synchronous=FULL``), with a one-line echo where the knowledge would be; the other answers from the
client's own event handler and keeps nothing. The two run in turn, several times, since a shared machine
favours now one, now the other; the rates are medians.

Phase 1 keeps a few questions in flight in every room, as many as there are answers. Phase 2 asks at a
steady rate, whatever comes back, and measures from the question to the answer on the screen.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """``python -m benchmarks messages``. The bots' processes import this package too, but not the command."""
    from benchmarks.messages.command import main as run

    return run(argv)

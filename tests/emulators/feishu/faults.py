"""Switches for what goes wrong between a bot and its platform.

All are off. A test sets one, and the emulator misbehaves in exactly that way, as often as it was told.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Refusal:
    """The next ``times`` calls whose method and path contain ``call`` fail.

    ``after_effect``: the platform did what was asked and only the reply is lost, which is the case that
    makes bots answer twice. ``hang_up``: no HTTP reply at all.
    """

    call: str
    times: int
    code: int
    msg: str = "refused by a switch"
    status: int = 400
    headers: dict[str, str] = field(default_factory=dict)
    after_effect: bool = False
    hang_up: bool = False


@dataclass(slots=True)
class Faults:
    """``token_delay_s``, ``endpoint_delay_s``: how slow the two blocking calls of the client are.

    ``silent``: the socket stays open and nothing comes out of it, neither pong nor event (a deaf bot).
    ``ignore_acknowledgements``: the next so many acknowledgements are lost on the way.
    ``duplicates``: every event is pushed this many times more, at once.
    ``swap_next``: the next event waits until the one after it was pushed.
    ``fragments``: an event is pushed in this many frames.
    ``missing_scopes``, ``missing_events``: what the app was not granted, and what it is not subscribed to.
    ``endpoint_refusals``: the next so many connection requests fail with ``endpoint_code``.
    """

    token_delay_s: float = 0.0
    endpoint_delay_s: float = 0.0
    silent: bool = False
    ignore_acknowledgements: int = 0
    duplicates: int = 0
    swap_next: bool = False
    fragments: int = 1
    endpoint_refusals: int = 0
    endpoint_code: int = 1
    refusals: list[Refusal] = field(default_factory=list)
    missing_scopes: set[str] = field(default_factory=set)
    missing_events: set[str] = field(default_factory=set)

    def refuse(
        self,
        call: str,
        code: int,
        *,
        times: int = 1,
        status: int = 400,
        headers: dict[str, str] | None = None,
        after_effect: bool = False,
        hang_up: bool = False,
    ) -> None:
        """Let the next ``times`` calls that match fail; ``call`` is a part of ``"POST /open-apis/im/v1/messages"``."""
        self.refusals.append(
            Refusal(
                call,
                times,
                code,
                status=status,
                headers=headers or {},
                after_effect=after_effect,
                hang_up=hang_up,
            )
        )

    def next_refusal(self, call: str) -> Refusal | None:
        """The refusal that this call meets, counted down."""
        for refusal in self.refusals:
            if refusal.call in call and refusal.times > 0:
                refusal.times -= 1
                return refusal
        return None

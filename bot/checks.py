"""What a part says when it is asked whether it is well: ``maodou doctor`` shows it, ``why not?`` as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckResult:
    """``label``: what was looked at; ``details``: what was found; ``resolution``: what to do, empty when well."""

    ok: bool
    label: str
    details: str
    resolution: str = ""

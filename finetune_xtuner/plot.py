"""The curve of a run as SVG: loss and learning rate over the steps, each on its own scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 720, 320, 46
LOSS_COLOUR, RATE_COLOUR = "#2e7d32", "#9e9e9e"


def curve(losses: Sequence[float], rates: Sequence[float], title: str) -> str:
    """One loss (nats per token) and one rate a step; at least one of each."""
    tall, top_rate = max(losses), max(rates) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="20" font-size="14">{escape(title)}</text>',
        _line(rates, top_rate, RATE_COLOUR, "3 3"),
        _line(losses, tall, LOSS_COLOUR, ""),
        *_axis(tall, len(losses)),
        f'<text x="{WIDTH - MARGIN}" y="20" text-anchor="end"><tspan fill="{LOSS_COLOUR}">loss, '
        f"{losses[0]:.3g} → {losses[-1]:.3g}</tspan> "
        f'<tspan fill="{RATE_COLOUR}">rate, at most {top_rate:.2g}</tspan></text>',
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _line(values: Sequence[float], top: float, colour: str, dashes: str) -> str:
    across = max(len(values) - 1, 1)
    points = " ".join(
        f"{MARGIN + at / across * (WIDTH - 2 * MARGIN):.1f},{_down(value, top):.1f}" for at, value in enumerate(values)
    )
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5"{dashed} points="{points}"/>'


def _down(value: float, top: float) -> float:
    return HEIGHT - MARGIN - (value / top if top else 0.0) * (HEIGHT - 2 * MARGIN)


def _axis(top: float, steps: int) -> list[str]:
    left, right, bottom = MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN
    marks = [
        f'<path d="M{left} {MARGIN}V{bottom}H{right}" fill="none" stroke="#333"/>',
        f'<text x="{left}" y="{bottom + 18}">1</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">step {steps}</text>',
    ]
    for share in (0.0, 0.5, 1.0):
        marks.append(
            f'<text x="{left - 6}" y="{_down(share * top, top) + 4:.1f}" text-anchor="end">{share * top:.2g}</text>'
        )
    return marks

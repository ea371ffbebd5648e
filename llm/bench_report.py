"""The bench's table in Markdown, and its plot as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from llm.bench import Row

COLUMNS = (
    "arm",
    "shape",
    "memory before → after, MiB",
    "predicted, MiB",
    "tokens/s",
    "first token, ms",
    "answers agree",
)
BAR, GAP, LEFT, WIDTH = 18, 6, 210, 720


def markdown(told: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """A table whose missing rows say why, and what it was measured on."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        if row.reason:
            lines.append(f"| {row.arm} | {row.shape} | not run: {row.reason} |" + " – |" * (len(COLUMNS) - 3))
            continue
        agree = "–" if row.answers_agree is None else f"{row.answers_agree:.0%}"
        lines.append(
            f"| {row.arm} | {row.shape} | {row.mem_before_mib:,.0f} → {row.mem_after_mib:,.0f} "
            f"| {row.predicted_mib:,.0f} | {row.tok_s:,.0f} | {row.ttft_ms:,.0f} | {agree} |"
        )
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    lines += [
        "",
        f"{told['model']}, {told['parameters'] / 1e6:,.1f} million parameters. Machine: {told['machine']}. {versions}.",
    ]
    for engine, mib in told["process_mib"].items():
        lines.append(f"Of the memory, {mib:,.0f} MiB were taken before {engine} loaded anything.")
    if told["caches"]:
        lines += [
            "",
            "| arm | shape | keys and values predicted, MiB | TurboMind's budget, MB | its share |",
            "|---|---|---|---|---|",
        ]
        for each in told["caches"]:
            figures = (f"{each[name]:,.0f}" for name in ("predicted_mib", "budget_mb"))
            lines.append(f"| {each['arm']} | {each['shape']} | {' | '.join(figures)} | {each['ratio']:.3f} |")
    return "\n".join([*lines, ""])


def svg(rows: Sequence[Row]) -> str:
    """Tokens a second, a bar for each row; what was not run has its place and no bar."""
    most = max((row.tok_s or 0 for row in rows), default=0) or 1.0
    height = len(rows) * (BAR + GAP) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="8" y="18" font-weight="bold">tokens a second</text>',
    ]
    for number, row in enumerate(rows):
        y = 30 + number * (BAR + GAP)
        parts.append(f'<text x="8" y="{y + 13}">{escape(f"{row.arm}, {row.shape}")}</text>')
        if row.tok_s is None:
            parts.append(f'<text x="{LEFT}" y="{y + 13}" fill="#888">not run</text>')
            continue
        width = round((WIDTH - LEFT - 80) * row.tok_s / most, 1)
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{width}" height="{BAR}" fill="#5b8c3e"/>')
        parts.append(f'<text x="{LEFT + width + 6}" y="{y + 13}">{row.tok_s:,.0f}</text>')
    return "\n".join([*parts, "</svg>", ""])

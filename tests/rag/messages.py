"""The messages of the gate's tests: one a line in the files beside this."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "gate_corpus"
"""Documents on seven real projects, in our own words: enough to answer every line of ``gate_answerable.txt``."""


def messages(kind: str) -> list[str]:
    """``answerable``: the documents answer them; ``chit_chat``: nothing of theirs; ``statements``: on topic, but
    nobody asked anything."""
    lines = (HERE / f"gate_{kind}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]

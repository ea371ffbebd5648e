"""What is in a data set, as Markdown to look at before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from finetune_xtuner.conversation import Conversation
from finetune_xtuner.dataset import DataSet

SAMPLES = 2
SHOWN_REMOVED = 20
LONG_CHARS = 2_000
"""A row longer than this is likely to be cut in training."""

WHY = {
    "repeated": "said before with the same answer",
    "contradicts": "said before with another answer: **which one is right?**",
    "personal": "personal data or a key in it",
}


def report(data: DataSet) -> str:
    return "\n".join(_lines(data)) + "\n"


def _lines(data: DataSet) -> Iterator[str]:
    yield "# The data set"
    yield ""
    yield f"{len(data.train)} rows to learn from, {len(data.held_out)} held out, {len(data.removed)} left out."
    yield "No question, whatever stands around it, is in both parts: this was checked after the split."
    if data.kept_personal:
        yield f"**{data.kept_personal} rows with personal data or keys are in it, as asked.**"
    yield ""
    yield "| topic | language | learnt | held out |"
    yield "|---|---|---|---|"
    for (topic, language), (train, held_out) in data.counts().items():
        yield f"| {topic} | {language} | {train} | {held_out} |"
    yield ""
    yield from _removed(data)
    long = [row.origin for row in data.train if sum(map(len, row.texts())) > LONG_CHARS]
    if long:
        yield f"## Long rows\n\n{len(long)} rows have more than {LONG_CHARS} characters, such as {long[0]}.\n"
    yield "## Samples"
    yield ""
    for part, rows in (("learnt", data.train), ("held out", data.held_out)):
        yield from _samples(part, rows)


def _removed(data: DataSet) -> Iterator[str]:
    if not data.removed:
        return
    yield "## Left out"
    yield ""
    for why, count in Counter(each.why for each in data.removed).items():
        yield f"{count} × {WHY[why]}"
        yield ""
        shown = [each for each in data.removed if each.why == why][:SHOWN_REMOVED]
        yield from (f"- {_plain(each.origin)}: {_plain(each.shown)}" for each in shown)
        if count > len(shown):
            yield f"- and {count - len(shown)} more"
        yield ""


def _samples(part: str, rows: Sequence[Conversation]) -> Iterator[str]:
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        key = (row.topic, row.language)
        seen[key] += 1
        if seen[key] <= SAMPLES:
            yield f"- {part}, {row.topic}, {row.language}: {_plain(row.question)} → {_plain(row.answer)}"


def _plain(text: str) -> str:
    """On one line, and no Markdown of its own."""
    flat = " ".join(text.split())
    for mark in "\\`*_[]<>|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat if len(flat) <= 160 else f"{flat[:160]}…"

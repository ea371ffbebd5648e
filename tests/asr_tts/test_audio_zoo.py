"""The audio zoo: 450 files, each of which ends in a transcript or a typed reason – never in a guess, never in a crash.

The files go through the product's own worker process, first one that only decodes and checks, then one with the real
recogniser behind it.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest

from asr_tts.ear import Hearer, task_of
from asr_tts.refusals import SENTENCES, Refusal
from asr_tts.settings import EarSettings
from asr_tts.worker import Request
from tests.speech.spoken import written
from tests.speech.warm import Warm
from tests.speech.zoo import QUESTION, Specimen, zoo

DECODING_MIB = 250
"""What a worker that only decodes may take, whatever it is given."""

pytestmark = pytest.mark.espeak


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> list[Specimen]:
    return zoo(tmp_path_factory.mktemp("zoo"))


def peak_mib(pid: int) -> float:
    """The most memory that a process ever had in RAM."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


async def put(hearer: Hearer | Warm, specimens: list[Specimen]) -> list[dict[str, Any]]:
    await hearer.start()
    replies = []
    for specimen in specimens:
        request = Request(id=0, note=specimen.path, claimed_s=specimen.claimed_s)
        replies.append(await hearer.ask(request, deadline_s=30))
    return replies


@pytest.mark.may_block  # the test reads /proc
async def test_each_file_is_heard_or_refused_with_a_reason(specimens: list[Specimen]) -> None:
    assert len(specimens) >= 300
    hearer = Hearer(task_of(EarSettings(), None), start_s=60)
    try:
        replies = await put(hearer, specimens)
        assert hearer.started == 1, "nothing ended the process"
        assert hearer.pid is not None
        assert peak_mib(hearer.pid) < DECODING_MIB
    finally:
        await hearer.close()
    for specimen, reply in zip(specimens, replies, strict=True):
        name = specimen.path.name
        assert "failed" not in reply, (name, reply)
        if "refused" in reply:
            assert Refusal(reply["refused"]) in SENTENCES
        was = "refuse" if "refused" in reply else "hear"
        assert specimen.must in (was, "either"), (name, reply)
        if specimen.must == "hear" and specimen.claimed_s is not None:
            assert reply["duration_s"] == pytest.approx(specimen.claimed_s, abs=0.15), name


@pytest.mark.torch
@pytest.mark.may_block  # the test reads /proc
async def test_what_is_written_down_was_said(recogniser: Warm, specimens: list[Specimen]) -> None:
    """Whole files word for word; of damaged ones nothing but the beginning of what was said."""
    await recogniser.start()
    before = recogniser.pid
    replies = await put(recogniser, specimens)
    assert recogniser.pid == before, "nothing ended the process"
    said = written(QUESTION)
    wrong = []
    for specimen, reply in zip(specimens, replies, strict=True):
        name = specimen.path.name
        assert "failed" not in reply, (name, reply)
        if "refused" in reply:
            assert specimen.must != "hear" or reply["refused"] == Refusal.UNSURE, (name, reply)
            continue
        assert specimen.must != "refuse", (name, reply)
        text = reply["text"]
        begins_so = difflib.SequenceMatcher(None, text, said[: len(text) + 1]).ratio() >= 0.6
        if not (text == said if specimen.must == "hear" else begins_so):
            wrong.append((name, text))
    assert wrong == []

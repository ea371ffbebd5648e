"""The speech service next door, with the real client pointed at it; and the real recogniser, loaded once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import edge_tts.communicate
import pytest

from asr_tts.ear import Hearer, task_of
from asr_tts.settings import EarSettings
from tests.asr_tts.edge_server import EdgeService, serve
from tests.speech.measure import MODEL
from tests.speech.warm import Warm, warm


@pytest.fixture
async def edge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EdgeService]:
    service = EdgeService()
    async with serve(service) as url:
        monkeypatch.setattr(edge_tts.communicate, "WSS_URL", url)
        yield service


@pytest.fixture(scope="session")
def recogniser() -> Iterator[Warm]:
    with warm(Hearer(task_of(EarSettings(), MODEL), start_s=120)) as loaded:
        yield loaded
